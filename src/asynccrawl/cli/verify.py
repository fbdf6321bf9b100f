"""`asynccrawl verify DEST`: whether the files are what the ledger says."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..verifying import count_saved, verify
from .main import EXIT_FOUND
from .options import Destination


@click.command("verify")
@click.argument("dest", type=Destination())
@click.pass_context
def command(ctx: click.Context, /, dest: Path) -> None:
    """Read and hash every saved picture of DEST again; name those that differ from the ledger."""
    total, different = count_saved(dest), 0
    with click.progressbar(length=total, label="Verifying", file=sys.stderr) as bar:
        for difference in verify(dest, bar.update):
            different += 1
            click.echo(str(difference))
    click.echo(f"{total:,} saved pictures checked, {different:,} differ.")
    if different:
        ctx.exit(EXIT_FOUND)
