"""Watches an answer arrive: who heard of it, how fast it comes, what it costs of the bytes a second."""

from __future__ import annotations

import asyncio
import functools
import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import aiohttp

from ..errors import FetchError
from ..models import Reason
from ..settings import Limits
from .phases import Phase
from .wire import Doubt

_CHECK_SECONDS = 0.5
Read = Callable[[], Awaitable[bytes]]
"""Gives the next chunk of a body, and b"" at its end."""


class Meter(Protocol):
    """Bounds the bytes that all bodies bring."""

    async def spend(self, n: int) -> float:
        """`n` bytes have come; returns, when more may come, the seconds that it has waited."""


class Watch:
    """Watches one answer. `scope` is the hop's deadline, which pauses that the meter imposes move."""

    def __init__(
        self, scope: asyncio.Timeout, phase: Phase, limits: Limits, meter: Meter | None, heard: Callable[[], None]
    ) -> None:
        self._scope = scope
        self._phase = phase
        self._limits = limits
        self._meter = meter
        self._heard = heard
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._began = 0.0
        self._came = 0
        self._pausing = False

    @property
    def seconds_left(self) -> float:
        """What remains of the hop's deadline."""
        when = self._scope.when()
        return math.inf if when is None else max(0.0, when - self._loop.time())

    @property
    def doubt(self) -> Doubt | None:
        """Whether it is the answer to its own request, if that is not certain yet."""
        return self._phase.doubt

    def head(self) -> None:
        """The head of the answer has come."""
        self._phase.name = "body"
        self._began = self._loop.time()
        self._heard()

    @contextmanager
    def reading(self, content: aiohttp.StreamReader) -> Iterator[Read]:
        """Watch a body while it is read by what this gives: a call a chunk, and b"" at the end.

        The call raises FetchError (too_slow) when, after its grace, the body comes below the least rate. Up to then
        `heard` is called for as long as it comes faster.
        """
        if not content.is_eof():
            first = min(self._limits.grace, _CHECK_SECONDS) if self._limits.min_rate else _CHECK_SECONDS
            self._timer = self._loop.call_later(first, self._check, content)
        try:
            yield content.readany if self._meter is None else functools.partial(self._paid, content, self._meter)
        finally:
            if self._timer:
                self._timer.cancel()

    async def _paid(self, content: aiohttp.StreamReader, meter: Meter) -> bytes:
        chunk = await content.readany()
        if chunk:
            await self._pay(meter, len(chunk))
        return chunk

    async def _pay(self, meter: Meter, n: int) -> None:
        """Time that the meter takes is nobody's fault: it moves the deadline, and the beginning."""
        self._pausing = True
        seconds = await meter.spend(n)
        self._pausing = False
        when = self._scope.when()
        if seconds and when is not None:
            self._scope.reschedule(when + seconds)
            self._began += seconds

    def _check(self, content: aiohttp.StreamReader) -> None:
        elapsed = self._loop.time() - self._began
        self._stir(content)
        if self._limits.min_rate and self._is_too_slow(content, elapsed):
            content.set_exception(self._too_slow(content))  # whoever reads gets it
            return
        left = self._limits.grace - elapsed
        self._timer = self._loop.call_later(
            min(_CHECK_SECONDS, left) if left > 0 else _CHECK_SECONDS, self._check, content
        )

    def _stir(self, content: aiohttp.StreamReader) -> None:
        """Tell of what has come; while it is we who do not read, nothing can."""
        ours = self._pausing or content._size > 0
        if ours or content.total_bytes - self._came >= max(1.0, self._limits.min_rate * _CHECK_SECONDS):
            self._came = content.total_bytes
            self._heard()

    def _is_too_slow(self, content: aiohttp.StreamReader, elapsed: float) -> bool:
        late = not self._pausing and elapsed >= self._limits.grace
        return late and content.total_bytes < self._limits.min_rate * elapsed

    def _too_slow(self, content: aiohttp.StreamReader) -> FetchError:
        elapsed = self._loop.time() - self._began
        rate = content.total_bytes / max(elapsed, 0.001)
        text = f"{rate:.0f} bytes/s in the body's first {elapsed:.1f} s; the least is {self._limits.min_rate}"
        return FetchError(Reason.TOO_SLOW, True, text)
