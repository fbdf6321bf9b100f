"""What `crawl` and `retry` show alike: the flags for it, the report, and what its yield means for the exit code."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from .main import EXIT_FOUND

if TYPE_CHECKING:
    from ..report import Report  # imported when there is one: the command's first moments are for the decoders


class _Finite(click.FloatRange):
    """A number within bounds; NaN, which is beyond comparing, and infinity are none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number", param, ctx)
        return number


_OPTIONS: list[Callable[[Any], Any]] = [
    click.option("-m", "--msg", default=1.0, show_default=True, metavar="SECONDS", type=_Finite(min=0.01),
                 help="Seconds between progress lines where stderr is no terminal."),
    click.option("-v", "--verbose", is_flag=True, help="A line for every record on stderr."),
    click.option("--fail-under", default=None, metavar="PERCENT", type=_Finite(0, 100),
                 help="Exit 1 when the yield is lower."),
    click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text."),
]  # fmt: skip


def showing_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the flags that are no settings: they decide what is shown of a crawl, and when its end is a failure."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def show(report: Report | None, as_json: bool) -> None:
    """Print the report, if there is one."""
    if report is not None:
        click.echo(json.dumps(report.as_dict()) if as_json else str(report))


def judge(ctx: click.Context, report: Report, fail_under: float | None) -> None:
    """Exit 1 when the yield is below `fail_under` percent. Where nothing was to be fetched there is none."""
    if fail_under is not None and report.yield_ is not None and report.yield_ * 100 < fail_under:
        click.echo(f"asynccrawl: the yield is {report.yield_:.1%}, below {fail_under:g} %", err=True)
        ctx.exit(EXIT_FOUND)
