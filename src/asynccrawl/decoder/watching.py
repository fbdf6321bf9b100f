"""Counts the time that others take, as far as we were there to watch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class Watch:
    """Calls `look(seconds)` about every `tick` seconds, with the time that has passed since the last call.

    If it comes much later, since all of us were stopped or the event loop was busy, only two ticks count: nobody was
    there to take an answer, so nobody can say that there was none.
    """

    def __init__(self, tick: float, look: Callable[[float], None]) -> None:
        self._tick = tick
        self._look = look
        self._looked = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Watch, if nobody does yet."""
        if self._timer is None:
            self._again()

    def end(self) -> None:
        """Look no more."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _again(self) -> None:
        self._looked = time.monotonic()
        self._timer = asyncio.get_running_loop().call_later(self._tick, self._now)

    def _now(self) -> None:
        passed = min(time.monotonic() - self._looked, 2 * self._tick)
        self._again()
        self._look(passed)
