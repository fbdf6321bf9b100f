"""Runs `imaging` in processes of its own, which no picture can take the crawl down with.

Jobs wait in one queue. Each child is given a few ahead, so that it is never idle while the event loop is busy; the
first of them is what it is at. A child that dies, hangs, runs out of memory or talks nonsense takes that one with it:
the others go back to the head of the queue, and another child is started. Children are started when there is work for
them, or when they are told that there will be (`begin`): they need a tenth of a second. If not even one can be had, the
rest is decoded in threads, and the report says so.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections import deque
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from ..errors import Undecodable, unreadable_spool
from ..imaging import Facts, check, prepare
from ..settings import ImagePolicy
from .children import Child
from .frames import Unreadable
from .job import Job
from .nursery import Nursery
from .threads import ThreadDecoder
from .watching import Watch

LIFETIME = 20_000
"""Pictures that a child decodes before another takes its place, since what libraries leak counts in its bound."""
START_SECONDS = 30.0
"""How long a child may take to be ready."""
START_TRIES = 3
"""Starts in a row that fail before fewer children must do."""
_LOOK_SECONDS = 0.25
_PAUSE_SECONDS = 0.1
_HUNG_SHARE = 0.25
"""A child that had less of its time on a processor was stopped or starved: another run may decode the picture."""


class ProcessDecoder:
    """Decodes in up to `processes` child processes, each picture within the policy's bounds of time and memory.

    `most`: how many there may be; fewer than asked for, when no more could be started.
    """

    def __init__(self, policy: ImagePolicy, processes: int) -> None:
        self.most = processes
        self._policy = policy
        self._waiting: deque[Job] = deque()
        self._children: list[Child] = []
        self._nursery = Nursery(policy)
        self._watch = Watch(min(_LOOK_SECONDS, policy.max_decode_seconds / 4), self._look)
        self._tasks: set[asyncio.Task[None]] = set()
        self._instead: ThreadDecoder | None = None
        self._starting = 0  # starts of which it is not known yet how they end
        self._failures = 0  # starts in a row that came to nothing
        self._lost = 0
        self._trouble = ""
        self._closed = False

    def __repr__(self) -> str:
        return f"<ProcessDecoder {len(self._waiting)} waiting, {self._children}>"

    @property
    def pids(self) -> list[int]:
        """The numbers of the processes that there are now."""
        return [child.pid for child in self._children]

    async def examine(self, body: bytes | Path, content_type: str | None, whole: bool = False) -> Facts:
        """The facts of a body; `whole`: decode it in full, whatever the policy says.

        Raises InvalidImage, and StorageError for a spooled body that cannot be read.
        """
        future: asyncio.Future[Facts] = asyncio.get_running_loop().create_future()
        self._waiting.append(Job(body, content_type, whole, future))
        self._dispatch()
        try:
            return await future
        except Unreadable:
            await asyncio.to_thread(_read, body)
            raise Undecodable("its decoder could not read what was kept of it", retryable=True) from None

    async def prepare(self, whole: bool = False) -> None:
        """Raises SettingsError where the policy demands what is not installed; the children load what decodes."""
        await asyncio.to_thread(check, self._policy)

    def begin(self, pictures: int) -> None:
        """So many pictures may come soon: start as many children as that may be work for, so that none is waited for.

        After a start that failed nothing is done before there is work.
        """
        if self._closed or self._instead or self._failures:
            return
        for _ in range(min(self.most, pictures) - self._there):
            self._starting += 1
            self._begin(self._start())

    def story(self) -> list[str]:
        """What a reader of the report should know of how decoding went, a line each."""
        lines = []
        if self._instead:
            lines.append(
                f"No decoder process could be started ({self._trouble}): pictures were decoded in threads, without "
                "bounds of time and memory."
            )
        elif self._trouble:
            lines.append(f"Not all decoder processes could be started ({self._trouble}); {self.most} had to do.")
        if self._lost:
            lines.append(f"Decoder processes that were lost over a picture, and replaced: {self._lost}.")
        return lines

    async def aclose(self) -> None:
        """End all children at once. Who still waits for an answer gets none."""
        self._closed = True
        self._watch.end()
        for child in [*self._children]:
            self._dismiss(child)
        try:
            if self._instead:
                await self._instead.aclose()
            while self._tasks:
                await asyncio.wait(self._tasks)
        finally:
            await self._nursery.aclose()

    # --- giving out work

    def ready(self, child: Child) -> None:
        """A child can decode."""
        self._starting -= 1
        self._failures = 0

    def heard(self, child: Child) -> None:
        """A child has answered: there is room for more."""
        if child.exhausted or child.done >= LIFETIME:
            self._dismiss(child)
        self._dispatch()

    def _dispatch(self) -> None:
        if self._closed:
            return
        while self._waiting and self._give(self._waiting[0]):
            self._waiting.popleft()
        if self._wanting():
            self._starting += 1
            self._begin(self._start())

    def _give(self, job: Job) -> bool:
        """Whether somebody takes the job, or nobody wants its answer any more."""
        if job.future.done():
            return True
        if self._instead:
            self._instead.take(job)
            return True
        child = min((child for child in self._children if child.has_room), key=lambda c: len(c.jobs), default=None)
        if child:
            child.order(job)
        return child is not None

    # --- starting

    def _wanting(self) -> bool:
        """Whether another child should be started: one at a time after one that failed."""
        if self._instead or not self._waiting or (self._failures and self._starting):
            return False
        return self._there < self.most and len(self._waiting) > self._starting

    @property
    def _there(self) -> int:
        """How many children are ready, or on their way."""
        return sum(child.ready for child in self._children) + self._starting

    async def _start(self) -> None:
        try:
            process, connection = await self._nursery.start()
        except OSError as error:
            await self._not_started(error.strerror or str(error))
            return
        child = Child(process, connection, self._policy.max_decode_bytes, self)
        self._children.append(child)
        if self._closed:
            self._dismiss(child)
        else:
            self._watch.begin()
            self._dispatch()

    async def _not_started(self, why: str) -> None:
        self._failures += 1
        if self._failures < START_TRIES:
            await asyncio.sleep(_PAUSE_SECONDS * self._failures)
        self._starting -= 1
        if self._failures >= START_TRIES and not self._starting:
            self._trouble, self._failures, self.most = why, 0, len(self._children)
            if not self._children:
                await self._decode_here()
        self._dispatch()

    async def _decode_here(self) -> None:
        """Threads must do. What they need is imported first, which takes what may be lacking now, and comes back."""
        while not self._closed and self._instead is None:
            try:
                await asyncio.to_thread(prepare)
                self._instead = ThreadDecoder(self._policy)
            except OSError:
                await asyncio.sleep(_PAUSE_SECONDS)

    # --- losing

    def lost(self, child: Child, said: str) -> None:
        """A child hung up, or talked nonsense."""
        process = self._remove(child)
        if said:
            process.kill()
        blamed = child.jobs.popleft() if child.ready and child.jobs else None
        self._begin(self._see_off(process, child.ready, said, blamed))
        self._take_back(child)

    async def _see_off(self, process: subprocess.Popen[bytes], ready: bool, said: str, blamed: Job | None) -> None:
        how = await self._nursery.bury(process)
        if not ready:
            await self._not_started(said or f"one {how} before it was ready")
        elif blamed:
            self._lost += 1
            # The system kills with SIGKILL where memory is short, and so do people: the picture may be innocent.
            # SIGBUS is a disk that cannot give what is mapped.
            mapped = isinstance(blamed.body, Path)
            outside = not said and how.endswith(("SIGKILL", "SIGBUS") if mapped else "SIGKILL")
            why = f"its decoder talked nonsense over it: {said}" if said else f"its decoder {how} over it"
            blamed.deliver(Undecodable(why, retryable=outside))

    def _look(self, passed: float) -> None:
        for child in [*self._children]:
            child.grow_older(passed)
            if not child.ready and child.age > START_SECONDS:
                self.lost(child, f"one was not ready after {START_SECONDS:g} s")
            elif child.ready and child.age > self._policy.max_decode_seconds:
                self._overdue(child)

    def _overdue(self, child: Child) -> None:
        most, worked = self._policy.max_decode_seconds, child.worked
        why = f"decoding it took more than {most:g} s ({worked:.1f} s of a processor), and was ended"
        child.jobs.popleft().deliver(Undecodable(why, retryable=worked < _HUNG_SHARE * most))
        self._lost += 1
        self._dismiss(child)

    def _dismiss(self, child: Child) -> None:
        """End a child whose jobs are to go back."""
        process = self._remove(child)
        process.kill()
        self._begin(self._nursery.end(process))
        self._take_back(child)

    def _remove(self, child: Child) -> subprocess.Popen[bytes]:
        self._children.remove(child)
        return child.close()

    def _take_back(self, child: Child) -> None:
        self._waiting.extendleft(reversed(child.jobs))
        child.jobs.clear()
        self._dispatch()

    def _begin(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _read(body: bytes | Path) -> None:
    """Read a body through. Raises StorageError."""
    if isinstance(body, Path):
        try:
            with body.open("rb") as file:
                while file.read(2**20):
                    pass
        except OSError as error:
            raise unreadable_spool(body, error) from error
