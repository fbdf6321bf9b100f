"""One pass over a feed: reading ahead, giving slots to whoever's turn it is, refilling windows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from ..frontier import Flight, Refill
from ..models import Failure, Hop, Record
from .hops import Hops
from .outbox import Outbox
from .protocols import Backlog
from .state import State

_PATROL_SECONDS = 0.01
_WAITING = 256
"""Results that may wait for the decoder, for certainty and for the recorder, if their bytes allow it, beside as many as
there are slots. What has come and is not recorded yet is fetched again after a kill; fewer would cost speed.
"""

Feed = AsyncGenerator[Sequence[Record | Failure], None]
"""Records to fetch and failures to pass on, in batches, in list order. The engine closes it."""


class Pass:
    """One pass over a feed."""

    def __init__(self, state: State, feed: Feed, backlog: Backlog) -> None:
        self._state = state
        self._feed = feed
        self._backlog = backlog
        self._settings = state.settings
        self._frontier = state.frontier
        self._clock = state.clock
        self._slots = asyncio.BoundedSemaphore(self._settings.concurrency)
        self._wake = asyncio.Event()
        self._appetite = asyncio.Event()
        self._hunger = asyncio.Event()
        self._refilling = False
        self._opens: float | None = None  # when the bytes a second allow the next start, if they hold it back
        self._error: BaseException | None = None
        self._group = asyncio.TaskGroup()
        self._reader: asyncio.Task[None] | None = None
        self.reading = state.frontier.more_to_come = True
        most = self._settings.concurrency + _WAITING
        self.outbox = Outbox(self._settings.limits.buffer_bytes, most, self._stir)
        self._hops = Hops(state, backlog, self.outbox, self._slots, self._changed)

    async def go(self) -> None:
        """The whole pass. Leaves the outbox closed, however it ends."""
        try:
            async with self._group:
                self._reader = self._group.create_task(self._read())
                company = [self._group.create_task(self._patrol()), self._group.create_task(self._refill())]
                self._group.create_task(self._dispatch(company))
                if self._state.draining:
                    self.stop()
        except BaseExceptionGroup as group:
            raise _first(group) from group
        finally:
            self.outbox.close()
        if self._error:
            raise self._error

    def stop(self) -> None:
        """Begin nothing more. The rows of what had not begun are still pending."""
        self._frontier.clear()
        if self._reader:
            self._reader.cancel()
        self._no_more()

    def _no_more(self) -> None:
        """Nothing more will be read."""
        self.reading = self._frontier.more_to_come = False
        self._stir()

    # --- reading ahead

    async def _read(self) -> None:
        try:
            async with aclosing(self._feed) as feed:
                async for batch in feed:
                    for item in await self._backlog.enter(batch):
                        self._offer(item)
                    await self._hungry()
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and self._reader and self._reader.cancelling():
                raise  # we are to stop; else something inside the list was cancelled, and that is no end of it
            # What was read before the damage is in the ledger; end tidily, then tell.
            self._error = error
            self._state.draining = True
            self._frontier.clear()
        finally:
            self._no_more()

    def _offer(self, item: Record | Failure) -> None:
        if isinstance(item, Failure):
            self.outbox.put(item)
            return
        hop = Hop.first(item, self._settings.limits.timeout)
        if self._hops.unwanted(hop) or self._hops.hosts.refused(hop):
            return
        self._frontier.offer(hop, self._clock())
        self._changed()

    async def _hungry(self) -> None:
        """Wait until reading further could help: some slot may be free for want of hosts, and results have room."""
        while self._frontier.well_fed or self.outbox.full:
            self._appetite.clear()
            await self._appetite.wait()

    # --- starting

    async def _dispatch(self, company: Sequence[asyncio.Task[None]]) -> None:
        """Start hops until there are none; then the tasks that keep company end, too."""
        while not self._over():
            await self._slots.acquire()
            self._hops.let_in()
            flight = self._next()
            if not self._frontier.well_fed:
                self._appetite.set()
            if flight is None:
                self._slots.release()
                await self._pause()
                continue
            if not self._hops.begins(flight):
                self._frontier.withdraw(flight, self._clock())
                self._slots.release()
                continue
            self._hops.active += 1
            if self._state.pace:
                self._state.pace.begin()
            self._group.create_task(self._hops.carry_out(flight))
        for task in company:
            task.cancel()

    def _next(self) -> Flight | None:
        """The next hop to start, if the outbox has room, the bytes a second allow it, and it is somebody's turn."""
        now, pace = self._clock(), self._state.pace
        opens = pace.open_at() if pace else now
        self._opens = opens if opens > now else None
        return self._frontier.next(now) if self.outbox.has_room(self._frontier.in_flight) and not self._opens else None

    async def _patrol(self) -> None:
        """Free slots from what has been silent for too long while better work waits."""
        self._state.attention.rest()
        while True:
            self._state.attention.look()
            due = self._clock() + _PATROL_SECONDS
            await asyncio.sleep(_PATROL_SECONDS)
            now, allowed = self._clock(), self._frontier.overload.allowed
            for flight in self._frontier.overstaying(now, max(0.0, now - due)):
                if flight.evict and not self._state.draining:  # then nothing takes its slot, and it is to be finished
                    flight.evict()
            if self._frontier.overload.allowed > allowed:
                self._wake.set()

    def _over(self) -> bool:
        return not (self.reading or self._hops.active or self._refilling) and self._frontier.idle

    async def _pause(self) -> None:
        """Wait for an event, or for the moment at which a host may start again."""
        self._changed()  # what was withdrawn may have made room in a window
        self._wake.clear()
        if self._over():
            return
        timer = None
        if (due := self._wake_at()) is not None:
            timer = asyncio.get_running_loop().call_later(max(0.0, due - self._clock()), self._wake.set)
        try:
            await self._wake.wait()
        finally:
            if timer:
                timer.cancel()

    def _changed(self) -> None:
        """Something may start now, or windows have room. Refills wait for no slot: all may be held by the silent."""
        if self._frontier.hungry:
            self._hunger.set()
        self._wake.set()

    def _wake_at(self) -> float | None:
        """When time alone may bring work; None when only an event can."""
        due = self._frontier.wake_at()
        return min((when for when in (due, self._opens) if when is not None), default=None)

    def _stir(self) -> None:
        self._wake.set()
        self._appetite.set()

    async def _refill(self) -> None:
        """Bring spilled records back into the windows that have room."""
        while await self._hunger.wait():
            self._hunger.clear()
            self._refilling = True
            while wanted := self._frontier.refills():
                for one in wanted:
                    await self._refill_one(one)
            self._refilling = False
            self._stir()

    async def _refill_one(self, wanted: Refill) -> None:
        records = await self._backlog.take(wanted.host, wanted.after, wanted.n)
        if not self._state.draining:
            hops = [Hop.first(record, self._settings.limits.timeout) for record in records]
            self._frontier.refill(wanted, hops, self._clock())
            self._wake.set()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error inside a group: one is the cause, the others followed from it."""
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
