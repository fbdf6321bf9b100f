"""`limit_rate`: the whole crawl receives no more than so many bytes a second, on average over a quarter of a second.

A bucket of tokens, a token a byte (Turner, "New Directions in Communications", 1986). Readers pay for what they have
read and wait until the debt is paid. Small pictures arrive whole before anybody can wait, so a fetch begins only when
the bucket also covers what the fetches under way will probably bring: as much each as the average so far.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_BURST_SECONDS = 0.25
_FIRST_GUESS = 32_768.0


class Pace:
    """`rate`: bytes a second. `clock` gives monotonic seconds."""

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._clock = clock
        self._burst = rate * _BURST_SECONDS
        self._level = self._burst
        self._filled = clock()
        self._under_way = 0
        self._typical = min(_FIRST_GUESS, self._burst)
        self._bodies = 0
        self._bytes = 0

    def __repr__(self) -> str:
        return f"<Pace {self._rate:g} bytes/s, {self._level:.0f} left, {self._under_way} under way>"

    def open_at(self) -> float:
        """When the next fetch may begin; 0 if it may begin now."""
        self._fill()
        missing = self._under_way * self._typical - self._level
        return 0.0 if missing < 0 else self._filled + (missing + 1.0) / self._rate

    def begin(self) -> None:
        """A fetch begins."""
        self._under_way += 1

    def end(self) -> None:
        """A fetch has ended."""
        self._under_way -= 1
        self._bodies += 1
        self._typical = min(self._burst, max(1.0, self._bytes / self._bodies))

    async def spend(self, n: int) -> float:
        """`n` bytes were received; returns the seconds it has waited until they were paid for."""
        self._fill()
        self._bytes += n
        self._level -= n
        wait = max(0.0, -self._level / self._rate)
        if wait:
            await asyncio.sleep(wait)
        return wait

    def _fill(self) -> None:
        now = self._clock()
        self._level = min(self._burst, self._level + (now - self._filled) * self._rate)
        self._filled = now
