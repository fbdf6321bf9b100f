"""One crawl from list to report: the list first, then what is pending again, until nothing is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any

from .decoder import Decoder
from .engine import Engine, EngineSnapshot, Feed
from .errors import FetchError
from .ledger import Ledger
from .listing import Listing
from .models import Failure, Record, Result
from .recorder import Progress, Recorder
from .recovery import Recovery
from .report import Report
from .settings import Settings
from .threads import let_go

PAGE = 500
"""Pending records read from the ledger at once."""
_GRACE = 1.2
"""Seconds that a cancelled job takes at most to record what is validated; closing comes after, and all takes two."""


@dataclass(frozen=True, slots=True)
class JobSnapshot:
    """How far a job is. `listed`: records read so far, from the offset on; `left_out`: settled by an earlier run."""

    listed: int
    left_out: int
    reading: bool
    seconds: float
    progress: Progress
    engine: EngineSnapshot

    @property
    def done(self) -> int:
        """Records of the list that have their outcome."""
        return self.left_out + self.progress.done


class Job:
    """Runs `engine` over `listing` (None: only over what is pending) and records what comes out."""

    def __init__(
        self,
        listing: Listing | None,
        settings: Settings,
        ledger: Ledger,
        engine: Engine,
        recorder: Recorder,
        recovery: Recovery | None = None,
        decoder: Decoder | None = None,
    ) -> None:
        self._listing = listing
        self._settings = settings
        self._ledger = ledger
        self._engine = engine
        self._recorder = recorder
        self._recovery = recovery
        self._decoder = decoder
        self._began = time.monotonic()
        self._draining = False
        self._drained = asyncio.Event()
        self._entered = 0
        self._expected = 0
        self._until: float | None = None  # by when a cancelled job has ended

    async def run(self) -> Report:
        """The whole crawl. Raises ListError, StorageError, what the list's iterable raises, and CancelledError."""
        async with aclosing(self.results()) as results:
            async for _ in results:
                pass
        return await self.report()

    async def results(self) -> AsyncGenerator[list[Result], None]:
        """The whole crawl, yielding each batch once it is recorded."""
        if self._listing is not None:
            async with aclosing(self._pass(self._listing.feed(), _ListBacklog(self))) as recorded:
                async for batch in recorded:
                    yield batch
        before = -1
        while before != (before := self._recorder.progress.recorded) or self._engine.chances:
            if not self._draining:
                await self._recorder.between_passes()
            await self._ledger.revise_copies()
            while page := await self._finished(self._recorder.follow()):
                yield page
            if self._draining or not await self._ledger.pending(self._settings.list.offset - 1, 1):
                break
            await self._rest()
            async with aclosing(self._pass(self._waiting(), _PendingBacklog(self))) as recorded:
                async for batch in recorded:
                    yield batch

    def expect(self, records: int) -> None:
        """So many records are pending, and no list will name them."""
        self._expected = self._entered = records

    def drain(self) -> None:
        """Start nothing more; what is in flight is finished and recorded, and then `run` returns."""
        self._draining = True
        self._drained.set()
        self._engine.drain()

    def snapshot(self) -> JobSnapshot:
        """How far the job is, for displays."""
        seconds = time.monotonic() - self._began
        listed = self._listing.listed if self._listing else self._expected
        reading = self._listing is not None and self._listing.reading
        engine = self._engine.snapshot()
        left_out = listed - self._entered - self._ledger.waiting
        return JobSnapshot(listed, left_out, reading, seconds, self._recorder.progress, engine)

    async def report(self) -> Report:
        """The report so far."""
        tally = await self._ledger.tally()
        seconds = time.monotonic() - self._began
        notes = [*self._engine.story(), *self._ledger.story(), *self._recorder.story()]
        return Report.of(tally, bytes=self._recorder.progress.bytes, seconds=seconds, notes=notes)

    async def _rest(self) -> None:
        """Second chances are worth more after a while: as long as one more retry would have waited at most."""
        if self._engine.chances:
            with suppress(TimeoutError):
                policy = self._settings.retry
                await asyncio.wait_for(self._drained.wait(), policy.backoff(policy.retries))

    async def _pass(self, feed: Feed, backlog: _ListBacklog) -> AsyncGenerator[list[Result], None]:
        try:
            async with aclosing(self._engine.run(feed, backlog)) as results:
                async for batch in results:
                    yield await self._finished(self._recorder.record(batch))
                    while page := await self._finished(self._recorder.follow()):
                        yield page
        except asyncio.CancelledError:
            await self._hurry(asyncio.ensure_future(self._recorder.record(self._engine.leftover())))
            raise

    async def _finished(self, recording: Coroutine[Any, Any, list[Result]]) -> list[Result]:
        """Await a recording; cancelled, give it some time to come to its end, since what it holds is validated."""
        task = asyncio.ensure_future(recording)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await self._hurry(task)
            raise

    async def _hurry(self, recording: asyncio.Task[list[Result]]) -> None:
        """Wait for a recording as long as a cancelled job may still take, then let go of it."""
        now = time.monotonic()
        self._until = self._until or now + _GRACE
        try:
            await asyncio.wait({recording}, timeout=max(0.0, self._until - now))
        finally:
            recording.cancel()
            let_go(recording)

    async def _waiting(self) -> Feed:
        """What is pending, page by page, in list order."""
        after = self._settings.list.offset - 1
        while page := await self._ledger.pending(after, PAGE):
            after = page[-1].ordinal
            yield page

    async def _todo(self, entered: Sequence[Record | Failure]) -> Sequence[Record | Failure]:
        """What remains to be done of what was entered, when pictures that are there already are recorded."""
        self._entered += len(entered)
        todo = entered if self._recovery is None else await self._recovery.adopt(entered, self._recorder)
        self._expect_pictures(len(todo))
        return todo

    def _expect_pictures(self, most: int) -> None:
        """Decoders get ready while the first pictures are fetched."""
        if self._decoder:
            self._decoder.begin(most)


class _ListBacklog:
    """The backlog of the pass over the list: entering makes rows."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._ledger = job._ledger

    async def enter(self, batch: Sequence[Record | Failure]) -> Sequence[Record | Failure]:
        """Make rows; returns what is not settled yet."""
        todo = await self._ledger.enter(batch)
        return await self._job._todo(todo)

    async def take(self, host: str, after: int, n: int) -> Sequence[Record]:
        """The next spilled records of a host."""
        return await self._ledger.take(host, after, n)

    async def hold(self, host: str, until: float) -> None:
        """Remember a hold beyond this run."""
        await self._ledger.hold(host, until)

    async def put_back(self, record: Record, error: FetchError, attempts: int, not_before: float | None) -> None:
        """Leave a record pending."""
        await self._ledger.put_back(record, error, attempts, not_before)


class _PendingBacklog(_ListBacklog):
    """The backlog of a later pass: its records are rows already."""

    async def enter(self, batch: Sequence[Record | Failure]) -> Sequence[Record | Failure]:
        """Nothing to make."""
        self._job._expect_pictures(len(batch))
        return batch
