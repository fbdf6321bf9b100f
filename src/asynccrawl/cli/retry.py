"""`asynccrawl retry DEST`: fetch again what failed, without the list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..ledger import FILE_NAME, last_deciding, reading
from ..models import Reason
from ..opening import Retry
from ..settings import Settings
from .options import Destination, retry_options, settings_of
from .running import Stopped, run_crawl
from .showing import judge, show, showing_options


def _reasons(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[Reason, ...] | None:
    if value is None:
        return None
    names = [name.strip() for name in value.split(",") if name.strip()]
    known = {reason.value for reason in Reason}
    for name in names:
        if name not in known:
            raise click.BadParameter(f"{name!r} is no reason; `asynccrawl report DEST` shows those that occur")
    if not names:
        raise click.BadParameter("it names no reason, such as dns,timeout")
    return tuple(Reason(name) for name in names)


def _converted(dest: Path) -> str | None:
    with reading(dest / FILE_NAME) as connection:
        return Settings.recorded_convert(last_deciding(connection))


@click.command("retry")
@click.argument("dest", type=Destination())
@click.option("--only", default=None, metavar="REASON,...", callback=_reasons,
              help="Records that ended for these reasons, be they likely to pass or not.")  # fmt: skip
@retry_options
@showing_options
@click.pass_context
def command(ctx: click.Context, /, dest: Path, only: tuple[Reason, ...] | None, msg: float, verbose: bool,
            fail_under: float | None, as_json: bool, **flags: Any) -> None:  # fmt: skip
    """Fetch again those records of DEST that failed for a cause that may pass, or for those that --only names.

    The list is not needed. Everything else of DEST is left as it is. Without --convert pictures become what the last
    run made them.
    """
    # A flag that is forgotten costs another run; but files of another format among those of one are there to stay.
    flags["convert"] = flags["convert"] or _converted(dest)
    try:
        report = run_crawl(Retry(only), dest, settings_of(flags), msg=msg, verbose=verbose)
    except Stopped as stopped:
        show(stopped.report, as_json)
        click.echo("Stopped. A crawl of the list, or the same command, goes on from here.", err=True)
        ctx.exit(128 + stopped.number)
    show(report, as_json)
    judge(ctx, report, fail_under)
