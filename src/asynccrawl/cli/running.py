"""Runs a job under uvloop with progress and signals, as only the command does."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import uvloop

from ..job import Job
from ..models import Outcome
from ..opening import Retry, open_crawl
from ..report import Report, printable
from ..settings import Settings
from ..urls import redacted
from .display import show_progress

DRAIN_SECONDS = 5.0
"""How long what is in flight may take to finish after the first signal."""
_LAST_SECONDS, _LAST_SECONDS_AT_ONCE = 10.0, 1.8
"""How long the end itself may take after that, or after a second signal."""

_YOUNG_OBJECTS = 20_000
"""New objects that hold others, between two looks of the garbage collector. Python's own 700 are for short programs."""


class Stopped(Exception):
    """A signal ended the crawl. `report` says how far it came, if there was time to ask."""

    def __init__(self, number: int, report: Report | None) -> None:
        super().__init__(number)
        self.number = number
        self.report = report


class Signals:
    """The first SIGINT or SIGTERM drains the job, for DRAIN_SECONDS at most; a second one cancels it."""

    def __init__(self) -> None:
        self.received = 0
        self._job: Job | None = None
        self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop, number)

    def watch(self, job: Job) -> None:
        """Drain this job when a signal comes, or now if one has come already."""
        self._job = job
        if self.received:
            job.drain()

    def _stop(self, number: int) -> None:
        first, self.received = not self.received, self.received or number
        if first:
            click.echo("\nStopping: what is in flight is finished first; again to stop at once.", err=True)
            asyncio.get_running_loop().call_later(DRAIN_SECONDS, self._cancel, _LAST_SECONDS)
            if self._job:
                self._job.drain()
        else:
            self._cancel(_LAST_SECONDS_AT_ONCE)

    def _cancel(self, seconds: float) -> None:
        if self._task:
            self._task.cancel()
        # Threads that wait for a disk cannot be cancelled. However this process ends, what is recorded stays.
        last = threading.Timer(seconds, os._exit, (128 + self.received,))
        last.daemon = True
        last.start()


def run_crawl(urls: str | Retry, dest: Path, settings: Settings, *, msg: float, verbose: bool) -> Report:
    """Crawl, showing progress on stderr. Raises Stopped after a signal, and what `crawl` raises."""
    _raise_descriptor_limit()
    return _run(_crawl(urls, dest, settings, msg, verbose))


async def _crawl(urls: str | Retry, dest: Path, settings: Settings, msg: float, verbose: bool) -> Report:
    signals = Signals()
    report: Report | None = None
    try:
        async with open_crawl(urls, dest, settings, None, _tell if verbose else None) as job:
            signals.watch(job)
            _collect_rarely()
            progress = asyncio.create_task(show_progress(job, sys.stderr, msg))
            try:
                report = await job.run()
            finally:
                progress.cancel()
                await asyncio.gather(progress, return_exceptions=True)
    except asyncio.CancelledError:
        if not signals.received:
            raise
    if signals.received:
        raise Stopped(signals.received, report)
    assert report is not None
    return report


def _tell(outcome: Outcome) -> None:
    end = outcome.path if outcome.reason is None else f"{outcome.reason} ({printable(outcome.detail or '', 120)})"
    click.echo(f"{outcome.name or outcome.line}: {end}  {printable(redacted(outcome.url), 200)}", err=True)


def _run(whole: Coroutine[Any, Any, Report]) -> Report:
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(whole)


def _raise_descriptor_limit() -> None:
    """Every connection is a descriptor: take as many as we may have (the soft limit is often 1,024)."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536) if hard >= 0 else 65_536, hard))


def _collect_rarely() -> None:
    """Have the garbage collector look at young objects less often, and never at what lives as long as we do.

    Of a picture's objects nearly all go by themselves; looking for cycles among them took a tenth of our time.
    """
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 50)
