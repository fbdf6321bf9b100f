"""From a list to its plan: reads it to its end, through the same doors as a crawl, and requests nothing."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..admission import admit
from ..settings import Settings
from ..sources import Urls, entries
from ..subset import load_labels
from .disk import disk_of
from .figures import PICTURE_BYTES, REQUEST_SECONDS, Figures
from .pace import bounds_of
from .survey import Survey
from .text import text_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Figures):
    """What a crawl of a list would be. `str(plan)` is what the command prints; the fields are those of Figures."""

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON has it, with the assumptions that it rests on."""
        found = asdict(self)
        found["left_out"] = {reason.value: asdict(one) for reason, one in self.left_out.items()}
        assumed = {"request_seconds": REQUEST_SECONDS, "picture_bytes": PICTURE_BYTES}
        return {**found, "least_seconds": self.least_seconds, "assumed": assumed}

    def __str__(self) -> str:
        return text_of(self)


class Planner:
    """Makes one plan. `records` says how far it has read, for displays."""

    def __init__(self, urls: Urls, dest: str | os.PathLike[str], settings: Settings) -> None:
        self._urls = urls
        self._dest = dest
        self._settings = settings
        self._survey = Survey(settings)

    @property
    def records(self) -> int:
        """Records read so far, those before the offset included."""
        return self._survey.records + self._survey.passed_over

    async def run(self) -> Plan:
        """Read the list to its end. Raises ListError, SettingsError, and what the list's iterable raises."""
        options = self._settings.list
        if options.only_labels is not None:
            options = replace(options, only_labels=await asyncio.to_thread(load_labels, options.only_labels))
        async with aclosing(admit(entries(self._urls, options), options)) as admitted:
            async for part in admitted:
                self._survey.add(part)
        return await asyncio.to_thread(self._made)

    def _made(self) -> Plan:
        figures = self._survey.figures()
        disk = disk_of(self._dest, figures["fetches"], self._survey.directories)
        return Plan(**figures, disk=disk, bounds=bounds_of(self._survey.fetches, self._settings, disk.bytes))


async def plan(
    urls: Urls,
    dest: str | os.PathLike[str] = ".",
    *,
    concurrency: int | None = None,
    settings: Settings | None = None,
) -> Plan:
    """Tell what a crawl of a list would be, without fetching anything.

    urls, concurrency, settings: as for `crawl`. dest: where free space is looked at; nothing is read or made there,
    so what an earlier crawl has saved is not taken off.

    Returns the Plan: counts, what is bad or repeated in the list, hosts and labels, the least time that the limits
    allow, the room on disk. Raises ListError when the list cannot be read, SettingsError for a setting that proves
    wrong. Memory: some 60 bytes a record, and some 150 a host and a label.
    """
    chosen = settings or Settings()
    if concurrency is not None:
        chosen = replace(chosen, concurrency=concurrency)
    return await Planner(urls, dest, chosen).run()
