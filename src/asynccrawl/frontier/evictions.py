"""How often a host was evicted: three times at most, each time later, until an answer is whole. Pure; no clock."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from .flight import Flight

MOST = 3
"""How often a host may be evicted; each time it is given twice as long. Then it has all the time it needs."""
_HOSTS = 20_000
"""Hosts that are remembered, the latest; a few megabytes."""


class Evictions:
    """Counts evictions by host. What is broken off together, or began before the last time, counts once."""

    def __init__(self) -> None:
        self._hosts: OrderedDict[str, tuple[int, float]] = OrderedDict()  # how often, and when for the last time

    def __repr__(self) -> str:
        return f"<Evictions of {len(self._hosts)} hosts>"

    def note(self, flights: Iterable[Flight], now: float) -> None:
        """These flights are broken off."""
        for flight in flights:
            times, last = self._hosts.get(flight.key, (0, float("-inf")))
            if flight.began >= last:
                self._hosts[flight.key] = times + 1, now
                self._hosts.move_to_end(flight.key)
        while len(self._hosts) > _HOSTS:
            self._hosts.popitem(last=False)

    def times(self, host: str) -> int:
        """How often the host was evicted since its last whole answer."""
        return self._hosts[host][0] if host in self._hosts else 0

    def spent(self, host: str) -> bool:
        """Whether the host's flights are not broken off any more."""
        return self.times(host) >= MOST

    def forget(self, host: str) -> None:
        """The host has sent a whole answer."""
        self._hosts.pop(host, None)
