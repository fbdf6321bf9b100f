"""The hosts that may start a hop now, by what to expect of them, and those that may at a known moment."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque

from .host import BLOCKED, READY, TIMED, UNKNOWN, Host, Trust


class Turns:
    """Ready and timed hosts. Proven and doubtful hosts take turns; of unknown ones a random one is next.

    Random, since lists are sorted: were they tried in order, a stretch of dead hosts would hide the good ones behind
    it. A host that leaves a queue leaves its entry behind, which is passed over, or valid again when the host comes
    back: no queue ever holds two of one host, or it would grow with the list.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._queues: tuple[deque[Host], list[Host], deque[Host]] = (deque(), [], deque())
        self.timed: list[tuple[float, int, Host]] = []  # a heap, of entries that may hold no longer
        self._serial = itertools.count()
        self.ready = [0, 0, 0]

    def enter(self, host: Host) -> None:
        """The host may start now."""
        rank = host.rank
        if host.place is READY:
            if host.ready_as is rank:
                return
            self.ready[host.ready_as] -= 1
        host.place, host.ready_as = READY, rank
        if not host.lies_in >> rank & 1:
            self._queues[rank].append(host)
            host.lies_in |= 1 << rank
        self.ready[rank] += 1

    def leave(self, host: Host) -> None:
        """The host may not start for now."""
        if host.place is READY:
            self.ready[host.ready_as] -= 1
        host.place = BLOCKED

    def take(self, trust: Trust) -> Host:
        """The host of that trust whose turn it is; it leaves. There must be one."""
        while True:
            host = self._unknown() if trust is UNKNOWN else self._in_line(trust)
            host.lies_in &= ~(1 << trust)
            if host.place is READY and host.ready_as is trust:
                host.place = BLOCKED
                self.ready[trust] -= 1
                return host

    def wait(self, host: Host, when: float) -> None:
        """The host may start at `when`."""
        if host.place is TIMED and host.due == when:
            return
        self.leave(host)
        host.place, host.due = TIMED, when
        heapq.heappush(self.timed, (when, next(self._serial), host))

    def due(self, now: float) -> Host | None:
        """A host whose moment has come; it leaves."""
        first = self.earliest()
        if first is None or first > now:
            return None
        host = heapq.heappop(self.timed)[2]
        host.place = BLOCKED
        return host

    def earliest(self) -> float | None:
        """When the first of the timed hosts may start."""
        while self.timed:
            when, _, host = self.timed[0]
            if host.place is TIMED and host.due == when:
                return when
            heapq.heappop(self.timed)
        return None

    def _in_line(self, trust: Trust) -> Host:
        queue = self._queues[trust]
        assert isinstance(queue, deque)
        return queue.popleft()

    def _unknown(self) -> Host:
        bag = self._queues[UNKNOWN]
        at = int(self._rng.random() * len(bag))  # a third of what `randrange` costs
        bag[at], bag[-1] = bag[-1], bag[at]
        return bag.pop()
