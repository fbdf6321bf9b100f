"""`asynccrawl export DATASET OUT --format F`: a data set in the form that a reader wants."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..building import FORMATS, export
from ..imaging import RESIZE_MODES
from ..near import read_groups
from ..sinks import ShardBounds
from .main import EXIT_FOUND
from .options import Amount, Destination
from .splitting import split_options

PROGRESS_SECONDS = 1.0
"""Seconds between the lines on stderr that say how far it is."""


@click.command("export")
@click.argument("dataset", type=Destination())
@click.argument("out", type=Destination())
@click.option("--format", "format_", required=True, type=click.Choice(FORMATS), help="The form of OUT.")
@click.option("--groups", default=None, metavar="imagenet12|FILE", help="Coarse classes instead of the labels.")
@click.option("--strict", is_flag=True, help="Exit 1 when anything is left out, or is to be complained of.")
@split_options("Of the order, and of DIGITS's shuffle.")
@click.option("--resize", default=None, type=int, metavar="N", help="Side in pixels (lmdb: 256 unless given).")
@click.option(
    "--mode",
    default="squash",
    show_default=True,
    type=click.Choice(RESIZE_MODES),
    help="How a picture is brought to that size.",
)
@click.option(
    "--encoding",
    default=None,
    type=click.Choice(["png", "jpg", "none"]),
    help="What pictures are encoded as; none leaves them, or for lmdb their bare pixels.",
)
@click.option("--quality", default=None, type=int, metavar="Q", help="Of JPEG, 1 to 100 (95; lmdb: 90).")
@click.option("--shard-count", default=None, type=Amount(), metavar="N", help="Most pictures of a shard or file.")
@click.option("--shard-bytes", default=None, type=Amount(binary=True), metavar="N", help="Most bytes of one.")
@click.pass_context
def command(ctx: click.Context, /, dataset: Path, out: Path, format_: Any, strict: bool, **flags: Any) -> None:
    """Write DATASET to OUT as an image folder, WebDataset shards, Parquet files, or DIGITS's LMDB.

    DATASET is what crawl or subset made; it is only read. The same data set and flags give the same bytes.
    """
    bounds = _bounds(format_, flags.pop("shard_count"), flags.pop("shard_bytes"))
    near = read_groups(dataset) if flags["split"] == "hash" else None
    report = asyncio.run(export(dataset, out, format_, bounds=bounds, near=near, advance=_progress(), **flags))
    if report.restarted:
        click.echo(f"{out} held an export that was broken off; it was begun anew.", err=True)
    click.echo(str(report))
    if strict and not report.complete:
        ctx.exit(EXIT_FOUND)


def _bounds(format_: str, count: int | None, size: int | None) -> ShardBounds | None:
    if count is None and size is None:
        return None
    if format_ not in ("webdataset", "parquet"):
        raise click.UsageError("--shard-count and --shard-bytes are for webdataset and parquet")
    given = {"count": count, "bytes": size}
    try:
        return ShardBounds(**{name: value for name, value in given.items() if value is not None})
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _progress() -> Callable[[int, int], None]:
    last = time.monotonic()

    def _tell(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= PROGRESS_SECONDS:
            last = time.monotonic()
            print(f"{done:,} of {total:,} pictures", file=sys.stderr)

    return _tell
