"""Results on their way from the engine to whoever takes them, bounded by bytes and by count."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from ..models import Result, Sample

_GATHERING = 0.02
"""Seconds that the first result waits for others at most."""
_ENOUGH = 3
"""While fetching pauses for want of room, a third of what is held is enough to be taken at once: nothing else can come,
and three portions at a time (being decoded, ready, being recorded) keep everybody busy.
"""


class Outbox:
    """A queue whose fullness pauses fetching.

    A body counts from the end of its fetch until its taker comes back for more, so what waits for the decoder and
    what is being written count too. `on_room` is called whenever room was made.
    """

    def __init__(self, max_bytes: int, max_results: int, on_room: Callable[[], None]) -> None:
        self._max_bytes = max_bytes
        self._max_results = max_results
        self._on_room = on_room
        self._results: deque[Result] = deque()
        self._arrived = asyncio.Event()
        self._taken = (0, 0)
        self._closed = False
        self._pausing = False
        self.held_bytes = 0
        self.held_results = 0

    def __repr__(self) -> str:
        return f"<Outbox {len(self._results)} ready, {self.held_results} held, {self.held_bytes} bytes>"

    @property
    def full(self) -> bool:
        """Whether nothing more should be fetched until something is taken."""
        return self.held_bytes >= self._max_bytes or self.held_results >= self._max_results

    def has_room(self, flights: int) -> bool:
        """Whether one more may be fetched beside so many that are on their way. If not, fetching pauses."""
        self._pausing = self.full or self.held_results + flights >= self._max_results
        return not self._pausing

    def reserve(self, size: int) -> None:
        """A body of `size` bytes has been fetched and will be put."""
        self.held_bytes += size
        self.held_results += 1

    def cancel(self, size: int) -> None:
        """What was reserved comes to nothing: the record goes on in another attempt."""
        self._release(size, 1)

    def put(self, result: Result, reserved: int | None = None) -> None:
        """Hand a result over. `reserved` is the size it was reserved with, or None for one that was not."""
        if reserved is None:
            self.held_results += 1
        elif (kept := _size(result)) != reserved:
            self.held_bytes += kept - reserved
        self._results.append(result)
        self._arrived.set()

    async def take(self, n: int) -> list[Result]:
        """Up to `n` results, as soon as there are some; empty once the outbox is closed and drained.

        While other bodies wait for the decoder, `n` are waited for, though not for long: what is done with results
        costs several hops to threads, however many they are.
        """
        self._release(*self._taken)
        self._taken = (0, 0)
        while not self._results and not self._closed:
            self._arrived.clear()
            await self._arrived.wait()
        if self._more_to_come(n):
            await self._gather(n)
        batch = self.take_now(n)
        self._taken = (sum(map(_size, batch)), len(batch))
        return batch

    def _more_to_come(self, n: int) -> bool:
        held = self.held_results // _ENOUGH if self._pausing else self.held_results
        return not self._closed and len(self._results) < min(n, held)

    async def _gather(self, n: int) -> None:
        loop = asyncio.get_running_loop()
        timer = loop.call_later(_GATHERING, self._arrived.set)
        until = loop.time() + _GATHERING
        try:
            while self._more_to_come(n) and loop.time() < until:
                self._arrived.clear()
                await self._arrived.wait()
        finally:
            timer.cancel()

    def take_now(self, n: int | None = None) -> list[Result]:
        """What is there, without waiting: at most `n`, or everything."""
        count = len(self._results) if n is None else min(n, len(self._results))
        return [self._results.popleft() for _ in range(count)]

    def close(self) -> None:
        """No more will be put."""
        self._closed = True
        self._arrived.set()

    def _release(self, size: int, results: int) -> None:
        if results:
            self.held_bytes -= size
            self.held_results -= results
            self._on_room()


def _size(result: Result) -> int:
    """What a result occupies in memory; a spooled body is on disk."""
    return len(result.data) if isinstance(result, Sample) and result.data is not None else 0
