"""`asynccrawl crawl LIST DEST`."""

from __future__ import annotations

import json
import math
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from ..decoder import begin_early, end_all
from ..settings import Settings
from .main import EXIT_FOUND
from .options import Destination, crawl_options, settings_of

_SOME_BYTES = 10_000


@click.command("crawl")
@click.argument("list_", metavar="LIST", type=str)
@click.argument("dest", type=Destination())
@crawl_options
@click.option(
    "-m",
    "--msg",
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    type=click.FloatRange(min=0.01),
    help="Seconds between progress lines where stderr is no terminal.",
)
@click.option("-v", "--verbose", is_flag=True, help="A line for every record on stderr.")
@click.option(
    "--fail-under",
    default=None,
    metavar="PERCENT",
    type=click.FloatRange(0, 100),
    help="Exit 1 when the yield is lower.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.pass_context
def command(ctx: click.Context, /, list_: str, dest: Path, msg: float, verbose: bool, fail_under: float | None,
            as_json: bool, **flags: Any) -> None:  # fmt: skip
    """Fetch every image of LIST into DEST, one directory a class.

    LIST is a file with `key URL` or URL lines, plain or compressed, a tar of one, or - for standard input. The same
    command again goes on where the last one stopped.
    """
    settings = settings_of(flags)
    if not (math.isfinite(msg) and math.isfinite(fail_under or 0.0)):
        raise click.UsageError("--msg and --fail-under must be finite numbers")
    _begin(list_, dest, settings)
    from .running import Stopped, run_crawl  # the rest of us, which is most; the decoders start meanwhile

    try:
        report = run_crawl(list_, dest, settings, msg=msg, verbose=verbose)
    except Stopped as stopped:
        if stopped.report:
            click.echo(json.dumps(stopped.report.as_dict()) if as_json else str(stopped.report))
        click.echo("Stopped. The same command goes on from here.", err=True)
        ctx.exit(128 + stopped.number)
    finally:
        end_all()
    if sys.stderr.isatty():
        click.echo(err=True)  # set the report apart from the display above it
    click.echo(json.dumps(report.as_dict()) if as_json else str(report))
    if fail_under is not None and report.yield_ is not None and report.yield_ * 100 < fail_under:
        click.echo(f"asynccrawl: the yield is {report.yield_:.1%}, below {fail_under:g} %", err=True)
        ctx.exit(EXIT_FOUND)


def _begin(list_: str, dest: Path, settings: Settings) -> None:
    """Start the decoders already, if there will be work for them: a list of some length, and nothing done yet."""
    with suppress(OSError):
        if Path(list_).stat().st_size > _SOME_BYTES and not (dest.exists() and any(dest.iterdir())):
            begin_early(settings)
