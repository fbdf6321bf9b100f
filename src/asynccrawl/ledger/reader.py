"""Reading a ledger: the manifest, streamed, and the counts that a report is made from. Works during a run."""

from __future__ import annotations

import heapq
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from ..errors import StorageError
from ..models import Outcome, Tally
from . import schema
from .connection import logs_ahead, open_alone, storage_error
from .judged import REPEATED, placeholders, repeated
from .noise import label_noise
from .rows import MANIFEST_FIELDS, Stored, outcome_of, stored

PAGE = 1_000
"""Rows of the manifest that are read at once."""
_SORTING = -1000  # KiB
_COUNTS = "sum(status='saved'), sum(status='failed'), sum(status='skipped')"


def last_deciding(connection: sqlite3.Connection) -> dict[str, Any]:
    """By reason the settings of the last run that decide it."""
    last = connection.execute("SELECT deciding FROM runs ORDER BY run DESC LIMIT 1").fetchone()
    found: dict[str, Any] = json.loads(last[0]) if last else {}
    return found


def count_of(connection: sqlite3.Connection) -> dict[str, int]:
    """Rows by status; a pending row whose record has left the list is none of it."""
    sql = "SELECT status, count(*) FROM records WHERE status<>'pending' OR ordinal IS NOT NULL GROUP BY status"
    return dict(connection.execute(sql).fetchall())


def saved_by_label(connection: sqlite3.Connection) -> dict[str, int]:
    """How many saved pictures each label has, those whose record has left the list included."""
    sql = "SELECT label, count(*) FROM records WHERE status='saved' AND label IS NOT NULL GROUP BY label"
    return dict(connection.execute(sql).fetchall())


def tally(connection: sqlite3.Connection, hosts: int) -> Tally:
    """Count everything, naming the `hosts` hosts with the most records."""
    with _little_memory(connection):
        return _tallied(connection, hosts)


def _tallied(connection: sqlite3.Connection, hosts: int) -> Tally:
    result = Tally(by_status=count_of(connection))
    sql = """SELECT reason, count(*), sum(retryable), min(id) FROM records
             WHERE status IN ('failed', 'skipped') GROUP BY reason ORDER BY count(*) DESC, reason"""
    for reason, n, retryable, first in connection.execute(sql).fetchall():
        result.by_reason[reason] = n
        result.retryable[reason] = retryable
        result.examples[reason] = connection.execute("SELECT url FROM records WHERE id=?", (first,)).fetchone()[0]
    for label, *counts in connection.execute(_grouped("label", "label IS NOT NULL") + " ORDER BY label"):
        result.by_label[label] = (counts[0], counts[1], counts[2])
    _tally_hosts(connection, hosts, result)
    result.label_noise = label_noise(connection)
    result.placeholders = placeholders(connection)
    result.repeated = [copies for _, copies in repeated(connection, REPEATED)]
    return result


def _tally_hosts(connection: sqlite3.Connection, hosts: int, result: Tally) -> None:
    rest = [0, 0, 0]

    def counted() -> Iterator[tuple[str, list[int]]]:
        """All hosts, counted together as they come by."""
        for host, *counts in connection.execute(_grouped("host", "host<>''")):
            result.hosts += 1
            rest[:] = [a + b for a, b in zip(rest, counts, strict=True)]
            yield host, counts

    # Not sorted by SQLite, which would hold all of them in memory, and a list may have millions.
    for host, counts in heapq.nsmallest(hosts, counted(), key=lambda row: (-sum(row[1]), row[0])):
        result.by_host[host] = (counts[0], counts[1], counts[2])
        rest[:] = [a - b for a, b in zip(rest, counts, strict=True)]
    result.other_hosts = (rest[0], rest[1], rest[2])


@contextmanager
def _little_memory(connection: sqlite3.Connection) -> Iterator[None]:
    """SQLite sorts in as much memory as its cache has; reports are made once, and need not be quick."""
    before = connection.execute("PRAGMA cache_size").fetchone()[0]
    connection.execute(f"PRAGMA cache_size={_SORTING}")
    try:
        yield
    finally:
        connection.execute(f"PRAGMA cache_size={before}")


