"""Entries on their way from whoever reads the list to the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Protocol

from .entry import Entry

BATCH = 500
"""Most entries handed on at once: they share one transaction, and no step of the loop is much above a millisecond."""
LINGER = 0.02
"""Seconds for which entries that have come are kept waiting for more. The first batch does not wait."""
_CAPACITY = 2 * BATCH
_NEVER = 1 << 62


class _Event(Protocol):
    def set(self) -> None:
        """Let whoever waits go on."""


class Inbox:
    """A bounded queue that one producer fills, on any thread, and one consumer empties on the loop that made it.

    The producer calls `put`, and while `full` waits for `room`; it looks at `closed` to see that nobody wants more.
    The consumer is woken only when what it waits for is there, since waking it costs more than an entry does.
    """

    def __init__(self, room: _Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._entries: deque[Entry] = deque()
        self._arrived = asyncio.Event()
        self._wanted = _NEVER
        self._room = room
        self._error: BaseException | None = None
        self._ended = False
        self.closed = False

    def __repr__(self) -> str:
        state = "closed" if self.closed else "ended" if self._ended else "open"
        return f"<Inbox {state}, {len(self._entries)} of {_CAPACITY} entries>"

    @property
    def full(self) -> bool:
        """Whether the producer should wait; never once the inbox is closed."""
        return len(self._entries) >= _CAPACITY and not self.closed

    def put(self, entry: Entry) -> None:
        """Hand an entry over."""
        self._entries.append(entry)
        if len(self._entries) >= self._wanted:
            self._wake()

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more comes; `error` is raised in the consumer after all entries."""
        self._error = error
        self._ended = True
        self._wake()

    def close(self) -> None:
        """Nobody wants more. The producer is let go."""
        self.closed = True
        self._room.set()

    async def batches(self) -> AsyncGenerator[list[Entry], None]:
        """Everything that is put, in order, in batches of at most BATCH; then the producer's error, if any."""
        linger = 0.0
        while True:
            await self._until(1)
            if linger and not self._ended:
                await self._until(BATCH, linger)
            linger = LINGER
            if not self._entries:
                break
            batch = [self._entries.popleft() for _ in range(min(BATCH, len(self._entries)))]
            self._room.set()
            yield batch
        if self._error is not None:
            raise self._error

    async def ended(self, seconds: float) -> None:
        """Wait until the producer has ended, but not longer than that."""
        if not self._ended:
            await self._until(_NEVER - 1, seconds)

    async def _until(self, count: int, seconds: float | None = None) -> None:
        """Wait for so many entries, or the end of all, or until `seconds` have passed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._reached(count):
                    await self._arrived.wait()
        self._wanted = _NEVER

    def _reached(self, count: int) -> bool:
        self._arrived.clear()
        self._wanted = count
        # Looked at only now, since whatever is put from here on sees what is wanted. A wake-up that was under way
        # may come for nothing, and takes `_wanted` back; that is why the waiting is a loop.
        return len(self._entries) >= count or self._ended

    def _wake(self) -> None:
        self._wanted = _NEVER
        with suppress(RuntimeError):  # the loop is closed: it left a producer behind that was blocked
            self._loop.call_soon_threadsafe(self._arrived.set)
