"""Time as the event loop lived it, for upper bounds that must hold on a machine that is busy or stands still, too."""

from __future__ import annotations

import asyncio
import time
from weakref import WeakKeyDictionary

BEAT = 0.01
"""Seconds between two beats."""


class Lived:
    """Seconds that this process could have used, since it was made: real ones, but for those of a beat that was late
    by more than a beat and by more than this process computed meanwhile. In those it was not given a processor.

    A context manager; it reads `seconds` on while it is open. Never more than what a clock on the wall says.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._pulse = _pulses.setdefault(loop, _Pulse(loop))
        self._began = 0.0

    def __enter__(self) -> Lived:
        self._pulse.begin()
        self._began = self._pulse.seconds
        return self

    def __exit__(self, *_: object) -> None:
        self._pulse.end()

    @property
    def seconds(self) -> float:
        """The seconds up to now."""
        self._pulse.count()
        return self._pulse.seconds - self._began


class _Pulse:
    """What one loop has lived while anybody asked. No task of its own: many a test counts those."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.seconds = 0.0
        self._loop = loop
        self._users = 0
        self._real = self._computed = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        self._users += 1
        if self._users == 1:
            self._real, self._computed = time.monotonic(), time.process_time()
            self._beat()

    def end(self) -> None:
        self._users -= 1
        if not self._users and self._timer:
            self._timer.cancel()

    def count(self) -> None:
        real, computed = time.monotonic(), time.process_time()
        self.seconds += min(real - self._real, 2 * BEAT + computed - self._computed)
        self._real, self._computed = real, computed

    def _beat(self) -> None:
        self.count()
        self._timer = self._loop.call_later(BEAT, self._beat)


_pulses: WeakKeyDictionary[asyncio.AbstractEventLoop, _Pulse] = WeakKeyDictionary()
