"""Whether a dataset still is what its ledger says: every saved picture is read and hashed again, on all cores."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from .errors import storage_error
from .ledger import FILE_NAME, Stored, reading, stored_after, stored_count
from .sinks import Finding, check_file

PAGE = 1_000
"""Rows read from the ledger at once."""
_SHARE = 50
"""Rows that a worker is given at once: handing over one costs half as much as checking it."""
_AHEAD = 4
"""Shares that wait for each worker at most, so that none is idle and memory does not grow with the dataset."""
_MANY = 20_000
"""From so many pictures on, the work is done in processes."""
_CORES = os.cpu_count() or 1
_WORDS = {
    Finding.MISSING: "is missing, or no file",
    Finding.SIZE: "has another size than recorded",
    Finding.HASH: "has another content than recorded",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """A saved picture that is not what its row says. `path` is relative to the dataset."""

    path: str
    finding: Finding

    def __str__(self) -> str:
        return f"{self.path} {_WORDS[self.finding]}"


def count_saved(root: Path) -> int:
    """How many pictures there are to check. Raises StorageError."""
    with reading(root / FILE_NAME) as connection:
        return stored_count(connection)


def verify(root: Path, advance: Callable[[int], None] = lambda n: None) -> Iterator[Difference]:
    """The differences between the files below `root` and their rows, in the order of the rows.

    `advance` is told how many more were checked, now and then. Also works during a crawl: what it records later is not
    looked at. Raises StorageError where there is no ledger, or a file cannot be read.
    """
    with reading(root / FILE_NAME) as connection, _workers(stored_count(connection)) as pool:
        running: deque[tuple[Future[list[Difference]], int]] = deque()
        try:
            for rows in _shares(connection):
                running.append((pool.submit(_check_all, root, rows), len(rows)))
                if len(running) > _AHEAD * _CORES:
                    yield from _ended(running, advance)
            while running:
                yield from _ended(running, advance)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _workers(pictures: int) -> Executor:
    """Threads, or processes where there is enough to do for them: they take half a second to start, but each has a
    core to itself, where threads wait for each other at every system call.
    """
    if pictures < _MANY or _CORES == 1:
        return ThreadPoolExecutor(_CORES)
    # Ctrl-C goes to all processes of a terminal; it is for ours to end the others.
    ignore = partial(signal.signal, signal.SIGINT, signal.SIG_IGN)
    return ProcessPoolExecutor(_CORES, mp_context=get_context("spawn"), initializer=ignore)


def _shares(connection: Any) -> Iterator[list[Stored]]:
    """The saved rows that there are now, in shares."""
    after, end = 0, stored_count(connection, newest=True)
    while page := stored_after(connection, after, end, PAGE):
        after = page[-1].id
        yield from (page[start : start + _SHARE] for start in range(0, len(page), _SHARE))


def _ended(running: deque[tuple[Future[list[Difference]], int]], advance: Callable[[int], None]) -> list[Difference]:
    """What the oldest share has come to."""
    share, rows = running.popleft()
    found = share.result()
    advance(rows)
    return found


def _check_all(root: Path, rows: Sequence[Stored]) -> list[Difference]:
    return [found for row in rows if (found := _check(root, row))]


def _check(root: Path, row: Stored) -> Difference | None:
    try:
        finding = check_file(root, row.path, row.bytes, row.sha256)
    except OSError as error:
        raise storage_error(root / row.path, "cannot be read", error) from error
    return None if finding is Finding.SAME else Difference(row.path, finding)
