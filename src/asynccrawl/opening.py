"""Puts a crawl together: lock, ledger, sink, fetcher, decoder, engine, recorder, job; and takes it apart again."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from .decoder import ThreadDecoder
from .engine import Engine
from .errors import StorageError
from .fetcher import HttpFetcher
from .job import Job
from .ledger import FILE_NAME, Ledger, Lock
from .recorder import OnOutcome, Recorder
from .screening import Screening
from .settings import Settings
from .sinks import DirectorySink, Sink, close_sink, suits_a_crawl
from .sources import entries

TEMPORARY = ".asynccrawl.tmp"
"""The directory inside the destination where partial files live while a run is active."""


@asynccontextmanager
async def open_crawl(
    urls: Any, dest: str | os.PathLike[str], settings: Settings, sink: Sink | None, on_outcome: OnOutcome | None
) -> AsyncIterator[Job]:
    """A job that writes to `dest`. Raises DestinationBusy and StorageError."""
    root = Path(dest).absolute()
    _check(sink)
    async with AsyncExitStack() as stack:
        lock = await asyncio.to_thread(Lock, root)
        stack.callback(lock.release)
        temporary = root / TEMPORARY
        stack.push_async_callback(_remove, temporary)
        await _remove(temporary)
        ledger = await Ledger.open(root / FILE_NAME, settings.deciding())
        stack.push_async_callback(ledger.aclose)
        store = sink if sink is not None else await asyncio.to_thread(DirectorySink, root)
        stack.push_async_callback(close_sink, store)
        recorder = Recorder(await asyncio.to_thread(Screening, settings.image), store, ledger, on_outcome)
        yield await _job(stack, urls, settings, ledger, recorder, temporary)


@asynccontextmanager
async def open_stream(urls: Any, settings: Settings) -> AsyncIterator[Job]:
    """A job without a destination, on a ledger that is thrown away."""
    async with AsyncExitStack() as stack:
        room = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="asynccrawl-"))
        stack.push_async_callback(_remove, room)
        ledger = await Ledger.open(room / FILE_NAME, settings.deciding())
        stack.push_async_callback(ledger.aclose)
        recorder = Recorder(await asyncio.to_thread(Screening, settings.image), None, ledger)
        yield await _job(stack, urls, settings, ledger, recorder, room / "spool")


async def _job(
    stack: AsyncExitStack, urls: Any, settings: Settings, ledger: Ledger, recorder: Recorder, spool: Path
) -> Job:
    fetcher = await HttpFetcher.open(settings, spool)
    stack.push_async_callback(fetcher.aclose)
    decoder = ThreadDecoder(settings.image)
    stack.push_async_callback(decoder.aclose)
    return Job(entries(urls, settings.list), settings, ledger, Engine(settings, fetcher, decoder), recorder)


async def _remove(directory: Path) -> None:
    await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)


def _check(sink: Sink | None) -> None:
    if sink is not None and not suits_a_crawl(sink):
        raise StorageError(
            f"{type(sink).__name__} is for exports only (durable = False): a crawl could lose what it holds"
        )
