"""Puts a crawl together: lock, ledger, sink, fetcher, decoder, engine, recorder, job; and takes it apart again."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .decoder import Decoder, open_decoder
from .durability import Checkpoints
from .engine import Engine
from .errors import SettingsError, StorageError, storage_error
from .job import Job
from .ledger import FILE_NAME, Contents, Ledger, Lock
from .listing import Listing
from .models import OnOutcome, Reason
from .pacing import Pace
from .quota import Quota
from .recorder import Recorder, end_sink
from .recovery import Recovery, settle_shards
from .robots import Robots
from .screening import Screening, load_signatures
from .settings import Settings
from .sinks import DirectorySink, Sink, WebDatasetSink, in_shard, suits_a_crawl
from .sources import ListFile, entries
from .subset import load_labels
from .threads import in_thread, obtained

if TYPE_CHECKING:
    from .fetcher import HttpFetcher

TEMPORARY = ".asynccrawl.tmp"
"""The directory inside the destination where partial files live while a run is active."""


@dataclass(frozen=True, slots=True)
class Retry:
    """In place of a list: the records that ended for one of `reasons`; None: for any cause that may pass."""

    reasons: tuple[Reason, ...] | None = None


@asynccontextmanager
async def open_crawl(
    urls: Any, dest: str | os.PathLike[str], settings: Settings, sink: Sink | None, on_outcome: OnOutcome | None
) -> AsyncIterator[Job]:
    """A job that writes to `dest`; `urls` may be a Retry. Raises DestinationBusy and StorageError."""
    root = _absolute(dest)
    _check(sink, on_outcome)
    async with AsyncExitStack() as stack, _loading() as fetcher:
        begun: list[Sink] = []
        stack.push_async_exit(partial(_close_unbegun, sink, begun))
        settings = await _resolved(settings)
        lock = await obtained(Lock, root, give_back=Lock.release)
        stack.callback(lock.release)
        temporary = root / TEMPORARY
        stack.push_async_callback(_remove, temporary)
        await in_thread(_make_afresh, temporary)
        ledger = await Ledger.open(root / FILE_NAME, settings.deciding(), durability=settings.durability)
        stack.push_async_callback(ledger.aclose)
        checkpoints = Checkpoints(root, ledger) if settings.durability == "checkpoint" else None
        if checkpoints:
            stack.push_async_exit(partial(_end_checkpoints, checkpoints))
        store = sink if sink is not None else await _own_sink(root, settings, ledger)
        begun.append(store)
        recorders: list[Recorder] = []
        stack.push_async_exit(partial(end_sink, store, recorders, sink is not None))
        screening = await _screening(settings, ledger)
        decoder = open_decoder(settings)
        stack.push_async_callback(decoder.aclose)
        if await _has_work(ledger):
            decoder.begin(1)
        first = Recorder(screening, store, ledger, on_outcome, None, checkpoints)
        recovery = Recovery(root, ledger, decoder) if isinstance(store, DirectorySink) and not sink else None
        await _settle_the_run_before(first, ledger, None if sink else store, recovery)
        quota = await _quota(settings, ledger)
        recorder = Recorder(screening, store, ledger, on_outcome, quota, checkpoints)
        recorders.append(recorder)
        again = await ledger.retry(urls.reasons) if isinstance(urls, Retry) else None
        parts = _Parts(ledger, recorder, decoder, await fetcher, quota, recovery)
        job = await _job(stack, urls, settings, parts, temporary)
        if again is not None:
            job.expect(again)
        yield job


@asynccontextmanager
async def open_stream(urls: Any, settings: Settings) -> AsyncIterator[Job]:
    """A job without a destination, on a ledger that is thrown away."""
    settings = await _resolved(settings)
    async with AsyncExitStack() as stack, _loading() as fetcher:
        room = await obtained(_make_room, give_back=_remove_now)
        # Of a stream that is left at the very end of a program, the loop is gone before the rest of it has run.
        stack.callback(weakref.finalize(stack, _remove_now, room).detach)
        stack.push_async_callback(_remove, room)
        ledger = await Ledger.open(room / FILE_NAME, settings.deciding())
        stack.push_async_callback(ledger.aclose)
        quota = await _quota(settings, ledger)
        recorder = Recorder(await _screening(settings, ledger), None, ledger, quota=quota)
        decoder = open_decoder(settings)
        stack.push_async_callback(decoder.aclose)
        decoder.begin(1)
        parts = _Parts(ledger, recorder, decoder, await fetcher, quota)
        yield await _job(stack, urls, settings, parts, room / "spool")


@asynccontextmanager
async def _loading() -> AsyncIterator[asyncio.Task[type[HttpFetcher]]]:
    """The fetcher's class, imported in a thread: aiohttp takes a tenth of a second, in half of which it reads the
    system's certificates and leaves the interpreter to others.
    """
    task = asyncio.create_task(asyncio.to_thread(_fetcher))
    try:
        yield task
    finally:
        task.cancel()


def _fetcher() -> type[HttpFetcher]:
    from .fetcher import HttpFetcher

    return HttpFetcher


async def _has_work(ledger: Ledger) -> bool:
    """Whether pictures will have to be decoded, as far as can be told before the list is looked at."""
    return bool(await ledger.saved_path() is None or await ledger.pending(-1, 1))


async def _own_sink(root: Path, settings: Settings, ledger: Ledger) -> Sink:
    """The sink that the settings name. Raises SettingsError where DEST was begun with the other one."""
    path = await ledger.saved_path()
    if path is not None and in_shard(path) != (settings.sink == "webdataset"):
        found, name = ("shards", "webdataset") if in_shard(path) else ("class directories", "directory")
        raise SettingsError(f"{root} holds {found}: go on with `sink` {name}, or name another directory")
    if settings.sink == "directory":
        return DirectorySink(root, sync=settings.durability == "file")
    wanted = settings.list.only_labels
    # Each batch is synced, at a cost that one file makes small: rows are never ahead of their pictures, and need no
    # checking after a power cut.
    return WebDatasetSink(root, known=sorted(wanted) if wanted else None, sync=settings.durability != "process")


async def _close_unbegun(
    sink: Sink | None, begun: Sequence[Sink], kind: type[BaseException] | None, *_: object
) -> None:
    """Close the caller's sink where the crawl has come to its end before it began; what ended it is what is told."""
    if sink is not None and not begun:
        with suppress(StorageError):
            await end_sink(sink, (), True, kind)


