"""Whose turn it is: concurrency, rate, gap and holds of every host. No I/O, no clock: it is told what time it is.

A host is in one of four places:

    ready    it may start a hop now; the hosts here take turns, one hop each
    timed    it may start one at a known moment (gap, rate, hold, a retry that is not due yet)
    blocked  its limit is in flight, or nothing of it is queued; an event of its own will move it
    gone     nothing queued, in flight, spilled or held: its state is dropped, so memory follows the active hosts

A host's window bounds its hops in memory, retries and hops in flight included. What is offered beyond it is spilled:
only counted, since the backlog holds the record already. From the first spilled record on every later one of that
host is spilled too, until the backlog has been taken from in the same order (see `refills` and `refill`). So the
next `spilled` pending records of the host after `after` are exactly those that were spilled: none is lost or doubled.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from .models import Hop
from .settings import HostLimits

MAX_HOSTS = 50_000
"""Hosts known at once. Records of further hosts are left to the backlog, from which a later pass takes them."""


@dataclass(slots=True, eq=False)
class _Host:
    name: str
    limits: HostLimits
    queue: deque[Hop] = field(default_factory=deque)
    delayed: list[tuple[float, int, Hop]] = field(default_factory=list)
    in_flight: int = 0
    spilled: int = 0
    refilling: bool = False
    after: int = -1  # the last ordinal that was let into the window
    next_start: float = 0.0
    last_next_start: float = 0.0  # what next_start was before the last start
    hold_until: float = 0.0
    place: str = "blocked"
    due: float = 0.0  # while timed: which of its entries in the heap is the valid one

    @property
    def known(self) -> int:
        """Hops in memory, in flight included."""
        return len(self.queue) + len(self.delayed) + self.in_flight

    @property
    def window(self) -> int:
        """Room for twice the limit in flight at least, or the window and not the limit would set the pace."""
        return max(self.limits.window, 2 * self.limits.per_host)

    @property
    def turn(self) -> float:
        """When the host's politeness allows the next start."""
        return max(self.next_start, self.hold_until)


@dataclass(frozen=True, slots=True)
class Refill:
    """Room in a host's window: up to `n` of its records with an ordinal above `after` are wanted."""

    host: str
    after: int
    n: int


