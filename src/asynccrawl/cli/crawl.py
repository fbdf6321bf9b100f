"""`asynccrawl crawl LIST DEST`."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from ..decoder import begin_early, end_all
from ..settings import Settings
from .options import Destination, crawl_options, settings_of
from .showing import judge, show, showing_options

_SOME_BYTES = 10_000


@click.command("crawl")
@click.argument("list_", metavar="LIST", type=str)
@click.argument("dest", type=Destination())
@crawl_options
@showing_options
@click.pass_context
def command(ctx: click.Context, /, list_: str, dest: Path, msg: float, verbose: bool, fail_under: float | None,
            as_json: bool, **flags: Any) -> None:  # fmt: skip
    """Fetch every image of LIST into DEST, one directory a class.

    LIST is a file with `key URL` or URL lines, plain or compressed, a tar of one, or - for standard input. The same
    command again goes on where the last one stopped.
    """
    settings = settings_of(flags)
    _begin(list_, dest, settings)
    from .running import Stopped, run_crawl  # the rest of us, which is most; the decoders start meanwhile

    try:
        report = run_crawl(list_, dest, settings, msg=msg, verbose=verbose)
    except Stopped as stopped:
        show(stopped.report, as_json)
        click.echo("Stopped. The same command goes on from here.", err=True)
        ctx.exit(128 + stopped.number)
    finally:
        end_all()
    if sys.stderr.isatty():
        click.echo(err=True)  # set the report apart from the display above it
    show(report, as_json)
    judge(ctx, report, fail_under)


def _begin(list_: str, dest: Path, settings: Settings) -> None:
    """Start the decoders already, if there will be work for them: a list of some length, and nothing done yet."""
    with suppress(OSError):
        if Path(list_).stat().st_size > _SOME_BYTES and not (dest.exists() and any(dest.iterdir())):
            begin_early(settings)
