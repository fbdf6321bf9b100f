"""The parent's end of one decoder process: orders out, answers in, and how long it has been at the first of them."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from collections import deque
from contextlib import suppress
from typing import Protocol

from ..errors import Undecodable
from .frames import Answers, order_of
from .job import Job

AHEAD = 16
"""Most jobs that a child is given before it has answered the first; all but the second must be small."""
_AHEAD_BYTES = 2**20  # more than that, and enough to do: the others shall have some
_READ_BYTES = 2**16
_BUFFERS = 64  # pieces handed to the system at once; it takes 1,024 at most (UIO_MAXIOV)


class Boss(Protocol):
    """Who is told."""

    def ready(self, child: Child) -> None:
        """The child can decode."""

    def heard(self, child: Child) -> None:
        """The child has said something."""

    def lost(self, child: Child, said: str) -> None:
        """Nothing more will come: it hung up, or said what makes no sense (then `said` is what is wrong with it)."""


class Child:
    """One decoder process. On the event loop only; nothing here blocks.

    `jobs`: ordered and not answered yet; the process is at the first. `age`: seconds that it has been at that one, as
    far as anybody was there to count. `exhausted`: it ran out of memory once, and may be short of it since.
    """

    def __init__(self, process: subprocess.Popen[bytes], connection: socket.socket, max_blob: int, boss: Boss) -> None:
        self._process = process
        self._connection = connection
        self._answers = Answers(max_blob)
        self._boss = boss
        self._loop = asyncio.get_running_loop()
        self._unsent: deque[memoryview] = deque()
        self._blocked = False
        self._cpu = 0.0
        self.jobs: deque[Job] = deque()
        self.ready = False
        self.done = 0
        self.age = 0.0
        self.exhausted = False
        self._loop.add_reader(connection, self._read)

    def __repr__(self) -> str:
        return f"<Child {self._process.pid}, {self.done} done, {len(self.jobs)} ordered, {self.age:.1f} s at the first>"

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def has_room(self) -> bool:
        """Whether it may be given another job: it is not idle then while the event loop is busy with other things."""
        ahead = len(self.jobs)
        return ahead < 2 or (ahead < AHEAD and sum(job.size for job in self.jobs) < _AHEAD_BYTES)

    def order(self, job: Job) -> None:
        """Have a job done, after those ordered before."""
        if not self.jobs:
            self._next_begins()
        self.jobs.append(job)
        self._unsent.extend(memoryview(piece) for piece in order_of(job.body, job.content_type, job.whole) if piece)
        if not self._blocked:
            self._write()

    def grow_older(self, seconds: float) -> None:
        """So many seconds have passed at the first job, or before the process was ready."""
        if self.jobs or not self.ready:
            if not self.age:
                self._cpu = cpu_seconds(self.pid)
            self.age += seconds

    @property
    def worked(self) -> float:
        """Seconds of processor time that the process has had at its first job."""
        return cpu_seconds(self.pid) - self._cpu

    def close(self) -> subprocess.Popen[bytes]:
        """Neither speak nor listen any more; returns the process, which ends when it notices."""
        self._loop.remove_reader(self._connection)
        self._loop.remove_writer(self._connection)
        self._connection.close()
        return self._process

    def _next_begins(self) -> None:
        self.age = 0.0

    def _write(self) -> None:
        try:
            while self._unsent:
                self._sent(self._connection.sendmsg([*self._unsent][:_BUFFERS]))
        except BlockingIOError:
            if not self._blocked:
                self._loop.add_writer(self._connection, self._write)
            self._blocked = True
            return
        except OSError:
            self._unsent.clear()  # it has gone; reading tells
        if self._blocked:
            self._loop.remove_writer(self._connection)
        self._blocked = False

    def _sent(self, count: int) -> None:
        while count:
            first = self._unsent[0]
            if count < len(first):
                self._unsent[0] = first[count:]
                return
            count -= len(first)
            self._unsent.popleft()

    def _read(self) -> None:
        try:
            data = self._connection.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        try:
            self._answers.feed(data)
            self._heard()
        except ValueError as error:
            self._boss.lost(self, str(error))
            return
        if data:
            self._boss.heard(self)
        else:
            self._boss.lost(self, "")

    def _heard(self) -> None:
        if not self.ready and self._answers.greeted():
            self.ready = True
            self._next_begins()
            self._boss.ready(self)
        while self.ready and (answer := self._answers.next()) is not None:
            if not self.jobs:
                raise ValueError("it answers what nobody has asked")
            job = self.jobs.popleft()
            self.done += 1
            self._next_begins()
            self.exhausted = self.exhausted or isinstance(answer, Undecodable)
            job.deliver(answer)


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has had, in seconds; 0 where the system does not tell, or it has gone."""
    with suppress(OSError, OverflowError):
        return time.clock_gettime(~pid << 3 | 2)  # its CPU clock, numbered as in clock_getcpuclockid(3) on Linux
    return 0.0
