"""`asynccrawl subset DATASET OUT`: coarse classes out of a data set."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from ..building import build_subset
from ..near import read_groups
from .main import EXIT_FOUND
from .options import Destination
from .splitting import split_options


@click.command("subset")
@click.argument("dataset", type=Destination())
@click.argument("out", type=Destination())
@click.option(
    "--groups",
    default="imagenet12",
    show_default=True,
    metavar="imagenet12|FILE",
    help="The classes: the tutorial's twelve, or a TOML or CSV file.",
)
@click.option("--strict", is_flag=True, help="Exit 1 when anything is missing, thin or in the way.")
@click.option(
    "--layout",
    default="flat",
    show_default=True,
    type=click.Choice(["flat", "nested"]),
    help="A file a picture, or a link a label as the old script made.",
)
@click.option(
    "--link",
    default="symlink",
    show_default=True,
    type=click.Choice(["symlink", "hardlink", "copy"]),
    help="How a picture comes into the subset.",
)
@click.option("--absolute", is_flag=True, help="Absolute links; relative ones survive a move of the whole tree.")
@split_options("Of DIGITS's shuffle.")
@click.pass_context
def command(ctx: click.Context, /, dataset: Path, out: Path, groups: str, strict: bool, **options: Any) -> None:
    """Group the labels of DATASET into coarse classes in OUT: ball, bear, dog ...

    Pictures are linked, not copied, and DATASET is only read, also while a crawl writes it. The same command again
    changes only what has changed in DATASET.
    """
    near = read_groups(dataset) if options["split"] == "hash" else None
    report = asyncio.run(build_subset(dataset, groups, out, near=near, **options))
    click.echo(str(report))
    if strict and not report.complete:
        ctx.exit(EXIT_FOUND)
