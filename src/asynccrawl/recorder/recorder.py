"""Screening, sink, ledger, in that order, a batch at a time.

The order is the promise: only what a sink has stored is recorded as saved, and only what is recorded is told to
`on_outcome`. A process that dies in between leaves files ahead of the ledger, never behind it. `retractions` goes the
other way round.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..durability import Checkpoints
from ..ledger import Contents, Ledger
from ..models import Failure, OnOutcome, Outcome, Placeholder, Reason, Result, Sample
from ..quota import Quota
from ..screening import Screening
from ..sinks import Sink, write_to
from .duplicates import hashes_of, take_apart
from .progress import Progress
from .retractions import Retractions

PAGE = 256
"""Records that follow others recorded at once."""


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
        self._contents = Contents(ledger)
        self._reopened: dict[int | None, Outcome] = {}  # what records had ended in that wait again
        self.progress = Progress()
        self.retractions = Retractions(self._contents, screening, sink, self._tell, quota, checkpoints)

    def story(self) -> list[str]:
        """What the report should say of how pictures were stored."""
        tellers = (self._sink, self._checkpoints)
        return [text for one in tellers if (story := getattr(one, "story", None)) for text in story()]

    async def record(self, batch: Sequence[Result]) -> list[Result]:
        """Screen, store and record a batch; returns what became of each. Raises StorageError."""
        recorded: list[Result] = []
        async with self._recording:
            placeholders = await self._placeholders([result for result in batch if isinstance(result, Sample)])
            refusals = _refusals(batch, placeholders)
            while batch:
                known = await self._ledger.first_copies(hashes_of(batch, refusals))
                now, copies, batch = take_apart(batch, refusals, known) if self._ledger.by_content else (batch, {}, [])
                recorded += await self._record(now, refusals | copies, placeholders)
        return recorded

    async def idle(self) -> None:
        """Wait until nothing is being recorded: nobody may close what is still writing."""
        async with self._recording:
            pass

    async def follow(self) -> list[Result]:
        """Record the next records that share the outcome of another one, which has it; empty when there are none.

        Raises StorageError.
        """
        async with self._recording:
            followers = await self._ledger.followers(PAGE)
            self._reopened.update({outcome.ordinal: outcome for outcome in self._ledger.heirs()})
            outcomes = [Outcome.of(one.failure) for one in followers]
            if outcomes:
                await self._settle(
                    [replace(o, replaces=one.before) for o, one in zip(outcomes, followers, strict=True)], {}
                )
            return [one.failure for one in followers]

    async def _record(
        self, batch: Sequence[Result], refusals: Mapping[int, Failure], placeholders: Mapping[int, Placeholder]
    ) -> list[Result]:
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
        outcomes = [Outcome.of(result, paths.get(result.ordinal)) for result in results]
        await self._settle(
            outcomes, {n: placeholders[n].id for n in refusals if n in placeholders and placeholders[n].id}
        )
        return results

    async def adopt(self, sample: Sample) -> Result:
        """Record a picture that was not fetched, since it is in its place already. Raises StorageError.

        It stays, even if another one has the same content.
        """
        if self._quota is not None:
            self._quota.begin(sample.label)
        async with self._recording:
            placeholders = await self._placeholders([sample])
            (result,) = await self._record([sample], _refusals([sample], placeholders), placeholders)
        return result

    async def is_placeholder(self, sample: Sample) -> bool:
        """Whether a picture that is in its place already is none to keep. Raises StorageError."""
        async with self._recording:
            return bool(await self._placeholders([sample]))

    async def settle(self) -> None:
        """Before a run: finish what the run before had begun, and take back what has no place here any more."""
        await self.retractions.carry_out(again=True)
        await self.retractions.restore()
        await self.retractions.enforce()

    async def between_passes(self) -> None:
        """Before what is pending is gone through again: what the whole list tells, and labels that need more."""
        await self.retractions.sweep()
        if self._quota is not None and (wanted := self._quota.lacking()):
            opened = await self._contents.reopen_full(wanted)
            self._reopened.update({outcome.ordinal: outcome for outcome in opened})
            self._quota.expect({outcome.label for outcome in opened})

    async def _placeholders(self, samples: Sequence[Sample]) -> dict[int, Placeholder]:
        """The samples that are placeholders, by ordinal; what is new is recorded, and its earlier copies go."""
        found: dict[int, Placeholder] = {}
        recognised: dict[str, Placeholder] = {}
        for sample, judged in zip(samples, await self._screening.judge(samples), strict=True):
            if judged is not None:
                one = judged.placeholder
                if judged.new and one.sha256 not in recognised:
                    recognised[one.sha256] = await self.retractions.recognise(one, await sample.read())
                found[sample.ordinal] = recognised.get(one.sha256, one)
        return found

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

    async def _settle(self, outcomes: Sequence[Outcome], placeholders: Mapping[int, int]) -> None:
        await self._ledger.settle(outcomes, placeholders)
        for outcome in outcomes:
            before = self._reopened.pop(outcome.ordinal, None) if self._reopened else None
            await self._tell(replace(outcome, replaces=before) if before else outcome)
        if self._checkpoints is not None:
            await self._checkpoints.note(sum(outcome.reason is None for outcome in outcomes))

    async def _tell(self, outcome: Outcome) -> None:
        self.progress.count(outcome)
        if self._on_outcome is not None:
            told = self._on_outcome(outcome)
            if inspect.isawaitable(told):
                await told


def _refusals(batch: Sequence[Result], placeholders: Mapping[int, Placeholder]) -> dict[int, Failure]:
    """The failures of those samples of a batch that are placeholders, by ordinal."""
    return {
        one.ordinal: Failure.instead(one, Reason.PLACEHOLDER, placeholders[one.ordinal].detail)
        for one in batch
        if isinstance(one, Sample) and one.ordinal in placeholders
    }
