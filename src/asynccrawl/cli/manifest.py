"""`asynccrawl manifest DEST`: one JSON object a record, in list order."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from ..ledger import FILE_NAME, manifest, reading, row_of
from .options import Destination


@click.command("manifest")
@click.argument("dest", type=Destination())
def command(dest: Path) -> None:
    """Print the outcome of every record of DEST as JSON Lines, in list order."""
    with reading(dest / FILE_NAME) as connection:
        for outcome in manifest(connection):
            sys.stdout.write(json.dumps(row_of(outcome)) + "\n")
        sys.stdout.flush()
