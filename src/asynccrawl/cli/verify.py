"""`asynccrawl verify DEST`: whether the files are what the ledger says."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from ..verifying import count_saved, verify
from .main import EXIT_FOUND
from .options import Destination

_SECONDS = 1.0
"""Between progress lines where stderr is no terminal."""


@click.command("verify")
@click.argument("dest", type=Destination())
@click.pass_context
def command(ctx: click.Context, /, dest: Path) -> None:
    """Read and hash every saved picture of DEST again; name those that differ from the ledger."""
    total, different = count_saved(dest), 0
    with _progress(total) as advance:
        for difference in verify(dest, advance):
            different += 1
            click.echo(str(difference))
    click.echo(f"{total:,} saved pictures checked, {different:,} differ.")
    if different:
        ctx.exit(EXIT_FOUND)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """Shows on stderr how far it is; is told how many more were checked."""
    if sys.stderr.isatty():
        with click.progressbar(length=total, label="Verifying", file=sys.stderr) as bar:
            yield bar.update
        return
    click.echo(f"Verifying {total:,} saved pictures", err=True)
    began = due = time.monotonic()
    checked = 0

    def advance(n: int) -> None:
        """So many more were checked."""
        nonlocal checked, due
        checked += n
        now = time.monotonic()
        if now >= due + _SECONDS:
            due = now
            click.echo(f"{checked:,}/{total:,} verified, {checked / (now - began):,.0f} pictures/s", err=True)

    yield advance
