"""How often a host was evicted: three times at most, each time later, until an answer is whole. Pure; no clock."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from .flight import Flight
from .host import Host

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

    def note(self, hosts: Mapping[str, Host], flights: Iterable[Flight], now: float) -> None:
        """These flights are broken off; `hosts` are those in flight, by their names."""
        for flight in flights:
            times, last = self._hosts.get(flight.key, (0, float("-inf")))
            if flight.began >= last:
                self._hosts[flight.key] = times + 1, now
                self._hosts.move_to_end(flight.key)
                hosts[flight.key].evicted = times + 1
        while len(self._hosts) > _HOSTS:
            self._hosts.popitem(last=False)

    def recall(self, host: Host) -> None:
        """The host is back, and was evicted as often as before."""
        if host.name in self._hosts:
            host.evicted = self._hosts[host.name][0]

    def forget(self, host: Host) -> None:
        """The host has sent a whole answer."""
        host.evicted = 0
        self._hosts.pop(host.name, None)
