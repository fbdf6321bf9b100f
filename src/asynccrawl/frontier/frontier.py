"""Whose turn it is: concurrency, rate, gap and holds of every host. No I/O, no clock: it is told what time it is.

A host is in one of four places:

    ready    it may start a hop now; the hosts here take turns, one hop each
    timed    it may start one at a known moment (gap, rate, hold, a retry that is not due yet)
    blocked  its limit is in flight, or nothing of it is queued; an event of its own will move it
    gone     nothing queued, in flight, spilled or held: its state is dropped, so memory follows the active hosts

Ready hosts are proven, unknown or doubtful (Trust), and `slots` says whose turn it is, so that stalled hosts cannot
slow the good ones. What is silent in a slot that better work waits for can be evicted (`overstaying`).

A host's window bounds its hops in memory; what is offered beyond it is spilled, and comes back by and by (see `spill`,
`refills` and `refill`).
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Sequence

from ..models import Hop
from ..settings import HostLimits, RetryPolicy
from .flight import ANSWERED, BUSY, NONE, SILENT, Flight, Signal
from .host import DOUBTFUL, NEVER, PATIENCE, PROVEN, UNKNOWN, Host, Trust
from .hosts import Hosts
from .overload import Overload
from .slots import Slots
from .spill import Refill, Spill
from .turns import Turns

MAX_HOSTS = 50_000
"""Hosts known at once. Records of further hosts are left to the backlog, from which a later pass takes them."""


class Frontier:
    """All hops that wait, and the rules by which they start. Every operation is O(log hosts).

    `concurrency` is the number of slots. `retry` gives the rests of hosts and their retry budgets; `rng` the order of
    unknown hosts and the jitter. Set `more_to_come` while the list is being read.
    """

    def __init__(
        self,
        limits: HostLimits,
        retry: RetryPolicy | None = None,
        concurrency: int = 100,
        rng: random.Random | None = None,
        max_hosts: int = MAX_HOSTS,
    ) -> None:
        self._retry = retry or RetryPolicy()
        self._concurrency = concurrency
        self._per_host = limits.per_host
        self._many = max(2000, 4 * concurrency)
        self._rng = rng or random.Random(0)
        self._max_hosts = max_hosts
        self._hosts = Hosts(limits, self._retry.budget)
        self._turns = Turns(self._rng)
        self._spill = Spill()
        self._closed: set[str] = set()
        self._serial = itertools.count()
        self._slots = Slots(concurrency)
        self._stalls = self._slots.stalls
        self.overload = Overload(concurrency)
        self.more_to_come = False
        self.queued = 0

    def __repr__(self) -> str:
        return (
            f"<Frontier {len(self._hosts)} hosts ({self.ready_hosts} ready), {self.queued} queued, "
            f"{self.in_flight} in flight, {self.spilled} spilled>"
        )

    @property
    def in_flight(self) -> int:
        """Flights of all hosts."""
        return self._slots.in_flight

    @property
    def spilled(self) -> int:
        """Records that are only counted, over all hosts."""
        return self._spill.records

    @property
    def idle(self) -> bool:
        """Whether nothing is queued, in flight or spilled."""
        return not (self.queued or self.in_flight or self.spilled)

    @property
    def ready_hosts(self) -> int:
        """How many hosts could start a hop now."""
        return sum(self._turns.ready)

    @property
    def well_fed(self) -> bool:
        """Whether reading further ahead would bring nothing: work of proven hosts for every slot, or many hosts."""
        ready = self._turns.ready
        if ready[0] >= self._concurrency or ready[0] + ready[1] + ready[2] >= self._many:
            return True
        return ready[0] * self._per_host >= 2 * self._concurrency and self._slots.plenty

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
        elif self._spill.takes(host, self.queued):
            return False
        self._admit(host, hop, now)
        return True

    def put(self, hop: Hop, now: float, at: float = 0.0, *, doubtful: bool = False) -> None:
        """Queue a hop that goes on with a record already under way: a retry due at `at`, or a redirect's next hop.

        It is never spilled, and it goes before the host's fresh records, so that what was begun is finished.
        `doubtful`: it failed without a sign of life, or was evicted.
        """
        host = self._hosts.get(hop.host) or self._new(hop.host)
        if doubtful and not host.in_flight and host.trust is UNKNOWN:
            self._slots.trust(host, DOUBTFUL)
        host.put(hop, at, next(self._serial), now)
        self.queued += 1
        self._slots.waiting[host.trust] += 1
        self._place(host, now)

    def next(self, now: float) -> Flight | None:
        """The next hop that may start at `now`, in flight from here on; None when there is none."""
        turns = self._turns
        while turns.timed and turns.timed[0][0] <= now and (due := turns.due(now)):
            self._place(due, now)
        while self._slots.in_flight < self.overload.allowed:
            trust = self._slots.whose_turn(turns.ready, self.more_to_come, now)
            if trust is None:
                return None
            host = turns.take(trust)
            if host.startable_at() <= now:
                return self._start(host, now)
            self._place(host, now)
        return None

    def withdraw(self, flight: Flight, now: float) -> None:
        """What `next` has just given is not carried out: its host may start another one in its place."""
        host = self._hosts[flight.key]
        host.next_start = host.last_next_start
        self.finish(flight, now, NONE)

    def heard(self, flight: Flight, now: float) -> None:
        """The head of an answer has come, or more of its body."""
        host = self._hosts.get(flight.key)
        if host and self._slots.heard(flight, host):
            self._stalls.begin(flight, host, now)
            self._found(host, now - flight.began, now)
        else:
            self._stalls.go_on(flight, now)

    def finish(self, flight: Flight, now: float, signal: Signal, asked: float | None = None) -> bool:
        """A flight has ended; `asked`: the seconds without requests that its answer asked for.

        Returns whether the host now counts as down: it has had all its chances, and should be closed.
        """
        host = self._hosts[flight.key]
        unheard = self._slots.heard(flight, host)
        self._slots.end(flight, host)
        rests = host.health.note(signal, flight.began, now)
        if asked is not None:
            host.hold_until = max(host.hold_until, now + asked)
        elif rests:
            pause = self._retry.backoff(rests) * self._rng.uniform(0.5, 1.0)
            host.hold_until = max(host.hold_until, now + pause)
        if self._stalls.end(flight, host, signal is ANSWERED or signal is BUSY):
            self._trust(host, PROVEN, now, now - flight.began)
        if signal is SILENT:
            self._missed(host, now)
        elif signal is not NONE and unheard:
            self._found(host, now - flight.began, now)
        if not host.proven:
            host.next_start = min(host.next_start, now + host.spacing)
        down = rests > 0 and host.health.down
        self._spill.feed(host)
        self._place(host, now)
        return down

    def may_retry(self, key: str) -> bool:
        """Whether the host's retry budget allows one more retry, which is then used up."""
        host = self._hosts.get(key)
        return self._slots.spend(key) if host is None else host.health.spend()

    def overstaying(self, now: float, lag: float = 0.0) -> Sequence[Flight]:
        """The flights that have been silent for too long, as far as they keep others from a slot; oldest first. They
        are to be evicted.

        Call it several times a second: it also notices which hosts have become doubtful, and reviews the overload.
        `lag`: for how many of the last seconds nobody listened, since this process was busy or stopped. Nothing that
        was not heard in that time counts against a host.
        """
        stalled = self._stalls.silent(now - lag)
        silent = self._slots.silent(self._hosts, now - lag)
        for flight in (*stalled, *silent):
            self._trust(self._hosts[flight.key], DOUBTFUL, now)
        self.overload.review(now)
        free = self.overload.allowed - self.in_flight
        if sum(self._turns.ready[:DOUBTFUL]) <= free:
            stalled = []  # they may be about to go on, and the doubtful are worth no more
        kept = self._slots.probes if self._turns.ready[PROVEN] else self._slots.share
        late = stalled + silent
        evicted = late[: max(0, min(len(late) - kept, self.ready_hosts - free))]
        self._slots.evict(self._hosts, evicted, now)
        return evicted

    def hold(self, key: str, until: float, now: float) -> None:
        """Start nothing on the host before `until`."""
        host = self._hosts.get(key) or self._new(key)
        host.hold_until = max(host.hold_until, until)
        self._place(host, now)

    def slow_down(self, key: str, gap: float, now: float) -> None:
        """From now on keep at least `gap` seconds between the starts of two hops of the host, for the whole run."""
        host = self._hosts.get(key) or self._new(key)
        self._hosts.slow_down(host, gap, now)
        self._place(host, now)

    def gate(self, key: str, now: float) -> None:
        """Start nothing but robots hops on the host until `ungate`."""
        host = self._hosts.get(key) or self._new(key)
        host.gated = True
        self._place(host, now)

    def ungate(self, key: str, now: float) -> None:
        """The host's robots.txt is known."""
        if host := self._hosts.get(key):
            host.gated = False
            self._place(host, now)

    def close(self, key: str) -> list[Hop]:
        """Give a host up for now; returns its queued hops. Its spilled records stay in the backlog."""
        self._closed.add(key)
        host = self._hosts.get(key)
        return self._empty(host) if host else []

    def closed(self, key: str) -> bool:
        """Whether the host was given up."""
        return key in self._closed

    def reopen(self, key: str) -> None:
        """The host is given another chance."""
        self._closed.discard(key)
        if host := self._hosts.get(key):
            host.health.recover(host.limits, self._retry.budget)

    def wake_at(self) -> float | None:
        """When the earliest timed host may move; None when only an event can bring work."""
        due, ramping = self._turns.earliest(), self._slots.ramping
        return due if ramping is None else ramping if due is None else min(due, ramping)

    def refills(self) -> list[Refill]:
        """The hosts whose windows have room for records that were spilled. Each is named until `refill` answers."""
        return self._spill.refills(self._hosts)

    @property
    def hungry(self) -> bool:
        """Whether `refills` would name a host."""
        return self._spill.hungry

    def refill(self, wanted: Refill, hops: Sequence[Hop], now: float) -> None:
        """Let spilled records back in, in list order. Fewer than wanted: the rest is no longer pending."""
        host = self._hosts.get(wanted.host)
        if host is None:
            return
        if not self._spill.refilled(host, wanted, len(hops)):
            return
        for hop in hops:
            self._admit(host, hop, now)
        self._spill.feed(host)
        self._place(host, now)

    def busiest(self, n: int) -> list[tuple[str, int, int]]:
        """The `n` hosts with the most to do: (host, in flight, waiting in memory or spilled)."""
        rows = ((h.name, h.in_flight, h.known - h.in_flight + h.spilled) for h in self._hosts.values())
        return heapq.nlargest(n, rows, key=lambda row: row[1] + row[2])

    def clear(self) -> list[Hop]:
        """Forget everything that has not started, and return those hops. For a crawl that is being drained."""
        return [hop for host in self._hosts.values() for hop in self._empty(host)]

    def _start(self, host: Host, now: float) -> Flight:
        hop = host.take(now)
        flight = Flight(hop, host.name, now)
        self._slots.start(flight, host)
        if hop.attempt == 1 and not hop.hops:
            host.health.earn()
        host.last_next_start, host.next_start = host.next_start, now + host.spacing
        if host.spacing and not host.proven and host.in_flight == 1:
            # It may be long on its way (name, connection), and others would catch up with it.
            host.next_start += PATIENCE
        self.queued -= 1
        self._slots.waiting[host.trust] -= 1
        if host.waits:
            self._place(host, now)
        return flight

    # --- what is learned of a host

    def _found(self, host: Host, silence: float, now: float) -> None:
        """The host was heard."""
        host.learn_pace(silence)
        if host.spacing and not host.proven:
            host.next_start = now + host.spacing
        self._slots.answered(now)
        self.overload.note(host.name, host.missed)
        host.missed = False
        if host.trust is not PROVEN and not host.evicted:
            self._trust(host, PROVEN, now, silence)

    def _missed(self, host: Host, now: float) -> None:
        """A flight has ended without a sign of life."""
        if host.proven:
            self.overload.note(host.name, True)
        host.missed = True
        self._trust(host, DOUBTFUL, now)

    def _trust(self, host: Host, trust: Trust, now: float, silence: float = 0.0) -> None:
        if host.trust is not trust:
            self._slots.trust(host, trust, silence)
            if host.waits:
                self._place(host, now)

    # --- hosts and their hops

    def _new(self, name: str) -> Host:
        host = self._hosts.add(name)
        self._slots.recall(host)
        return host

    def _admit(self, host: Host, hop: Hop, now: float) -> None:
        host.queue.append(hop)
        if hop.record.ordinal > host.after:
            host.after = hop.record.ordinal
        self.queued += 1
        self._slots.waiting[host.trust] += 1
        self._place(host, now)

    def _empty(self, host: Host) -> list[Hop]:
        self._spill.leave(host)
        hops = host.empty()
        self.queued -= len(hops)
        self._slots.waiting[host.trust] -= len(hops)
        if not host.in_flight:
            self._turns.wait(host, host.turn)  # when that has come, its state is dropped
        return hops

    def _place(self, host: Host, now: float) -> None:
        """Put the host where it belongs, now that something about it has changed."""
        when = host.startable_at()
        if when <= now:
            self._turns.enter(host)
        elif when != NEVER:
            self._turns.wait(host, when)
        elif not (host.known or host.spilled):
            self._retire(host, now)
        else:
            self._turns.leave(host)

    def _retire(self, host: Host, now: float) -> None:
        """Drop the state of an idle host, but never a hold or a gap that still runs."""
        if host.turn > now:
            self._turns.wait(host, host.turn)
            return
        self._turns.leave(host)
        self._spill.forget(host)
        self._slots.remember(host)
        self._hosts.drop(host)
