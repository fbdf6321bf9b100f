"""What is known of one host: its hops, its window, its politeness, its health."""

from __future__ import annotations

import enum
import heapq
import itertools
from collections import deque
from dataclasses import dataclass

from ..models import Hop, Purpose
from ..settings import HostLimits
from .health import Health

PATIENCE = 2.0
"""Seconds without a sign of life after which a flight counts as silent, where nothing better is known of its host."""
_MOST_PATIENCE = 30.0
NEVER = float("inf")
_NONE: list[tuple[float, int, Hop]] = []  # stays empty: most hosts never need a heap, and making two takes time


class Trust(enum.IntEnum):
    """What to expect of a host: it was heard lately, nothing is known yet, or it keeps silent."""

    PROVEN = 0
    UNKNOWN = 1
    DOUBTFUL = 2


class Place(enum.Enum):
    """Where a host is: see the frontier's description."""

    READY = "ready"
    TIMED = "timed"
    BLOCKED = "blocked"


PROVEN, UNKNOWN, DOUBTFUL = Trust
READY, TIMED, BLOCKED = Place
"""Named alone, since Python 3.11 takes 0.1 us to find a member by its class; a request asks for some thirty."""


@dataclass(slots=True, eq=False, init=False)
class Host:
    """One host. Times are the frontier's, in seconds."""

    name: str
    limits: HostLimits
    health: Health
    queue: deque[Hop]
    delayed: list[tuple[float, int, Hop]]
    keys: list[tuple[float, int, Hop]]  # robots hops, which pass the gate
    gated: bool
    in_flight: int
    unheard: int  # of those, whose answers have not begun
    spilled: int
    refilling: bool
    after: int  # the last ordinal that was let into the window
    window: int  # twice the limit in flight at least, or the window and not the limit would set the pace
    next_start: float
    last_next_start: float  # what next_start was before the last start
    hold_until: float
    spacing: float
    trust: Trust
    proven: bool  # whether it was ever heard
    missed: bool  # whether its last flight ended in silence
    evicted: int  # how often it was since its last whole answer; kept by `evictions`
    patience: float
    place: Place
    ready_as: Trust  # while ready: in which queue its valid entry is
    lies_in: int  # a bit for each queue that holds an entry of it, valid or not; outlives what the host is
    due: float  # while timed: which of its entries in the heap is the valid one

    def __init__(self, name: str, limits: HostLimits, retries_each: float) -> None:
        self.queue = deque()
        self.lies_in = 0
        self.health = Health(limits, retries_each)
        self.become(name, limits, retries_each)

    def become(self, name: str, limits: HostLimits, retries_each: float) -> None:
        """Be a host of which nothing is known; what this was before must have come to its end."""
        self.name, self.limits = name, limits
        self.health.recover(limits, retries_each)
        self.delayed = self.keys = _NONE
        self.gated = self.refilling = self.proven = self.missed = False
        self.in_flight = self.unheard = self.spilled = self.evicted = 0
        self.after = -1
        self.window = max(limits.window, 2 * limits.per_host)
        self.next_start = self.last_next_start = self.hold_until = self.due = 0.0
        self.spacing = limits.spacing
        self.trust = self.ready_as = UNKNOWN
        self.patience = PATIENCE
        self.place = BLOCKED

    @property
    def known(self) -> int:
        """Hops in memory, in flight included."""
        return len(self.queue) + len(self.delayed) + len(self.keys) + self.in_flight

    @property
    def waits(self) -> bool:
        """Whether a hop in memory has not started."""
        return bool(self.queue or self.delayed or self.keys)

    @property
    def turn(self) -> float:
        """When the host's politeness allows the next start."""
        return max(self.next_start, self.hold_until)

    @property
    def rank(self) -> Trust:
        """Among whom it waits for its turn: further hops of a host that was not heard yet wait with the doubtful."""
        return DOUBTFUL if self.trust is UNKNOWN and self.in_flight else self.trust

    def startable_at(self) -> float:
        """The earliest moment at which the host could start a hop, if its limit in flight allows."""
        if self.in_flight >= self.health.allowed:
            return NEVER
        if self.queue and not self.gated and not self.keys:
            hold, start = self.hold_until, self.next_start
            return hold if hold > start else start
        if self.keys:
            return max(self.turn, self.keys[0][0])
        if self.gated or not self.delayed:
            return NEVER
        return max(self.turn, self.delayed[0][0])

    def put(self, hop: Hop, at: float, serial: int, now: float) -> None:
        """Queue a hop of a record under way, due at `at`: before the fresh ones."""
        if hop.purpose is Purpose.ROBOTS:
            self.keys = self.keys or []
            heapq.heappush(self.keys, (at, serial, hop))
        elif at > now:
            self.delayed = self.delayed or []
            heapq.heappush(self.delayed, (at, serial, hop))
        else:
            self.queue.appendleft(hop)

    def take(self, now: float) -> Hop:
        """The hop whose turn it is: for robots.txt, or a retry that is due, or else the next in line."""
        if self.keys:
            return heapq.heappop(self.keys)[2]
        if self.delayed and self.delayed[0][0] <= now:
            return heapq.heappop(self.delayed)[2]
        return self.queue.popleft()

    def empty(self) -> list[Hop]:
        """Everything that has not started, which is forgotten, and so are the spilled records."""
        hops = [*self.queue, *(hop for _, _, hop in itertools.chain(self.delayed, self.keys))]
        self.queue.clear()
        self.keys = self.delayed = _NONE
        self.spilled = 0
        return hops

    def learn_pace(self, silence: float) -> None:
        """The host was heard `silence` seconds after a start: so long it may take, twice over, before it is doubted."""
        if silence + silence <= PATIENCE >= self.patience:
            return
        self.patience = min(_MOST_PATIENCE, max(PATIENCE, 0.75 * self.patience, 2.0 * silence))
