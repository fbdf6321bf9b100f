"""One stream of samples into several sinks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from ..errors import StorageError
from ..models import Failure, Sample
from .adapters import can_remove, close_sink, remove_from, suits_a_crawl, write_to
from .protocol import Sink


class TeeSink:
    """Writes every sample to all of `sinks`, one after the other; a sample's path is what the first one says.

    A sample counts as stored when all of them have stored it. A Failure from one makes it a Failure: the sinks behind
    do not get it, and those before take it back if they can. Only the last sink gets a temporary file as one to move
    away; to the others it is a file on disk, to be linked or read.

    The tee is durable when every sink is that crawl takes, and can `remove` when all of them can.
    """

    def __init__(self, *sinks: Sink) -> None:
        """Raises ValueError without sinks."""
        if not sinks:
            raise ValueError("TeeSink needs at least one sink")
        self._sinks = sinks
        self.durable = all(suits_a_crawl(sink) for sink in sinks)
        self.remove: Callable[[Sequence[Sample]], Awaitable[None]] | None = None
        if all(map(can_remove, sinks)):
            self.remove = self._remove

    def __repr__(self) -> str:
        return f"TeeSink({', '.join(map(repr, self._sinks))})"

    async def write(self, batch: Sequence[Sample]) -> list[str | Failure | None]:
        """Store every sample in every sink. Raises StorageError when any of them does."""
        entries: list[str | Failure | None] = [None] * len(batch)
        going = list(range(len(batch)))
        for n, sink in enumerate(self._sinks):
            part = [_handed(batch[i], last=n == len(self._sinks) - 1) for i in going]
            stored = dict(zip(going, await write_to(sink, part), strict=True))
            failed = [i for i, entry in stored.items() if isinstance(entry, Failure)]
            for i, entry in stored.items():
                if n == 0 or isinstance(entry, Failure):
                    entries[i] = entry
            await self._take_back([batch[i] for i in failed], before=n)
            going = [i for i in going if i not in failed]
        return entries

    async def aclose(self) -> None:
        """Close every sink, also when another one fails. Raises the first StorageError."""
        errors: list[StorageError] = []
        for sink in self._sinks:
            try:
                await close_sink(sink)
            except StorageError as error:
                errors.append(error)
        if errors:
            for other in errors[1:]:
                errors[0].add_note(f"also: {other}")
            raise errors[0]

    async def _remove(self, batch: Sequence[Sample]) -> None:
        for sink in self._sinks:
            await remove_from(sink, batch)

    async def _take_back(self, batch: Sequence[Sample], before: int) -> None:
        if batch:
            for sink in self._sinks[:before]:
                await remove_from(sink, batch)


def _handed(sample: Sample, *, last: bool) -> Sample:
    return sample if last or not sample.temporary else replace(sample, temporary=False)
