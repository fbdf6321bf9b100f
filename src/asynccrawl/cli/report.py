"""`asynccrawl report DEST`: what a crawl came to, also while it runs."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ..ledger import FILE_NAME, reading, tally
from ..report import Report
from .options import Destination


@click.command("report")
@click.argument("dest", type=Destination())
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(dest: Path, as_json: bool) -> None:
    """Print what became of the records of DEST."""
    with reading(dest / FILE_NAME) as connection:
        report = Report.of(tally(connection, 100))
    click.echo(json.dumps(report.as_dict(), indent=2) if as_json else str(report))
