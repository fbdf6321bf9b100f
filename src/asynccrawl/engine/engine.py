"""The one asynchronous loop: list entries in, samples and failures out.

    feed -> backlog.enter -> frontier -> slot -> fetch -> decode -> outbox
                                ^                  |
                                +------------------+   the one backward edge: a finished hop frees its host, may hold
                                                       it, may come back as a retry or as a redirect's next hop

Three kinds of task share the loop of a pass. The reader enters list entries and offers them to the frontier, as far
ahead as it takes to keep every slot busy. The dispatcher gives a slot to whoever's turn it is; what waits for its
host never occupies one. A task a hop fetches and decodes. All live in one TaskGroup, which runs in a task of its own
and feeds the outbox, so that leaving the loop over `run` ends them all.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from ..frontier import Frontier
from ..models import Result
from ..pacing import Pace
from ..quota import Quota
from ..robots import Robots
from ..settings import Settings
from .hosts import left_alone
from .passing import Feed, Pass
from .portion import Portion
from .protocols import Backlog, Decoder, Fetcher
from .state import State


@dataclass(frozen=True, slots=True)
class EngineSnapshot:
    """What the engine is doing at one moment. `waiting` counts records in memory and in the backlog."""

    in_flight: int
    waiting: int
    buffered_bytes: int
    busiest: list[tuple[str, int, int]]
    reading: bool


class Engine:
    """Runs passes over records. The frontier outlives a pass, so limits and holds do too.

    `quota` says which labels have enough pictures; without one all records are fetched. `pace` bounds bytes a second;
    the fetcher must have the same one. With `robots` every site's robots.txt is asked first. `clock` gives monotonic
    seconds; `rng` draws the jitter of retries.
    """

    def __init__(
        self,
        settings: Settings,
        fetcher: Fetcher,
        decoder: Decoder,
        *,
        quota: Quota | None = None,
        pace: Pace | None = None,
        robots: Robots | None = None,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        rng = rng or random.Random()
        frontier = Frontier(settings.hosts, settings.retry, settings.concurrency, rng)
        self._state = State(settings, fetcher, decoder, clock, rng, frontier, quota=quota, pace=pace)
        self._state.robots = robots
        self._pass: Pass | None = None
        self._portion = Portion()

    @property
    def frontier(self) -> Frontier:
        """Whose turn it is; outlives a pass."""
        return self._state.frontier

    async def run(self, feed: Feed, backlog: Backlog) -> AsyncGenerator[list[Result], None]:
        """Fetch everything in `feed`; yields results in batches, as they come.

        Raises what the feed raises, once what is in flight has ended, and StorageError at once.
        """
        self._state.begin_pass()
        this = self._pass = Pass(self._state, feed, backlog)
        task = asyncio.create_task(this.go(), name="asynccrawl-engine")
        try:
            while batch := await this.outbox.take(self._portion.size):
                began = self._state.clock()
                yield batch
                self._portion.dealt_with(len(batch), self._state.clock() - began)
            await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def leftover(self) -> list[Result]:
        """Results that were ready when the loop over `run` was left."""
        return self._pass.outbox.take_now() if self._pass else []

    def drain(self) -> None:
        """Start nothing more and read no further; what is in flight ends, and then so does the loop over `run`."""
        self._state.draining = True
        if self._pass:
            self._pass.stop()

    def restore_hold(self, host: str, seconds: float) -> None:
        """An earlier run was asked to leave `host` alone; so many seconds of that are left."""
        state = self._state
        if seconds > state.settings.hosts.of(host).max_hold + 1.0:  # they were rounded up when they were recorded
            state.given_up[host] = left_alone(seconds)
            state.frontier.close(host)
        else:
            now = state.clock()
            state.frontier.hold(host, now + seconds, now)

    @property
    def chances(self) -> int:
        """How many records and hosts the last pass has left for their second chance."""
        return self._state.chances

    def story(self) -> list[str]:
        """What a reader of the report should know of how the run went, a line each."""
        overload = self._state.frontier.overload.story()
        return [*([overload] if overload else []), *self._state.decoder.story()]

    def snapshot(self, hosts: int = 5) -> EngineSnapshot:
        """What is going on now, with the `hosts` busiest hosts."""
        f, this = self._state.frontier, self._pass
        held = this.outbox.held_bytes if this else 0
        return EngineSnapshot(f.in_flight, f.queued + f.spilled, held, f.busiest(hosts), bool(this and this.reading))
