"""`asynccrawl near DEST`: which pictures of a finished dataset look alike."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from ..ledger import FILE_NAME, near_groups, reading
from ..near import DISTANCE, MOST_DISTANCE, Nearness, group_near
from ..verifying import count_saved
from .options import Destination


@click.command("near")
@click.argument("dest", type=Destination())
@click.option("--distance", default=DISTANCE, show_default=True, metavar="N", type=click.IntRange(0, MOST_DISTANCE),
              help="How many bits of 64 may differ between pictures that look alike.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON Lines, an object a group, and one with the totals.")
def command(dest: Path, distance: int, as_json: bool) -> None:
    """List groups of near-duplicates in DEST: pictures that were resized, encoded anew, brightened or cropped a little.

    The groups stay in the ledger; the next time only new pictures are looked at. Needs the extra `near`.
    """
    total = count_saved(dest)
    with click.progressbar(length=total, label="Looking", file=sys.stderr) as bar:
        found = group_near(dest, distance, bar.update)
        bar.update(total - bar.pos)
    with reading(dest / FILE_NAME) as connection:
        for n, group in enumerate(near_groups(connection), 1):
            if as_json:
                click.echo(json.dumps({"group": n, "pictures": [member._asdict() for member in group]}))
            else:
                click.echo(f"{n}:" + "".join(f"\n  {member.path}" for member in group))
    click.echo(json.dumps(asdict(found)) if as_json else _summary(found))


def _summary(found: Nearness) -> str:
    text = f"{found.pictures:,} pictures: {found.alike:,} of them in {found.groups:,} groups of near-duplicates"
    text += f", of which {found.across:,} with several labels."
    return text + (f" {found.flat:,} are too flat to compare." if found.flat else "")
