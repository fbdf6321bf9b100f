"""`asynccrawl placeholders DEST`: list them, look at one, and say so when a verdict is wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from .. import reviewing
from ..models import Placeholder
from ..report import printable
from ..reviewing import Repeated
from ..urls import redacted
from .options import Destination


@click.command("placeholders")
@click.argument("dest", type=Destination())
@click.option("--write", nargs=2, default=None, metavar="HASH FILE", help="Write a placeholder to FILE, to look at it.")
@click.option("--restore", default=None, metavar="HASH", help="It is none: write all its copies again.")
@click.option("--refuse", default=None, metavar="HASH", help="This saved content is one: take its copies back.")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def command(dest: Path, write: tuple[str, str] | None, restore: str | None, refuse: str | None, as_json: bool) -> None:
    """List the placeholders of DEST, and what else is saved suspiciously often.

    HASH is the beginning of a SHA-256.
    """
    if sum(value is not None for value in (write, restore, refuse)) > 1:
        raise click.UsageError("one of --write, --restore and --refuse at a time")
    if write is not None:
        _write(dest, *write)
    elif restore is not None:
        click.echo(f"{asyncio.run(reviewing.restore(dest, restore)):,} pictures written again.")
    elif refuse is not None:
        click.echo(f"{asyncio.run(reviewing.refuse(dest, refuse)):,} records failed: placeholder.")
    else:
        known, often = reviewing.placeholders(dest), reviewing.repeated(dest)
        click.echo(_json(known, often) if as_json else _text(known, often))


def _write(dest: Path, sha256: str, file: str) -> None:
    data = reviewing.copy_of(dest, sha256)
    try:
        with open(file, "xb") as target:  # noqa: PTH123 -- whatever click would open
            target.write(data)
    except OSError as error:
        raise click.UsageError(f"{file}: cannot be written: {error.strerror or error}") from error
    click.echo(f"{file}: {len(data):,} bytes")


def _json(known: Sequence[Placeholder], often: Sequence[Repeated]) -> str:
    return json.dumps({"placeholders": [asdict(one) for one in known], "repeated": [asdict(one) for one in often]})


def _text(known: Sequence[Placeholder], often: Sequence[Repeated]) -> str:
    lines = [f"{'copies':>9}  {'bytes':>9}  placeholder (SHA-256)"] if known else ["No placeholders."]
    for one in known:
        lines.append(f"{one.copies + one.suspect:>9,}  {one.bytes:>9,}  {one.sha256}")
        kept = "; kept, since a person wants it" if one.good else ""
        left = f"; {one.suspect:,} copies could not be taken back" if one.suspect else ""
        lines.append(f"{'':22} {one.detail}{kept}{left}")
        lines.append(f"{'':22} e.g. {printable(redacted(one.url), 90)}")
    if often:
        lines += ["", f"{'saved':>9}  repeated content (SHA-256), not told for a placeholder"]
    for repeat in often:
        lines.append(f"{repeat.copies:>9,}  {repeat.sha256}")
        lines.append(f"{'':11}e.g. {repeat.path or ''} {printable(redacted(repeat.url), 90)}")
    return "\n".join(lines)
