"""What was stored and has to go, and what was refused and has to come back: ledger, sink, ledger, in that order.

A placeholder is recognised only when many of its copies were stored. Then the ledger records the verdict, one copy and
every row that is to be taken back, in one transaction; the sink removes them, page by page; and each page is crossed
off. Whatever ends the process in between, the next run goes on with what is left: removing is idempotent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from ..durability import Checkpoints
from ..ledger import Contents, Restored, Retraction
from ..models import Failure, Outcome, Placeholder, Sample, Status
from ..quota import Quota
from ..screening import Screening
from ..sinks import Sink, can_remove, read_from, remove_from, shard_at, write_to

PAGE = 64
"""Copies that are taken back, or written again, at once."""
Tell = Callable[[Outcome], Awaitable[None]]


class Retractions:
    """Takes copies back from `sink` (None: there is none, and nothing to take back) and tells `tell` of each."""

    def __init__(
        self,
        contents: Contents,
        screening: Screening,
        sink: Sink | None,
        tell: Tell,
        quota: Quota | None,
        checkpoints: Checkpoints | None,
    ) -> None:
        self._contents = contents
        self._screening = screening
        self._sink = sink
        self._tell = tell
        self._quota = quota
        self._checkpoints = checkpoints

    async def recognise(self, one: Placeholder, data: bytes) -> Placeholder:
        """A content is a placeholder: take its copies back; returns it as the ledger has it. Raises StorageError."""
        if self._sink is not None and can_remove(self._sink):
            one = await self._contents.judge_and_retract(one, data)
            self._screening.remember(one)
            await self.carry_out()
        else:
            one = await self._contents.judge(one, data)
            self._screening.remember(one)
            await self._suspect(one)
        return one

    async def carry_out(self, *, again: bool = False) -> None:
        """Take back what the ledger says. `again`: also what was taken back, but maybe not on the disk."""
        if self._sink is None or not can_remove(self._sink):
            return
        after = -1
        while page := await self._contents.retractions(after, PAGE, again=again):
            after = page[-1].id
            await remove_from(self._sink, [_placed(retraction) for retraction in page])
            await self._contents.retracted([retraction.id for retraction in page])
            if self._checkpoints is not None:
                await self._checkpoints.note(len(page))
            for retraction in page:
                if not retraction.told:
                    await self._taken_back(retraction.outcome)

    async def restore(self) -> int:
        """Write the copies again that a person wants kept; returns how many. Raises StorageError."""
        count = 0
        while self._sink is not None and (page := await self._contents.to_restore(PAGE)):
            stored = await write_to(self._sink, [row.sample for row in page])
            ended = [(row.id, _restored(row, entry)) for row, entry in zip(page, stored, strict=True)]
            await self._contents.restored(ended)
            if self._checkpoints is not None:
                await self._checkpoints.note(len(page))
            for _, outcome in ended:
                await self._tell(outcome)
            count += sum(outcome.status is Status.SAVED for _, outcome in ended)
        return count

    async def enforce(self) -> None:
        """No copy of a recognised placeholder stays, whatever setting it was saved under."""
        recognised = {one.sha256: one for one in self._screening.in_force()}
        for sha256 in await self._contents.copies(list(recognised)):
            await self.recognise(recognised[sha256], b"")
        await self.sweep()

    async def sweep(self) -> None:
        """Recognise what the rule tells by the whole ledger. Needs a sink that gives back what it has stored."""
        for one in await self._screening.sweep():
            example = await self._contents.example(one.sha256)
            if example is None or self._sink is None or example.path is None:
                continue
            data = await read_from(self._sink, example.path, one.sha256)
            if data is not None:
                await self.recognise(described(one, example), data)

    async def _suspect(self, one: Placeholder) -> None:
        while self._sink is not None and (outcomes := await self._contents.suspect(one, PAGE)):
            for outcome in outcomes:
                await self._tell(outcome)

    async def _taken_back(self, outcome: Outcome) -> None:
        if self._quota is not None:
            self._quota.give_back(outcome.label)
        await self._tell(outcome)


def described(one: Placeholder, example: Outcome) -> Placeholder:
    """The placeholder with an example, and what is known of its picture."""
    e = example
    return replace(
        one, url=e.url, format=e.format, width=e.width, height=e.height, mode=e.mode, bytes=e.bytes or 0
    )  # fmt: skip


def _placed(retraction: Retraction) -> Sample:
    """The sample as it was stored: where that depends on the ordinal, the record may have moved in its list since."""
    before, sample = retraction.outcome.replaces, retraction.sample
    shard = shard_at(before.path, sample.label) if before else None
    return sample if shard is None else replace(sample, shard=shard)


def _restored(row: Restored, entry: str | Failure | None) -> Outcome:
    if isinstance(entry, Failure):
        failure = Failure.instead(row.sample, entry.reason, entry.detail or "", retryable=entry.retryable)
        return replace(Outcome.of(failure), ordinal=row.before.ordinal, replaces=row.before)
    saved = Outcome.of(replace(row.sample, detail="restored: a person wants it kept"), entry)
    return replace(saved, ordinal=row.before.ordinal, replaces=row.before)
