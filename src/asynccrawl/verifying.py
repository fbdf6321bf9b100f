"""Whether a dataset still is what its ledger says: every saved picture is read and hashed again, on all cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .errors import storage_error
from .ledger import FILE_NAME, Stored, reading, stored_after, stored_count
from .sinks import Finding, check_file

PAGE = 1_000
"""Rows read from the ledger at once."""
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
    with reading(root / FILE_NAME) as connection, ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        after, end = 0, stored_count(connection, newest=True)
        while page := stored_after(connection, after, end, PAGE):
            after = page[-1].id
            yield from (found for found in pool.map(partial(_check, root), page) if found)
            advance(len(page))


def _check(root: Path, row: Stored) -> Difference | None:
    try:
        finding = check_file(root, row.path, row.bytes, row.sha256)
    except OSError as error:
        raise storage_error(root / row.path, "cannot be read", error) from error
    return None if finding is Finding.SAME else Difference(row.path, finding)
