"""Files that no row knows of: kept in a temporary table, so that memory does not grow with what lies around."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from ..models import Record, Status
from .rows import RECORD_COLUMNS, record_of

_TABLE = "CREATE TEMP TABLE IF NOT EXISTS strays (folded TEXT NOT NULL, path TEXT PRIMARY KEY) WITHOUT ROWID"
_INDEX = "CREATE INDEX IF NOT EXISTS temp.strays_by_name ON strays (folded)"


def saved_by_directory(connection: sqlite3.Connection) -> dict[str, int]:
    """How many saved pictures there should be in each directory."""
    sql = """SELECT substr(path, 1, instr(path, '/') - 1), count(*) FROM records
             WHERE status='saved' AND path IS NOT NULL GROUP BY 1"""
    return dict(connection.execute(sql).fetchall())


def saved_path(connection: sqlite3.Connection) -> str | None:
    """The path of one saved picture; None while there is none."""
    sql = "SELECT path FROM records WHERE status='saved' AND path IS NOT NULL LIMIT 1"
    return next((path for (path,) in connection.execute(sql).fetchall()), None)


def unsaved(connection: sqlite3.Connection, paths: Mapping[str, str]) -> list[str]:
    """Those of the paths that no row has saved, and under whose name (the value) a row waits or has ended otherwise."""
    sql = "SELECT name, path, status FROM records WHERE folded=?"
    found = []
    for path, name in paths.items():
        rows = [row for row in connection.execute(sql, (name.lower(),)) if row[0] == name]
        if rows and all(status != Status.SAVED or saved != path for _, saved, status in rows):
            found.append(path)
    return found


def remember(connection: sqlite3.Connection, paths: Sequence[str]) -> int:
    """Remember those of `paths` that are no saved row's; returns how many they are."""
    names = {path: PurePosixPath(path).stem.lower() for path in paths}
    marks = ",".join("?" * len(names))
    sql = f"SELECT path FROM records WHERE status='saved' AND folded IN ({marks})"
    known = {path for (path,) in connection.execute(sql, list(names.values()))}
    rows = [(name, path) for path, name in names.items() if path not in known]
    if rows:
        connection.execute(_TABLE)
        connection.execute(_INDEX)
        connection.executemany("INSERT OR IGNORE INTO strays (folded, path) VALUES (?, ?)", rows)
    return len(rows)


def named(connection: sqlite3.Connection, names: Sequence[str]) -> dict[str, list[str]]:
    """The files by those names in lower case."""
    found: dict[str, list[str]] = {}
    sql = f"SELECT folded, path FROM strays WHERE folded IN ({','.join('?' * len(names))}) ORDER BY path"
    for folded, path in connection.execute(sql, [name.lower() for name in names]):
        found.setdefault(folded, []).append(path)
    return found


def waiting(connection: sqlite3.Connection, after: int, n: int) -> list[Record]:
    """The next `n` pending records above the ordinal `after` whose names such files have, in list order."""
    columns = ", ".join(f"r.{column}" for column in RECORD_COLUMNS.split(", "))
    sql = f"""SELECT DISTINCT {columns} FROM strays AS s JOIN records AS r ON r.folded = s.folded
              WHERE r.status='pending' AND r.host<>'' AND r.ordinal > ? ORDER BY r.ordinal LIMIT ?"""
    return [record_of(row) for row in connection.execute(sql, (after, n))]
