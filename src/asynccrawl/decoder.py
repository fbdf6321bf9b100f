"""Runs `imaging` off the event loop, in threads.

A hop to a thread and back costs 50 to 100 us, so threads take requests in small batches, never more than their fair
share, and hand the results of a batch back in one call. Decoder processes will offer the same two methods.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from .errors import NO_DESCRIPTOR, InvalidImage, storage_error
from .imaging import Facts, examine
from .models import Reason
from .settings import ImagePolicy

BATCH = 8
"""Most bodies that a thread takes at once."""
_TRIES, _PAUSE = 200, 0.1
"""How often, and with how many seconds between, a file descriptor is waited for."""

_Answer = tuple["asyncio.Future[Facts]", Facts | Exception]


class _Job(NamedTuple):
    body: bytes | Path
    content_type: str | None
    whole: bool
    future: asyncio.Future[Facts]


class ThreadDecoder:
    """Decodes in `threads` daemon threads (default: one more than there are cores), started when first needed."""

    def __init__(self, policy: ImagePolicy, threads: int | None = None) -> None:
        self._policy = policy
        self._fully = replace(policy, decode="full")
        self._count = threads or (os.cpu_count() or 1) + 1
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    async def examine(self, body: bytes | Path, content_type: str | None, whole: bool = False) -> Facts:
        """The facts of a body; `whole`: decode it in full, whatever the policy says. Raises InvalidImage."""
        if not self._threads:
            self._threads = [
                threading.Thread(target=self._work, name="asynccrawl-decoder", daemon=True) for _ in range(self._count)
            ]
            for thread in self._threads:
                thread.start()
        future: asyncio.Future[Facts] = asyncio.get_running_loop().create_future()
        self._jobs.put(_Job(body, content_type, whole, future))
        return await future

    async def aclose(self) -> None:
        """End the threads. One that is in the middle of a picture is not waited for long: it is a daemon."""
        for _ in self._threads:
            self._jobs.put(None)
        threads, self._threads = self._threads, []
        await asyncio.to_thread(_join, threads)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            jobs = [job, *self._more()]
            answers = [(j.future, self._answer(j)) for j in jobs if not j.future.cancelled()]
            with suppress(RuntimeError):  # the loop has gone, and with it whoever asked
                job.future.get_loop().call_soon_threadsafe(_deliver, answers)

    def _more(self) -> list[_Job]:
        more: list[_Job] = []
        for _ in range(min(BATCH - 1, self._jobs.qsize() // self._count)):
            with suppress(queue.Empty):
                job = self._jobs.get_nowait()
                if job is None:
                    self._jobs.put(None)
                else:
                    more.append(job)
        return more

    def _answer(self, job: _Job) -> Facts | Exception:
        try:
            return _patiently(examine, job.body, self._fully if job.whole else self._policy, job.content_type)
        except InvalidImage as error:
            return error
        except MemoryError:
            return InvalidImage(Reason.CORRUPT, "decoding it took more memory than there is")
        except Exception as error:
            if isinstance(error, OSError) and isinstance(job.body, Path):
                return storage_error(job.body, "what was kept there for now cannot be read", error)
            return InvalidImage(Reason.INTERNAL, f"the decoder raised {error!r:.200}")


def _patiently(function: Callable[..., Facts], *arguments: object) -> Facts:
    """The result of a call that may find no file descriptor for a while: fetches that end free theirs."""
    for _ in range(_TRIES):
        try:
            return function(*arguments)
        except OSError as error:
            if error.errno not in NO_DESCRIPTOR:
                raise
        time.sleep(_PAUSE)
    return function(*arguments)


def _deliver(answers: list[_Answer]) -> None:
    for future, answer in answers:
        if future.done():
            continue
        if isinstance(answer, Facts):
            future.set_result(answer)
        else:
            future.set_exception(answer)


def _join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join(timeout=0.2)
