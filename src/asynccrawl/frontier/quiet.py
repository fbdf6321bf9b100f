"""Moments in which nobody answers, though many should: then the line or this machine is silent, and not each host."""

from __future__ import annotations

from collections.abc import Callable

_LEAST_SECONDS = 0.025
_TIMES = 5.0
"""A gap that is so much longer than gaps usually are is no accident (one in 150, were answers to come at random)."""


class Quiet:
    """Adds up such moments; what falls into one tells nothing of a host.

    `usual` gives the seconds between two answers, as many as are asked; it is called for long gaps alone.
    """

    def __init__(self) -> None:
        self._seconds = 0.0
        self._heard = float("inf")

    def __repr__(self) -> str:
        return f"<Quiet for {self._seconds:.3f} s so far>"

    def heard(self, now: float, usual: Callable[[], float]) -> None:
        """Somebody has answered."""
        if now - self._heard > _LEAST_SECONDS:
            self._seconds = self.seconds(now, usual)
        self._heard = now

    def seconds(self, now: float, usual: Callable[[], float]) -> float:
        """For how long nobody answered, over the whole run and up to now."""
        gap = now - self._heard
        if gap <= _LEAST_SECONDS:
            return self._seconds
        return self._seconds + (gap if gap > _TIMES * usual() else 0.0)