class Frontier:
    """All hops that wait, and the rules by which they start. Every operation is O(log hosts)."""

    def __init__(self, limits: HostLimits, max_hosts: int = MAX_HOSTS) -> None:
        self._limits = limits
        self._max_hosts = max_hosts
        self._hosts: dict[str, _Host] = {}
        self._ready: deque[_Host] = deque()
        self._timed: list[tuple[float, int, _Host]] = []
        self._hungry: dict[str, None] = {}
        self._closed: set[str] = set()
        self._serial = itertools.count()
        self.in_flight = 0
        self.queued = 0
        self.spilled = 0

    def __repr__(self) -> str:
        return (
            f"<Frontier {len(self._hosts)} hosts ({len(self._ready)} ready), {self.queued} queued, "
            f"{self.in_flight} in flight, {self.spilled} spilled>"
        )

    @property
    def idle(self) -> bool:
        """Whether nothing is queued, in flight or spilled."""
        return not (self.queued or self.in_flight or self.spilled)

    @property
    def ready_hosts(self) -> int:
        """How many hosts could start a hop now."""
        return len(self._ready)

    @property
    def hosts(self) -> int:
        """How many hosts are remembered."""
        return len(self._hosts)

    def offer(self, hop: Hop, now: float) -> bool:
        """Queue a record's first hop. False: it was spilled, or left out because too many hosts are known."""
        host = self._hosts.get(hop.host)
        if host is None:
            if len(self._hosts) >= self._max_hosts:
                return False
            host = self._new(hop.host)
        if host.spilled or host.known >= host.window:
            host.spilled += 1
            self.spilled += 1
            self._feed(host)
            return False
        self._admit(host, hop, now)
        return True

    def put(self, hop: Hop, now: float, at: float = 0.0) -> None:
        """Queue a hop that goes on with a record already under way: a retry due at `at`, or a redirect's next hop.

        It is never spilled, and it goes before the host's fresh records, so that what was begun is finished.
        """
        host = self._hosts.get(hop.host) or self._new(hop.host)
        if at > now:
            heapq.heappush(host.delayed, (at, next(self._serial), hop))
        else:
            host.queue.appendleft(hop)
        self.queued += 1
        self._place(host, now)

    def next(self, now: float) -> Hop | None:
        """The next hop that may start at `now`, counted as in flight from here on; None when there is none."""
        self._release_timed(now)
        while self._ready:
            host = self._ready.popleft()
            host.place = "blocked"
            if self._startable_at(host) > now:
                self._place(host, now)
                continue
            return self._start(host, now)
        return None

    def withdraw(self, host_name: str, now: float) -> None:
        """The hop that `next` has just given is not carried out: its host may start another one in its place."""
        host = self._hosts[host_name]
        host.next_start = host.last_next_start
        self.finish(host_name, now)

    def finish(self, host_name: str, now: float) -> None:
        """A hop of the host has ended."""
        host = self._hosts[host_name]
        host.in_flight -= 1
        self.in_flight -= 1
        self._feed(host)
        self._place(host, now)

    def hold(self, host_name: str, until: float, now: float) -> None:
        """Start nothing on the host before `until`."""
        host = self._hosts.get(host_name) or self._new(host_name)
        host.hold_until = max(host.hold_until, until)
        self._place(host, now)

    def close(self, host_name: str) -> list[Hop]:
        """Give a host up for this run; returns its queued hops. Its spilled records stay in the backlog."""
        self._closed.add(host_name)
        host = self._hosts.get(host_name)
        return self._empty(host) if host else []

    def closed(self, host_name: str) -> bool:
        """Whether the host was given up."""
        return host_name in self._closed

    def wake_at(self) -> float | None:
        """When the earliest timed host may move; None when only an event can bring work."""
        while self._timed and not self._valid(self._timed[0]):
            heapq.heappop(self._timed)
        return self._timed[0][0] if self._timed else None

    def refills(self) -> list[Refill]:
        """The hosts whose windows have room for records that were spilled. Each is named until `refill` answers."""
        hungry, self._hungry = self._hungry, {}
        return [self._refill_of(self._hosts[name]) for name in hungry]

    @property
    def hungry(self) -> bool:
        """Whether `refills` would name a host."""
        return bool(self._hungry)

    def refill(self, wanted: Refill, hops: Sequence[Hop], now: float) -> None:
        """Let spilled records back in, in list order. Fewer than wanted: the rest is no longer pending."""
        host = self._hosts.get(wanted.host)
        if host is None:
            return
        host.refilling = False
        if not host.spilled:
            return
        gone = wanted.n if len(hops) < wanted.n else len(hops)
        host.spilled -= gone
        self.spilled -= gone
        for hop in hops:
            self._admit(host, hop, now)
        self._feed(host)
        self._place(host, now)

    def busiest(self, n: int) -> list[tuple[str, int, int]]:
        """The `n` hosts with the most to do: (host, in flight, waiting in memory or spilled)."""
        rows = ((h.name, h.in_flight, h.known - h.in_flight + h.spilled) for h in self._hosts.values())
        return heapq.nlargest(n, rows, key=lambda row: row[1] + row[2])

    def clear(self) -> list[Hop]:
        """Forget everything that has not started, and return those hops. For a crawl that is being drained."""
        return [hop for host in self._hosts.values() for hop in self._empty(host)]

    def _empty(self, host: _Host) -> list[Hop]:
        hops = [*host.queue, *(hop for _, _, hop in host.delayed)]
        self.queued -= len(hops)
        self.spilled -= host.spilled
        host.queue.clear()
        host.delayed.clear()
        host.spilled = 0
        self._hungry.pop(host.name, None)
        return hops

    def _new(self, name: str) -> _Host:
        host = self._hosts[name] = _Host(name, self._limits.of(name))
        return host

    def _admit(self, host: _Host, hop: Hop, now: float) -> None:
        host.queue.append(hop)
        host.after = max(host.after, hop.record.ordinal)
        self.queued += 1
        self._place(host, now)

    def _start(self, host: _Host, now: float) -> Hop:
        retry_is_due = host.delayed and host.delayed[0][0] <= now
        hop = heapq.heappop(host.delayed)[2] if retry_is_due else host.queue.popleft()
        host.in_flight += 1
        host.last_next_start, host.next_start = host.next_start, now + host.limits.spacing
        self.in_flight += 1
        self.queued -= 1
        self._place(host, now)
        return hop

    def _startable_at(self, host: _Host) -> float:
        """The earliest moment at which the host could start a hop, if its limit in flight allows."""
        if host.in_flight >= host.limits.per_host or not (host.queue or host.delayed):
            return float("inf")
        return host.turn if host.queue else max(host.turn, host.delayed[0][0])

    def _place(self, host: _Host, now: float) -> None:
        """Put the host where it belongs, now that something about it has changed."""
        if host.place == "ready":
            return
        when = self._startable_at(host)
        if when <= now:
            host.place = "ready"
            self._ready.append(host)
        elif when != float("inf"):
            self._at(host, when)
        elif not (host.known or host.spilled):
            self._retire(host, now)
        else:
            host.place = "blocked"

    def _retire(self, host: _Host, now: float) -> None:
        """Drop the state of an idle host, but never a hold or a gap that still runs."""
        if host.turn > now:
            self._at(host, host.turn)
            return
        host.place = "blocked"
        self._hungry.pop(host.name, None)
        del self._hosts[host.name]

    def _at(self, host: _Host, when: float) -> None:
        if host.place == "timed" and host.due == when:
            return
        host.place, host.due = "timed", when
        heapq.heappush(self._timed, (when, next(self._serial), host))

    def _valid(self, entry: tuple[float, int, _Host]) -> bool:
        when, _, host = entry
        return host.place == "timed" and host.due == when

    def _release_timed(self, now: float) -> None:
        while self._timed and self._timed[0][0] <= now:
            entry = heapq.heappop(self._timed)
            if self._valid(entry):
                entry[2].place = "blocked"
                self._place(entry[2], now)

    def _feed(self, host: _Host) -> None:
        """Ask for a refill once half the window is free, so that each one brings many records."""
        if host.spilled and not host.refilling and host.known <= host.window // 2:
            self._hungry[host.name] = None

    def _refill_of(self, host: _Host) -> Refill:
        host.refilling = True
        return Refill(host.name, host.after, min(host.window - host.known, host.spilled))