async def _settle_the_run_before(first: Recorder, ledger: Ledger, own: Sink | None, recovery: Recovery | None) -> None:
    """Bring to its end what the run before had begun; `own`: the sink that is ours."""
    if isinstance(own, WebDatasetSink):
        await settle_shards(own, ledger)
    await first.settle()
    if recovery:
        await recovery.settle(first)


async def _end_checkpoints(checkpoints: Checkpoints, kind: type[BaseException] | None, *_: object) -> None:
    """After an error, or when time is short, what is marked stays so; the next run checks it."""
    await (checkpoints.finish() if kind is None else checkpoints.abandon())


class _Parts(NamedTuple):
    ledger: Ledger
    recorder: Recorder
    decoder: Decoder
    fetcher: type[HttpFetcher]
    quota: Quota | None
    recovery: Recovery | None = None


async def _resolved(settings: Settings) -> Settings:
    """The settings with the labels that `only_labels` means, and the signatures. Raises SettingsError."""
    signatures = await asyncio.to_thread(load_signatures, settings.image.signatures)
    settings = replace(settings, image=replace(settings.image, signatures=signatures))
    meant = settings.list.only_labels
    if meant is None:
        return settings
    return replace(settings, list=replace(settings.list, only_labels=await asyncio.to_thread(load_labels, meant)))


async def _screening(settings: Settings, ledger: Ledger) -> Screening:
    screening = await asyncio.to_thread(Screening, settings.image, None, Contents(ledger))
    await screening.load()
    return screening


async def _quota(settings: Settings, ledger: Ledger) -> Quota | None:
    if settings.list.per_label is None:
        return None
    quota = Quota(settings.list.per_label, settings.concurrency, await ledger.saved_by_label())
    # Where pictures were taken back and the run ended before others could take their places.
    contents = Contents(ledger)
    quota.expect(await contents.full_labels())
    opened = await contents.reopen_full(quota.lacking())
    quota.expect(outcome.label for outcome in opened)
    return quota


async def _job(stack: AsyncExitStack, urls: Any, settings: Settings, parts: _Parts, spool: Path) -> Job:
    await parts.decoder.prepare()
    rate = settings.limits.limit_rate
    pace = None if rate is None else Pace(rate, time.monotonic)
    fetcher = await parts.fetcher.open(settings, spool, pace)
    stack.push_async_callback(fetcher.aclose)
    agent = settings.network.user_agent
    robots = await asyncio.to_thread(Robots, agent) if settings.network.robots else None
    engine = Engine(settings, fetcher, parts.decoder, quota=parts.quota, pace=pace, robots=robots)
    for host, seconds in (await parts.ledger.holds()).items():
        engine.restore_hold(host, seconds)
    listing = None
    if not isinstance(urls, Retry):
        file = await asyncio.to_thread(ListFile.of, urls, settings.list)
        listing = Listing(entries(urls, settings.list), settings, parts.ledger, file)
    return Job(listing, settings, parts.ledger, engine, parts.recorder, parts.recovery, parts.decoder)


async def _remove(directory: Path) -> None:
    await in_thread(_remove_now, directory)


def _remove_now(directory: Path) -> None:
    if directory.is_dir():  # at a FIFO in its place, rmtree would wait for ever
        shutil.rmtree(directory, ignore_errors=True)


def _make_room() -> Path:
    return Path(tempfile.mkdtemp(prefix="asynccrawl-"))


def _absolute(dest: str | os.PathLike[str]) -> Path:
    try:
        return Path(dest).absolute()
    except OSError as error:  # where we stand was removed
        raise storage_error(dest, "cannot be used as the destination", error) from error


def _make_afresh(temporary: Path) -> None:
    """The directory of partial files, without those of an earlier run. Raises StorageError, also for a link there."""
    if temporary.is_dir() and not temporary.is_symlink():  # to open a FIFO would block
        shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(mode=0o700)
    except OSError as error:
        raise storage_error(temporary, "partial files cannot be stored there", error) from error


def _check(sink: Sink | None, on_outcome: OnOutcome | None) -> None:
    if sink is not None and not callable(getattr(sink, "write", None)):
        raise TypeError(f"sink must have a method write(batch), which {type(sink).__name__} has not")
    if on_outcome is not None and not callable(on_outcome):
        raise TypeError(f"on_outcome must be callable with an Outcome, not {type(on_outcome).__name__}")
    if sink is not None and not suits_a_crawl(sink):
        raise StorageError(
            f"{type(sink).__name__} is for exports only (durable = False): a crawl could lose what it holds"
        )
