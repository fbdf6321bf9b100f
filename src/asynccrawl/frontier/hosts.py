"""The hosts that are known now, by their keys."""

from __future__ import annotations

from ..settings import HostLimits
from .host import Host


class Hosts(dict[str, Host]):
    """Known hosts. Those that were dropped are used again for others: on a list of many hosts, making and collecting
    them was a fourth of what a request costs here (`benchmarks/frontier.py`).

    An entry in a queue that outlives its host may so give another one a turn too early. It was passed over anyway.
    """

    def __init__(self, limits: HostLimits, retries_each: float) -> None:
        super().__init__()
        self._limits = limits
        self._retries_each = retries_each
        self._gaps: dict[str, float] = {}
        self._spare: list[Host] = []

    def add(self, name: str) -> Host:
        """A host of which nothing is known yet."""
        limits = self._limits.of(name)
        if self._spare:
            host = self._spare.pop()
            host.become(name, limits, self._retries_each)
        else:
            host = Host(name, limits, self._retries_each)
        if self._gaps:
            host.spacing = max(host.spacing, self._gaps.get(name, 0.0))
        self[name] = host
        return host

    def drop(self, host: Host) -> None:
        """Nothing is queued, in flight, spilled or held there any more."""
        if self.pop(host.name, None):
            self._spare.append(host)

    def slow_down(self, host: Host, gap: float, now: float) -> None:
        """From now on keep at least `gap` seconds between the starts of two hops of the host, for the whole run."""
        gap = self._gaps[host.name] = max(gap, self._gaps.get(host.name, 0.0))  # several origins may share a key
        host.spacing = max(host.limits.spacing, gap)
        host.next_start = max(host.next_start, now + host.spacing)
