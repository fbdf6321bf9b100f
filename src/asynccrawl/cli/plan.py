"""`asynccrawl plan LIST`: what a crawl would be, before it is one."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import click

from ..planning import Plan, Planner
from .options import Destination, plan_options, settings_of

PROGRESS_SECONDS = 1.0
"""Seconds between the lines on stderr that say how far the list was read."""


@click.command("plan")
@click.argument("list_", metavar="LIST", type=str)
@click.argument("dest", type=Destination(), default=".")
@plan_options
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def command(list_: str, dest: Path, as_json: bool, **flags: Any) -> None:
    """Tell what a crawl of LIST would be, without fetching anything.

    How many records there are, what is bad or repeated, the hosts and labels, the least time that the limits allow,
    and the room needed at DEST (this directory unless named). LIST and the flags are those of crawl.
    """
    plan = asyncio.run(_made(Planner(list_, dest, settings_of(flags))))
    click.echo(json.dumps(plan.as_dict(), indent=2) if as_json else str(plan))


async def _made(planner: Planner) -> Plan:
    progress = asyncio.create_task(_tell(planner))
    try:
        return await planner.run()
    finally:
        progress.cancel()
        await asyncio.gather(progress, return_exceptions=True)


async def _tell(planner: Planner) -> None:
    while True:
        await asyncio.sleep(PROGRESS_SECONDS)
        click.echo(f"{planner.records:,} records read", err=True)
