"""Runs `imaging` in threads.

A hop to a thread and back costs 50 to 100 us, so threads take requests in small batches, never more than their fair
share, and hand the results of a batch back in one call. What bounds a decode here is the list of formats and the caps
on bytes and pixels: a thread can be neither ended nor limited.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ..imaging import Facts, check, prepare
from ..settings import ImagePolicy
from .examining import answer_to
from .job import Answer, Job

BATCH = 8
"""Most bodies that a thread takes at once."""


class ThreadDecoder:
    """Decodes in `threads` daemon threads (default: one more than there are cores), started when first needed."""

    def __init__(self, policy: ImagePolicy, threads: int | None = None) -> None:
        self._policy = policy
        self._fully = replace(policy, decode="full")
        self._count = threads or (os.cpu_count() or 1) + 1
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    async def examine(self, body: bytes | Path, content_type: str | None, whole: bool = False) -> Facts:
        """The facts of a body; `whole`: decode it in full, whatever the policy says.

        Raises InvalidImage, and StorageError for a spooled body that cannot be read.
        """
        future: asyncio.Future[Facts] = asyncio.get_running_loop().create_future()
        self.take(Job(body, content_type, whole, future))
        return await future

    async def prepare(self, whole: bool = False) -> None:
        """Load what decodes, which takes 0.06 s, if the policy wants anything decoded, or `whole` bodies will be.

        Raises SettingsError where the policy demands what is not installed.
        """
        needed = whole or self._policy.decode != "none"
        await asyncio.to_thread(prepare if needed else check, self._policy)

    def begin(self, pictures: int) -> None:
        """So many pictures may come soon: threads need no time to start."""

    def take(self, job: Job) -> None:
        """Have a job done; its future tells."""
        if not self._threads:
            self._threads = [
                threading.Thread(target=self._work, name="asynccrawl-decoder", daemon=True) for _ in range(self._count)
            ]
            for thread in self._threads:
                thread.start()
        self._jobs.put(job)

    def story(self) -> list[str]:
        """What a reader of the report should know: nothing."""
        return []

    async def aclose(self) -> None:
        """End the threads. One that is in the middle of a picture is not waited for long: it is a daemon."""
        for _ in self._threads:
            self._jobs.put(None)
        threads, self._threads = self._threads, []
        await asyncio.to_thread(_join, threads)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            jobs = [job, *self._more()]
            answers = [(j, self._answer(j)) for j in jobs if not j.future.cancelled()]
            with suppress(RuntimeError):  # the loop has gone, and with it whoever asked
                job.future.get_loop().call_soon_threadsafe(_deliver, answers)

    def _more(self) -> list[Job]:
        more: list[Job] = []
        for _ in range(min(BATCH - 1, self._jobs.qsize() // self._count)):
            with suppress(queue.Empty):
                job = self._jobs.get_nowait()
                if job is None:
                    self._jobs.put(None)
                else:
                    more.append(job)
        return more

    def _answer(self, job: Job) -> Answer:
        return answer_to(job.body, self._fully if job.whole else self._policy, job.content_type)


def _deliver(answers: list[tuple[Job, Answer]]) -> None:
    for job, answer in answers:
        job.deliver(answer)


def _join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join(timeout=0.2)
