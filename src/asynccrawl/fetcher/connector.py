"""A pool that never reuses a connection on which anything arrived unasked.

A server that sends answers nobody asked for may send them a little late, to a connection that is already in use
again: then they look like the true answer. Against that:

- A connection rests before it is reused, longer than its host usually takes to answer.
- What a reused connection has brought is not believed before that rest is over (`Doubt`): if it was not the true
  answer, that one comes meanwhile, unasked as it seems.
- A host that was caught once gets no connection twice for the rest of the run.

So a picture that was pushed can be taken for another only if its server withholds the true one.

Time alone does not prove a rest: while the event loop is busy, what has come waits in the kernel and is not seen. So a
tick runs through the loop. Between two ticks the loop has looked at all sockets, hence whatever had come before the
first of them has been delivered; a rest counts up to there. (Asking each socket by poll(2) would do, too, and costs a
system call a request, during which another thread may take the interpreter.)
"""

from __future__ import annotations

import asyncio
import functools
import heapq
import itertools
from time import monotonic
from typing import Any

import aiohttp

from ..errors import NO_DESCRIPTOR
from .phases import current
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
_MOST_HOSTS = 10_000


class CleanConnector(aiohttp.TCPConnector):
    """A TCPConnector of suspicious connections, which also notes how far each hop has come."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory: Any = functools.partial(Wire, loop=self._loop)
        self._distrusted: dict[Any, None] = {}
        self._rests: dict[Any, float] = {}  # how long connections rest, of hosts that have proved clean
        self._cramped = False
        self._ticked = 0.0
        self._seen_until = 0.0  # whatever had come before this moment has been delivered
        self._ticking: asyncio.TimerHandle | None = None
        self._doubts: list[tuple[float, int, Doubt]] = []  # by the moment at which each is over
        self._serial = itertools.count()

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:
        """A connection for a request, from the pool or new."""
        connection = await super().connect(req, traces, timeout)
        if phase := current.get():
            phase.name = "head"
        return connection

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> Any:
        if phase := current.get():
            phase.fresh = True
        try:
            return await super()._create_connection(req, traces, timeout)
        except aiohttp.ClientConnectorError as error:
            if error.os_error.errno in NO_DESCRIPTOR:
                self._drop_idle()
            raise

    async def _resolve_host(self, host: str, port: int, traces: Any = None) -> Any:
        phase = current.get()
        if phase:
            phase.name = "resolving"
        hosts = await super()._resolve_host(host, port, traces)
        if phase:
            phase.name = "connecting"
        return hosts

    async def _get(self, key: Any, traces: Any) -> Any:
        """The connection that has rested longest, if it has rested enough and nothing has come."""
        kept = self._conns.get(key)
        rested = self._seen_until - self._rests.get(key, FIRST_REST)
        while kept and kept[0][1] <= rested:
            protocol, since = kept[0]
            # aiohttp would pass over what is too old and take another, which has not been asked.
            if isinstance(protocol, Wire) and monotonic() - since < KEEPALIVE and protocol.resume():
                self._rests[key] = self._rests.get(key, REST)
                _bounded(self._rests)
                if phase := current.get():
                    phase.doubt = protocol.doubt
                return await super()._get(key, traces)
            kept.popleft()
            protocol.close()
        return None

    def _release(self, key: Any, protocol: Any, *, should_close: bool = False) -> None:
        unasked = functools.partial(self.distrust, key)
        alien = not should_close and not protocol.should_close and not protocol.rest(unasked)
        if protocol._buffer:
            self.distrust(key)
        unwanted = alien or self._cramped or key in self._distrusted
        if protocol.doubt:
            self._watch(protocol.doubt, self._rest(key, protocol.waited), alien or key in self._distrusted)
        super()._release(key, protocol, should_close=should_close or unwanted)
        if self._ticking is None and (self._conns or self._doubts):
            self._tick()

    def _watch(self, doubt: Doubt, seconds: float, justified: bool) -> None:
        """An answer is to be believed if nothing comes behind it within so many seconds."""
        if justified:
            doubt.justify()
        elif not doubt.justified:
            doubt.watched = True
            heapq.heappush(self._doubts, (monotonic() + seconds, next(self._serial), doubt))

    def _rest(self, key: Any, waited: float) -> float:
        """How long a connection rests whose host took `waited` seconds to answer: twice what it takes at most."""
        if key not in self._rests:
            return FIRST_REST
        self._rests[key] = min(LONGEST_REST, max(REST, 2.0 * waited, 0.9 * self._rests[key]))
        return self._rests[key]

    def _tick(self) -> None:
        self._seen_until, self._ticked = self._ticked, monotonic()
        while self._doubts and self._doubts[0][0] <= self._seen_until:
            heapq.heappop(self._doubts)[2].end()
        self._ticking = self._loop.call_later(_TICK, self._tick) if self._conns or self._doubts else None

    def _drop_idle(self) -> None:
        """Descriptors are worth more than handshakes: none is kept for an idle connection from now on."""
        self._cramped = True
        kept = list(self._conns.values())
        self._conns.clear()
        for protocol, _ in itertools.chain.from_iterable(kept):
            protocol.on_unasked = None  # type: ignore[attr-defined]
            protocol.close()

    def distrust(self, key: Any) -> None:
        """A host has sent what nobody asked for: its connections are closed, and none is used twice from now on."""
        self._distrusted[key] = None
        _bounded(self._distrusted)
        for protocol, _ in self._conns.pop(key, ()):
            protocol.on_unasked = None  # type: ignore[attr-defined]
            if protocol.doubt:  # type: ignore[attr-defined]
                protocol.doubt.justify()  # type: ignore[attr-defined]
            protocol.close()


def _bounded(hosts: dict[Any, Any]) -> None:
    """Forget the oldest of too many."""
    if len(hosts) > _MOST_HOSTS:
        del hosts[next(iter(hosts))]
