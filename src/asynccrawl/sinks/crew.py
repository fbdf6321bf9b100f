"""How many threads store the files of a batch: one where a file costs computing, more where it costs waiting.

On a local disk one thread does best, since others would only take the interpreter from it. On a network file system,
and wherever each file is brought to the disk itself, a file waits for milliseconds, and many can wait at once.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from ..errors import NO_DESCRIPTOR

Job = TypeVar("Job")

MOST = 16
"""Threads. With fsync on ext4 four store four times as much as one, and thirty-two hardly more than sixteen."""
_STEP = 4
_SLOW = 0.001
"""Seconds that a file takes, waiting included, above which batches are shared; a local disk needs 0.1 to 0.3 ms."""
_FEWEST = 8
"""Files of a batch that tell how quick the file system is."""
_TRIAL = 100
"""Batches after which few threads are tried again: what was slow may be quick by now."""


class Crew(Generic[Job]):
    """Threads that share batches, one batch at a time.

    `waits`: whether each file is known to wait, as one that is brought to the disk does. `clock` gives seconds.
    """

    def __init__(self, waits: bool = False, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._most = MOST
        self._least = _STEP if waits else 1
        self._pool: ThreadPoolExecutor | None = None
        self._batches = 0
        self.threads = self._least

    def __repr__(self) -> str:
        return f"<Crew of {self.threads}>"

    def share(
        self, jobs: Sequence[Job], rank: Callable[[Job], Hashable], work: Callable[[Iterator[Job]], None]
    ) -> None:
        """Have `work` go through all jobs: in one call, or in several at a time, each with the jobs that it gets to.

        Jobs of the same rank come to the same call, in their order. Raises what `work` raises, once all calls have
        ended; jobs that nobody has begun by then are left.
        """
        seconds: list[float] = []
        try:
            if self.threads == 1:
                work(self._timed(iter(jobs), seconds))
            else:
                self._share(_ranked(jobs, rank), work, seconds)
        except OSError as error:
            if error.errno in NO_DESCRIPTOR:
                self._most = self._least = self.threads = 1  # each thread holds some descriptors of its own
            raise
        self._learn(seconds)

    def close(self) -> None:
        """End the threads. May be called twice; a later batch starts new ones."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _share(self, ranks: deque[list[Job]], work: Callable[[Iterator[Job]], None], seconds: list[float]) -> None:
        self._pool = self._pool or ThreadPoolExecutor(MOST, thread_name_prefix="asynccrawl-sink")
        calls = [
            self._pool.submit(_until_one_fails, work, self._timed(_taken(ranks), seconds), ranks)
            for _ in range(min(self.threads, len(ranks)))
        ]
        wait(calls)
        for call in calls:
            call.result()

    def _timed(self, jobs: Iterator[Job], seconds: list[float]) -> Iterator[Job]:
        for job in jobs:
            began = self._clock()
            yield job
            seconds.append(self._clock() - began)

    def _learn(self, seconds: Sequence[float]) -> None:
        """From how long each file took. The quick ones tell: any file waits when the machine is busy."""
        self._batches += 1
        if len(seconds) >= _FEWEST:
            usual = sorted(seconds)[len(seconds) // 4]
            if usual > _SLOW:
                self.threads = min(self._most, self.threads * _STEP)
            elif usual < _SLOW / 2:
                self.threads = self._least
        if self._batches % _TRIAL == 0:
            self.threads = self._least


def _ranked(jobs: Sequence[Job], rank: Callable[[Job], Hashable]) -> deque[list[Job]]:
    ranks: dict[Hashable, list[Job]] = {}
    for job in jobs:
        ranks.setdefault(rank(job), []).append(job)
    return deque(ranks.values())


def _taken(ranks: deque[list[Job]]) -> Iterator[Job]:
    """Jobs, as long as there are some that no other call has taken."""
    while True:
        try:
            jobs = ranks.popleft()
        except IndexError:
            return
        yield from jobs


def _until_one_fails(work: Callable[[Iterator[Job]], None], jobs: Iterator[Job], ranks: deque[list[Job]]) -> None:
    try:
        work(jobs)
    except BaseException:
        ranks.clear()  # the others end with what they have begun
        raise
