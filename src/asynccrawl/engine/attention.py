"""Whether we were there to listen: a process that was stopped, or a machine that slept, must blame no host for it."""

from __future__ import annotations

from collections.abc import Callable

ABSENCE = 1.0
"""Seconds without a look after which we count as having been away. A busy event loop is late by tenths of one."""


class Attention:
    """Look often. `clock` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._looked: float | None = None
        self._back = float("-inf")

    def __repr__(self) -> str:
        return f"<Attention, last look at {self._looked}, last back at {self._back}>"

    def look(self) -> None:
        """We are here now."""
        now = self._clock()
        if self._looked is not None and now - self._looked > ABSENCE:
            self._back = now
        self._looked = now

    def rest(self) -> None:
        """Nobody will look for a while, and that is no absence."""
        self._looked = None

    def was_away_since(self, moment: float) -> bool:
        """Whether we were away at any time after `moment`."""
        if self._looked is not None:
            self.look()
        return self._back > moment
