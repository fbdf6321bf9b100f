"""What a program costs: time, processor time, and memory of all its processes together."""

from __future__ import annotations

import compileall
import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

import asynccrawl

_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Cost:
    """Of one run: seconds from start to exit, processor seconds of the program and of the server, and the peak of the
    memory in MB (0 where it was not looked at).
    """

    seconds: float
    client: float
    server: float
    memory: float


class Failed(Exception):
    """A program ended with an error; the message is the end of what it said."""


def compile_ours() -> None:
    """Compile our package, as pip compiles what it installs. Sources that are run where they lie would be compiled by
    the first command, or, where PYTHONDONTWRITEBYTECODE is set, by every one.
    """
    compileall.compile_dir(str(Path(asynccrawl.__file__).parent), quiet=1)


def run(words: Sequence[str], log: Path, server: psutil.Process | None, *, watch_memory: bool = False) -> Cost:
    """Run a command to its end. Watching its memory takes processor time, so a run that is timed should not be.

    Raises Failed when it exits with anything but 0.
    """
    before = _processor_seconds(server)
    began = time.perf_counter()
    with log.open("wb") as out:
        process = subprocess.Popen(words, stdout=out, stderr=out)
        with _watched(process.pid) if watch_memory else contextlib.nullcontext([0.0]) as peak:
            _, status, used = os.wait4(process.pid, 0)
    spent = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise Failed(f"exit {process.returncode}\n{log.read_text(errors='replace')[-2000:]}")
    return Cost(spent, used.ru_utime + used.ru_stime, _processor_seconds(server) - before, peak[0])


def memory_of(pid: int) -> float:
    """MB of the process and all its descendants: their proportional set sizes, so that shared pages count once."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += one.memory_full_info().pss
    return total / 1e6


@contextlib.contextmanager
def _watched(pid: int) -> Iterator[list[float]]:
    peak, over = [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(_POLL_SECONDS):
            peak[0] = max(peak[0], memory_of(pid))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def _processor_seconds(server: psutil.Process | None) -> float:
    if server is None:
        return 0.0
    times = [one.cpu_times() for one in (server, *server.children(recursive=True))]
    return float(sum(one.user + one.system for one in times))
