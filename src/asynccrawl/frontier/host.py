"""What is known of one host: its hops, its window, its politeness, its health."""

from __future__ import annotations

import enum
import heapq
import itertools
from collections import deque
from dataclasses import dataclass, field

from ..models import Hop
from ..settings import HostLimits
from .health import Health

PATIENCE = 2.0
"""Seconds without a sign of life after which a flight counts as silent, where nothing better is known of its host."""
_MOST_PATIENCE = 30.0


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


@dataclass(slots=True, eq=False)
class Host:
    """One host. Times are the frontier's, in seconds."""

    name: str
    limits: HostLimits
    health: Health
    queue: deque[Hop] = field(default_factory=deque)
    delayed: list[tuple[float, int, Hop]] = field(default_factory=list)
    keys: list[tuple[float, int, Hop]] = field(default_factory=list)  # robots hops, which pass the gate
    gated: bool = False
    in_flight: int = 0
    spilled: int = 0
    refilling: bool = False
    after: int = -1  # the last ordinal that was let into the window
    next_start: float = 0.0
    last_next_start: float = 0.0  # what next_start was before the last start
    hold_until: float = 0.0
    spacing: float = 0.0
    trust: Trust = Trust.UNKNOWN
    proven: bool = False  # whether it was ever heard
    missed: bool = False  # whether its last flight ended in silence
    patience: float = PATIENCE
    place: Place = Place.BLOCKED
    ready_as: Trust = Trust.UNKNOWN  # while ready: in which queue its valid entry is
    due: float = 0.0  # while timed: which of its entries in the heap is the valid one

    @property
    def known(self) -> int:
        """Hops in memory, in flight included."""
        return len(self.queue) + len(self.delayed) + len(self.keys) + self.in_flight

    @property
    def window(self) -> int:
        """Room for twice the limit in flight at least, or the window and not the limit would set the pace."""
        return max(self.limits.window, 2 * self.limits.per_host)

    @property
    def turn(self) -> float:
        """When the host's politeness allows the next start."""
        return max(self.next_start, self.hold_until)

    @property
    def rank(self) -> Trust:
        """Among whom it waits for its turn: further hops of a host that was not heard yet wait with the doubtful."""
        return Trust.DOUBTFUL if self.trust is Trust.UNKNOWN and self.in_flight else self.trust

    def startable_at(self) -> float:
        """The earliest moment at which the host could start a hop, if its limit in flight allows."""
        if self.in_flight >= self.health.in_flight:
            return float("inf")
        if self.keys:
            return max(self.turn, self.keys[0][0])
        if self.gated or not (self.queue or self.delayed):
            return float("inf")
        return self.turn if self.queue else max(self.turn, self.delayed[0][0])

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
        self.keys.clear()
        self.queue.clear()
        self.delayed.clear()
        self.spilled = 0
        return hops

    def learn_pace(self, silence: float) -> None:
        """The host was heard `silence` seconds after a start: so long it may take, twice over, before it is doubted."""
        self.patience = min(_MOST_PATIENCE, max(PATIENCE, 0.75 * self.patience, 2.0 * silence))
