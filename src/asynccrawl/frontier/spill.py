"""What windows have no room for: only counted, since the backlog holds the records already.

A host's window bounds its hops in memory, retries and hops in flight included. From the first spilled record on every
later one of that host is spilled too, until the backlog has been taken from in the same order. So the next `spilled`
pending records of the host after `after` are exactly those that were spilled: none is lost or doubled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .host import Host

MAX_QUEUED = 20_000
"""Hops in memory beyond which a host keeps one only; the rest is spilled."""


@dataclass(frozen=True, slots=True)
class Refill:
    """Room in a host's window: up to `n` of its records with an ordinal above `after` are wanted."""

    host: str
    after: int
    n: int


class Spill:
    """Counts spilled records, and knows whose windows have room again."""

    def __init__(self) -> None:
        self._hungry: dict[str, None] = {}
        self.records = 0

    def __repr__(self) -> str:
        return f"<Spill of {self.records} records, {len(self._hungry)} hosts hungry>"

    def takes(self, host: Host, queued: int) -> bool:
        """Whether the next record of the host is spilled, while so many hops of all hosts are queued; it is counted."""
        if not (host.spilled or host.known >= host.window or (queued >= MAX_QUEUED and host.known)):
            return False
        host.spilled += 1
        self.records += 1
        self.feed(host)
        return True

    def feed(self, host: Host) -> None:
        """Ask for a refill once half the window is free, so that each one brings many records."""
        if host.spilled and not host.refilling and host.known <= host.window // 2:
            self._hungry[host.name] = None

    @property
    def hungry(self) -> bool:
        """Whether some window has room."""
        return bool(self._hungry)

    def refills(self, hosts: Mapping[str, Host]) -> list[Refill]:
        """The refills that are wanted, each named once."""
        hungry, self._hungry = self._hungry, {}
        return [self._refill_of(hosts[name]) for name in hungry]

    def refilled(self, host: Host, wanted: Refill, came: int) -> bool:
        """So many records came back; returns whether they are still wanted. Fewer than wanted: the rest is no longer
        pending.
        """
        host.refilling = False
        if not host.spilled:
            return False
        gone = wanted.n if came < wanted.n else came
        host.spilled -= gone
        self.records -= gone
        return True

    def leave(self, host: Host) -> None:
        """The host's spilled records stay in the backlog."""
        self.records -= host.spilled
        self.forget(host)

    def forget(self, host: Host) -> None:
        """The host wants nothing."""
        self._hungry.pop(host.name, None)

    def _refill_of(self, host: Host) -> Refill:
        host.refilling = True
        return Refill(host.name, host.after, min(host.window - host.known, host.spilled))