def _grouped(column: str, condition: str) -> str:
    return f"SELECT {column}, {_COUNTS} FROM records WHERE status<>'pending' AND {condition} GROUP BY {column}"


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that only reads, also while a crawl is writing. Raises StorageError when there is no ledger."""
    if not path.is_file():
        raise StorageError(f"{path.parent}: there is no ledger here ({path.name}); has a crawl written to it?")
    try:
        with closing(_open(path)) as connection:
            try:
                schema.check(connection)
            except StorageError as error:
                raise StorageError(f"{path}: {error}") from error
            yield connection
    except sqlite3.Error as error:
        raise storage_error(path, "cannot be read as a ledger", error) from error


def _open(path: Path) -> sqlite3.Connection:
    """Open for writing where allowed, since only a writer may recover what a killed run has left in the log."""
    log = Path(f"{path}-wal")
    for mode, alone in (("mode=rw", False), ("mode=ro", False), ("mode=rw", True), ("mode=ro&immutable=1", False)):
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=10.0, isolation_level=None)
        try:
            if alone:
                open_alone(connection)
            connection.execute("PRAGMA query_only=ON")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if mode.endswith("immutable=1") and log.exists() and log.stat().st_size:
                raise StorageError(
                    f"{log}: a run that was killed has left rows there, and they cannot be read where nothing may be "
                    f"written; copy {path.name} with its companions to another place, and read it there"
                )
        except (sqlite3.Error, StorageError) as error:
            connection.close()
            if mode.endswith("immutable=1") or not isinstance(error, sqlite3.OperationalError):
                raise
            continue
        return connection
    raise AssertionError("unreachable")


def outcome_columns(connection: sqlite3.Connection) -> str:
    """The columns that `outcome_of` takes; those that a ledger of an earlier version has not are NULL."""
    there = {column[1] for column in connection.execute("PRAGMA table_info(records)")}
    return ", ".join([*(name if name in there else "NULL" for name in MANIFEST_FIELDS), "suspect"])


def manifest(connection: sqlite3.Connection) -> Iterator[Outcome]:
    """Every outcome in list order, then those whose record has left the list; as they were at one moment.

    Without a write-ahead log whoever reads keeps the writer waiting: there it is read page by page, as it is then.
    """
    columns = f"SELECT id, ordinal, {outcome_columns(connection)} FROM records WHERE status<>'pending'"
    snapshot = logs_ahead(connection)
    if snapshot:
        connection.execute("BEGIN")
    try:
        for row in _paged(connection, f"{columns} AND ordinal > ? ORDER BY ordinal LIMIT ?", 1):
            yield outcome_of(row[2:])
        for row in _paged(connection, f"{columns} AND ordinal IS NULL AND id > ? ORDER BY id LIMIT ?", 0):
            yield outcome_of(row[2:])
    finally:
        if snapshot:
            connection.execute("COMMIT")


def _paged(connection: sqlite3.Connection, sql: str, by: int) -> Iterator[tuple[Any, ...]]:
    """The rows of a query whose parameters are where to go on, in column `by`, and how many are wanted."""
    after = -1
    while page := connection.execute(sql, (after, PAGE)).fetchall():
        after = page[-1][by]
        yield from page


def stored_count(connection: sqlite3.Connection, *, newest: bool = False) -> int:
    """How many saved rows have a file; or, `newest`, the highest id among them."""
    what = "coalesce(max(id), 0)" if newest else "count(*)"
    sql = f"SELECT {what} FROM records WHERE status='saved' AND path IS NOT NULL"
    return int(connection.execute(sql).fetchone()[0])


def stored_after(connection: sqlite3.Connection, after: int, end: int, n: int) -> list[Stored]:
    """The next `n` saved rows with a file and an id above `after`, up to `end`."""
    return stored(connection, "id > ? AND id <= ? ORDER BY id LIMIT ?", after, end, n)


def row_of(outcome: Outcome) -> dict[str, Any]:
    """The manifest's object of an outcome, with its fields in the manifest's order."""
    return {name: getattr(outcome, name) for name in MANIFEST_FIELDS}
