"""Labels that were full and are no more: their records are opened again, as many as are wanted."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping

from ..models import Outcome
from .judged import FIELDS
from .rows import outcome_of

_LEFT_OUT = "status='skipped' AND reason='label_full' AND label IS NOT NULL AND ordinal IS NOT NULL AND host<>''"


def full_labels(connection: sqlite3.Connection) -> list[str]:
    """The labels of which records were left out because they were full."""
    return [label for (label,) in connection.execute(f"SELECT DISTINCT label FROM records WHERE {_LEFT_OUT}")]


def reopen_full(connection: sqlite3.Connection, wanted: Mapping[str, int], run: int) -> list[Outcome]:
    """Let the first records wait again that were left out of each label, as many as are `wanted`.

    From now on they are `run`'s. Returns the outcomes that they had.
    """
    left, rows = Counter(dict(wanted)), []
    sql = f"SELECT r.id, {FIELDS}, r.label FROM records AS r WHERE {_LEFT_OUT} ORDER BY ordinal"
    for row in connection.execute(sql):
        if left[row[-1]] > 0:
            left[row[-1]] -= 1
            rows.append(row)
    sql = "UPDATE records SET status='pending', attempts=0, run=? WHERE id=?"
    connection.executemany(sql, [(run, row[0]) for row in rows])
    return [outcome_of(row[1:-1]) for row in rows]
