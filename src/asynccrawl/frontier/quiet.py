"""Moments in which nobody answers, though many should: then the line or this machine is silent, and not each host."""

from __future__ import annotations

_LEAST_SECONDS = 0.025
_TIMES = 5.0
"""A gap that is so much longer than gaps usually are is no accident (one in 150, were answers to come at random)."""


class Quiet:
    """Adds up such moments; what falls into one tells nothing of a host."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._heard: float | None = None

    def __repr__(self) -> str:
        return f"<Quiet for {self._seconds:.3f} s so far>"

    def heard(self, now: float, usual: float) -> None:
        """Somebody has answered; `usual`: seconds between two answers, as many as are asked."""
        self._seconds = self.seconds(now, usual)
        self._heard = now

    def seconds(self, now: float, usual: float) -> float:
        """For how long nobody answered, over the whole run and up to now."""
        gap = 0.0 if self._heard is None else now - self._heard
        return self._seconds + (gap if gap > max(_LEAST_SECONDS, _TIMES * usual) else 0.0)
