"""Answers that have begun and stand still, or drip: the head of an answer alone proves nothing. Pure; no clock."""

from __future__ import annotations

from .evictions import MOST, Evictions
from .flight import Flight
from .host import PATIENCE, Host

_STANDSTILL = PATIENCE + 0.5
"""Seconds. Whoever fetches tells of what has come twice a second."""


class Stalls:
    """Answers that are arriving. One that stood still can be evicted, three times at most a host."""

    def __init__(self, evictions: Evictions) -> None:
        self._arriving: dict[Flight, float] = {}  # when each was heard for the last time, in that order
        self._evictions = evictions

    def __repr__(self) -> str:
        return f"<Stalls, {len(self._arriving)} answers arriving>"

    def begin(self, flight: Flight, host: Host, now: float) -> None:
        """The head of an answer has come."""
        if host.evicted < MOST:
            self._arriving[flight] = now

    def go_on(self, flight: Flight, now: float) -> None:
        """More of it has come."""
        if self._arriving.pop(flight, None) is not None:
            self._arriving[flight] = now

    def end(self, flight: Flight, host: Host, whole: bool) -> bool:
        """The flight has ended; returns whether its host had been evicted, and has now sent a `whole` answer."""
        self._arriving.pop(flight, None)
        if not host.evicted or not whole:
            return False
        self._evictions.forget(host)
        return True

    def silent(self, now: float) -> list[Flight]:
        """The flights whose answers have stood still for too long, oldest first."""
        found = []
        for flight, heard in self._arriving.items():
            if now - heard < _STANDSTILL:
                break
            found.append(flight)
        return found
