"""A pool that never reuses a connection on which anything arrived unasked.

A server that sends answers nobody asked for may send them a little late, to a connection that is already in use
again: then they look like the true answer. Against that:

- A connection rests before it is reused, longer than its host usually takes to answer.
- What a reused connection has brought is not believed before twice the time has passed that its host usually takes
  (`Doubt`): if it was not the true answer, that one comes meanwhile, unasked as it seems. It is listened for as long
  also where the connection is not to be kept (`Connection: close`).
- A host that was caught once gets no connection twice for the rest of the run.

So a picture that was pushed can be taken for another only if its server withholds the true one.

Time alone does not prove a rest: while the event loop is busy, what has come waits in the kernel and is not seen. So a
tick runs through the loop. Between two ticks the loop has looked at all sockets, hence whatever had come before the
first of them has been delivered; a rest counts up to there. (Asking each socket by poll(2) would do, too, and costs a
system call a request, during which another thread may take the interpreter.)
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from time import monotonic
from typing import Any

from .wire import Doubt, Wire

REST = 0.05
"""Seconds that a connection rests. While it does others are opened, so that nothing waits for it."""
FIRST_REST = 0.2
"""Seconds that the connections of a host rest until one of them has proved clean: on a busy machine 0.05 is soon over,
and who pushes answers does it from the first one on.
"""
LONGEST_REST = 0.5
"""Seconds: no connection rests longer, however slow its host is."""
KEEPALIVE = 5.0
"""Seconds an idle connection is kept. Short, since lists name many hosts once and every connection is a descriptor."""
_TICK = 0.01
_MOST_ORIGINS = 10_000


class Pool:
    """Connections that rest between two requests, by the origin that they lead to. Make it inside the running loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._kept: dict[str, deque[Wire]] = {}  # those that have rested longest first
        self._ages: deque[tuple[float, Wire]] = deque()  # all that were ever kept in the last seconds, oldest first
        self._distrusted: dict[str, None] = {}
        self._rests: dict[str, float] = {}  # how long connections rest, of origins that have proved clean
        self._cramped = False
        self._ticked = 0.0
        self._seen_until = 0.0  # whatever had come before this moment has been delivered
        self._ticking: asyncio.TimerHandle | None = None
        self._doubts: list[tuple[float, int, Wire, Doubt]] = []  # by the moment at which each is over
        self._serial = itertools.count()

    def take(self, origin: str) -> Wire | None:
        """The connection that has rested longest, if it has rested enough and nothing has come."""
        kept = self._kept.get(origin)
        if not kept:
            return None
        rested = self._seen_until - self._rests.get(origin, FIRST_REST)
        taken = None
        while taken is None and kept and kept[0].resting_since <= rested:
            wire = kept.popleft()
            if monotonic() - wire.resting_since < KEEPALIVE and wire.resume():
                self._rests[origin] = self._rests.get(origin, REST)
                _bounded(self._rests)
                taken = wire
            else:
                wire.end()
        if not kept:
            del self._kept[origin]
        return taken

    def give_back(self, wire: Wire, whole: bool) -> None:
        """Keep a connection for its next request, if it is fit for one. `whole`: the answer was read to its end."""
        origin = wire.origin
        alien = whole and wire.received_more()
        if alien:
            self.distrust(origin)
        unwanted = self._cramped or origin in self._distrusted
        if wire.doubt:
            self._watch(wire, wire.doubt, wire.asked + self._rest(origin, wire.waited))
        if unwanted or not whole or not wire.is_connected():
            wire.end()
        elif not wire.should_close:
            self._keep(wire)
        elif wire.doubt:
            wire.rest(self.distrust)  # for no other request, but until the doubt is over
        else:
            wire.end()
        if self._ticking is None and (self._kept or self._doubts):
            self._tick()

    def distrust(self, origin: str) -> None:
        """A host has sent what nobody asked for: its connections are closed, and none is used twice from now on.

        Nor is any of its answers believed that is still in doubt.
        """
        if origin in self._distrusted:
            return
        self._distrusted[origin] = None
        _bounded(self._distrusted)
        for wire in self._kept.pop(origin, ()):
            wire.end()
        for _, _, wire, doubt in self._doubts:
            if wire.origin == origin:
                doubt.justify()

    def drop_idle(self) -> None:
        """Descriptors are worth more than handshakes: none is kept for an idle connection from now on."""
        self._cramped = True
        self.close()

    def close(self) -> None:
        """Close all connections that rest."""
        for wire in itertools.chain.from_iterable(self._kept.values()):
            wire.end()
        self._kept.clear()
        self._ages.clear()

    def _keep(self, wire: Wire) -> None:
        wire.rest(self.distrust)
        self._kept.setdefault(wire.origin, deque()).append(wire)
        self._ages.append((wire.resting_since, wire))

    def _watch(self, wire: Wire, doubt: Doubt, until: float) -> None:
        """An answer is to be believed if nothing comes behind it up to then, and for as long as a connection rests."""
        if wire.origin in self._distrusted:
            doubt.justify()
        elif not doubt.justified:
            doubt.watched = True
            heapq.heappush(self._doubts, (max(until, monotonic() + REST), next(self._serial), wire, doubt))

    def _rest(self, origin: str, waited: float) -> float:
        """How long a connection rests whose host took `waited` seconds to answer: twice what it takes at most."""
        if origin not in self._rests:
            return FIRST_REST
        self._rests[origin] = min(LONGEST_REST, max(REST, 2.0 * waited, 0.9 * self._rests[origin]))
        return self._rests[origin]

    def _tick(self) -> None:
        self._seen_until, self._ticked = self._ticked, monotonic()
        while self._doubts and self._doubts[0][0] <= self._seen_until:
            _, _, wire, doubt = heapq.heappop(self._doubts)
            doubt.end()
            if wire.doubt is doubt and wire.should_close:
                wire.end()  # it was listened to for the doubt alone
        self._expire(self._ticked - KEEPALIVE)
        self._ticking = self._loop.call_later(_TICK, self._tick) if self._kept or self._doubts else None

    def _expire(self, before: float) -> None:
        """Close what has rested since `before`."""
        while self._ages and self._ages[0][0] <= before:
            since, wire = self._ages.popleft()
            kept = self._kept.get(wire.origin)
            if kept and kept[0] is wire and wire.resting_since == since:
                kept.popleft()
                wire.end()
                if not kept:
                    del self._kept[wire.origin]


def _bounded(origins: dict[str, Any]) -> None:
    """Forget the oldest of too many."""
    if len(origins) > _MOST_ORIGINS:
        del origins[next(iter(origins))]
