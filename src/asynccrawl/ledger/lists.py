"""A list that was read to its end before: its rows stand as it left them, so it need not be read again.

The table `lists` holds at most one row: the list whose records the ordinals are. It is made when a list has been read
to its end, and goes when another one, or the same one otherwise, begins to be read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import replace

from ..models import Record
from .rows import RECORD_COLUMNS, record_of

OPEN = """
(status = 'pending' OR (status <> 'saved' AND retryable)
 OR EXISTS (SELECT 1 FROM temp.stale AS s WHERE s.reason = records.reason AND s.run = records.run
            AND (records.reason <> 'duplicate' OR records.copy_of IS NOT NULL)))
"""
"""Which rows are still to be done: those that wait, may be tried again, or were decided by a setting that changed.

No setting decides that the same key and URL again are a duplicate, which is a copy of no row.
"""


def note_stale(connection: sqlite3.Connection, stale: Iterable[tuple[str, int]]) -> None:
    """Note for this run the (reason, run) of outcomes that a setting has decided which has another value now."""
    connection.execute("CREATE TEMP TABLE stale (reason TEXT, run INTEGER, PRIMARY KEY (reason, run)) WITHOUT ROWID")
    connection.executemany("INSERT INTO temp.stale VALUES (?, ?)", stale)


def size_of_list(connection: sqlite3.Connection) -> int | None:
    """The bytes of the list that was read to its end, if there is one."""
    found = connection.execute("SELECT bytes FROM lists").fetchone()
    return None if found is None else int(found[0])


def remember(connection: sqlite3.Connection, size: int, digest: str, records: int) -> None:
    """The list of that digest has been read to its end: `records` entries, those before the offset included."""
    connection.execute("DELETE FROM lists")
    connection.execute("INSERT INTO lists (digest, bytes, records) VALUES (?, ?, ?)", (digest, size, records))


def known(connection: sqlite3.Connection, digest: str | None) -> int | None:
    """The entries of the list of that digest if it need not be read. Else what was remembered is forgotten.

    What is to be done, but cannot be requested, has to be looked at again: then the list is read.
    """
    found = connection.execute("SELECT records FROM lists WHERE digest = ?", (digest,)).fetchone()
    if found is None or connection.execute(f"SELECT 1 FROM records WHERE host = '' AND {OPEN} LIMIT 1").fetchone():
        connection.execute("DELETE FROM lists")
        return None
    return int(found[0])


def open_records(connection: sqlite3.Connection, after: int, n: int) -> list[Record]:
    """The next `n` records above the ordinal `after` that are still to be done, as if they had just been read."""
    sql = f"SELECT {RECORD_COLUMNS} FROM records WHERE ordinal > ? AND {OPEN} ORDER BY ordinal LIMIT ?"
    return [replace(record_of(row), tried=0) for row in connection.execute(sql, (after, n))]
