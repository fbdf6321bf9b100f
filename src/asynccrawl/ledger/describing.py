"""What a ledger knows of pictures, for whoever has only the files."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from ..models import Outcome
from .reader import outcome_columns
from .rows import outcome_of

_FEW = 500  # parameters that every build of SQLite takes


def outcomes_of(connection: sqlite3.Connection, names: Sequence[str]) -> dict[str, Outcome]:
    """The saved rows of these names, by path."""
    found: dict[str, Outcome] = {}
    for start in range(0, len(names), _FEW):
        some = [name.lower() for name in names[start : start + _FEW]]
        sql = f"""SELECT {outcome_columns(connection)} FROM records
                  WHERE status='saved' AND path IS NOT NULL AND folded IN ({",".join("?" * len(some))})"""
        rows = [outcome_of(row) for row in connection.execute(sql, some)]
        found |= {row.path: row for row in rows if row.path}
    return found


def suspects(connection: sqlite3.Connection) -> set[str]:
    """The paths of saved files that should have been taken back, and could not be."""
    sql = "SELECT path FROM records WHERE status='saved' AND suspect AND path IS NOT NULL"
    return {path for (path,) in connection.execute(sql)}


def kinds_of_extra(connection: sqlite3.Connection) -> dict[str, set[str]]:
    """The further columns of the list, in order of appearance, with the JSON types of what saved rows have in them."""
    kinds: dict[str, set[str]] = defaultdict(set)
    for (extra,) in connection.execute("SELECT extra FROM records WHERE status='saved' AND extra IS NOT NULL"):
        for name, value in _items(extra):
            kinds[name].add(_kind(value))
    return dict(kinds)


def _kind(value: Any) -> str:
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return "long"  # no column of numbers holds it
    return type(value).__name__


def _items(extra: str) -> Iterator[tuple[str, Any]]:
    yield from json.loads(extra).items()
