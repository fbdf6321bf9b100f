"""`asynccrawl plan LIST`: what a crawl would be, before it is one."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import click

from ..planning import Plan, Planner
from .options import Destination, hidden, plan_options, settings_of
from .showing import showing_options


@click.command("plan")
@click.argument("list_", metavar="LIST", type=str)
@click.argument("dest", type=Destination(), default=".")
@plan_options
@hidden(showing_options, but=("as_json", "msg"))
def command(list_: str, dest: Path, msg: float, as_json: bool, **flags: Any) -> None:
    """Tell what a crawl of LIST would be, without fetching anything.

    How many records there are, what is bad or repeated, the hosts and labels, the least time that the limits allow,
    and the room needed at DEST (this directory unless named). LIST and the flags are those of crawl; those that
    change nothing here are not shown.
    """
    plan = asyncio.run(_made(Planner(list_, dest, settings_of(flags)), msg))
    click.echo(json.dumps(plan.as_dict(), indent=2) if as_json else str(plan))


async def _made(planner: Planner, msg: float) -> Plan:
    progress = asyncio.create_task(_tell(planner, msg))
    try:
        return await planner.run()
    finally:
        progress.cancel()
        await asyncio.gather(progress, return_exceptions=True)


async def _tell(planner: Planner, msg: float) -> None:
    """Say how far the list was read, every `msg` seconds."""
    while True:
        await asyncio.sleep(msg)
        click.echo(f"{planner.records:,} records read", err=True)
