"""Screening, sink, ledger, in that order, a batch at a time.

The order is the promise: only what a sink has stored is recorded as saved, and only what is recorded is told to
`on_outcome`. A process that dies in between leaves files ahead of the ledger, never behind it.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from ..durability import Checkpoints
from ..ledger import Ledger
from ..models import Failure, Outcome, Reason, Result, Sample
from ..quota import Quota
from ..screening import Screening
from ..sinks import Sink, write_to
from .duplicates import hashes_of, take_apart
from .progress import Progress

PAGE = 256
"""Records that follow others recorded at once."""
OnOutcome = Callable[[Outcome], Awaitable[None] | None]


class Recorder:
    """Records batches of results. Without a sink samples count as saved when they are handed back (`stream`)."""

    def __init__(
        self,
        screening: Screening,
        sink: Sink | None,
        ledger: Ledger,
        on_outcome: OnOutcome | None = None,
        quota: Quota | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        self._screening = screening
        self._sink = sink
        self._ledger = ledger
        self._on_outcome = on_outcome
        self._quota = quota
        self._checkpoints = checkpoints
        self._recording = asyncio.Lock()  # adopting goes on beside recording, and both compare contents
        self.progress = Progress()

    def story(self) -> list[str]:
        """What the report should say of how pictures were stored."""
        tellers = (self._sink, self._checkpoints)
        return [text for one in tellers if (story := getattr(one, "story", None)) for text in story()]

    async def record(self, batch: Sequence[Result]) -> list[Result]:
        """Screen, store and record a batch; returns what became of each. Raises StorageError."""
        recorded: list[Result] = []
        async with self._recording:
            refusals = self._refusals(batch)
            while batch:
                known = await self._ledger.first_copies(hashes_of(batch, refusals))
                now, copies, batch = take_apart(batch, refusals, known) if self._ledger.by_content else (batch, {}, [])
                recorded += await self._record(now, refusals | copies)
        return recorded

    async def follow(self) -> list[Result]:
        """Record the next records that share the outcome of another one, which has it; empty when there are none.

        Raises StorageError.
        """
        async with self._recording:
            followers = await self._ledger.followers(PAGE)
            outcomes = [Outcome.of(one.failure) for one in followers]
            if outcomes:
                await self._settle(
                    [replace(o, replaces=one.before) for o, one in zip(outcomes, followers, strict=True)]
                )
            return [one.failure for one in followers]

    async def _record(self, batch: Sequence[Result], refusals: Mapping[int, Failure]) -> list[Result]:
        results = [await self._screen(result, refusals.get(result.ordinal)) for result in batch]
        samples = [result for result in results if isinstance(result, Sample)]
        paths: dict[int, str | None] = {}
        refused: dict[int, Failure] = {}
        if self._sink is not None and samples:
            for sample, entry in zip(samples, await write_to(self._sink, samples), strict=True):
                if isinstance(entry, Failure):
                    refused[sample.ordinal] = self._refuse(sample, entry)
                else:
                    paths[sample.ordinal] = entry
        results = [refused.get(result.ordinal, result) for result in results]
        await self._settle([Outcome.of(result, paths.get(result.ordinal)) for result in results])
        return results

    async def adopt(self, sample: Sample) -> Result:
        """Record a picture that was not fetched, since it is in its place already. Raises StorageError.

        It stays, even if another one has the same content.
        """
        if self._quota is not None:
            self._quota.begin(sample.label)
        async with self._recording:
            (result,) = await self._record([sample], self._refusals([sample]))
        return result

    def _refusals(self, batch: Sequence[Result]) -> dict[int, Failure]:
        """The pictures of a batch that are none to keep, by ordinal."""
        screened = [self._screening.screen(result) for result in batch if isinstance(result, Sample)]
        return {result.ordinal: result for result in screened if isinstance(result, Failure)}

    async def _screen(self, result: Result, refusal: Failure | None) -> Result:
        if not isinstance(result, Sample):
            return result
        kept: Result = refusal or result
        if self._quota is not None:
            kept = self._within(self._quota, result, kept)
        if kept is not result:
            await result.discard()
        return kept

    def _within(self, quota: Quota, sample: Sample, kept: Result) -> Result:
        """What is kept of a sample if its label still has room."""
        if isinstance(kept, Failure):
            quota.end(sample.label)
        elif not quota.take(sample.label):
            return Failure.instead(sample, Reason.LABEL_FULL, quota.full(sample.label))
        return kept

    def _refuse(self, sample: Sample, entry: Failure) -> Failure:
        """The failure of a sample that the sink does not take: the sink says why, but not whose failure it is."""
        if self._quota is not None:
            self._quota.give_back(sample.label)
        return Failure.instead(sample, entry.reason, entry.detail or "", retryable=entry.retryable)

    async def _settle(self, outcomes: list[Outcome]) -> None:
        await self._ledger.settle(outcomes)
        for outcome in outcomes:
            self.progress.count(outcome)
            if self._on_outcome is not None:
                told = self._on_outcome(outcome)
                if inspect.isawaitable(told):
                    await told
        if self._checkpoints is not None:
            await self._checkpoints.note(sum(outcome.reason is None for outcome in outcomes))
