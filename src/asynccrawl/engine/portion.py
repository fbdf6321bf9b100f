"""How many results are handed on at once."""

from __future__ import annotations

FEWEST, FIRST, MOST = 8, 64, 256
"""A hop to a thread and back costs a turn of a busy event loop, tens of milliseconds, whatever it carries: a taker
that is quick gets more at a time, so that it is not the hops that set the pace.
"""
_QUICK, _SLOW = 0.25, 0.5
"""Seconds. A crawl that is cancelled records what is validated and ends within two; a portion has to fit in."""


class Portion:
    """Between FEWEST and MOST results, as many as their taker deals with in less than half a second."""

    def __init__(self) -> None:
        self.size = FIRST

    def __repr__(self) -> str:
        return f"<Portion {self.size}>"

    def dealt_with(self, results: int, seconds: float) -> None:
        """The taker has come back for more after so many seconds."""
        if seconds > _SLOW:
            self.size = max(FEWEST, self.size // 2)
        elif seconds < _QUICK and results == self.size:
            self.size = min(MOST, self.size * 2)
