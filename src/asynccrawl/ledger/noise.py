"""Which pictures stand under several labels, byte for byte the same: duplicates that were left out count, too."""

from __future__ import annotations

import sqlite3
from collections import Counter
from heapq import nlargest
from itertools import combinations

from ..models import LabelNoise, LabelPair, Shared

PAIRS, EXAMPLES = 10, 5
"""How many pairs of labels, and pictures, are named."""
_MOST_LABELS = 20
"""Labels of one picture up to which its pairs are counted. What has more tells nothing of any two of them."""
_SHOWN = 3
_HAVE = "label IS NOT NULL AND (status = 'saved' OR reason = 'duplicate')"


def label_noise(connection: sqlite3.Connection) -> LabelNoise:
    """Count over the whole ledger. Repeated contents are found in the index alone; only their rows are looked at."""
    noise, pairs = LabelNoise(), Counter[tuple[str, str]]()
    sql = f"""SELECT sha256, count(*), count(DISTINCT label) FROM records
              WHERE sha256 IN (SELECT sha256 FROM records WHERE sha256 IS NOT NULL GROUP BY sha256 HAVING count(*) > 1)
                  AND {_HAVE} GROUP BY sha256 HAVING min(label) < max(label)"""
    shared: list[tuple[int, str]] = []
    for sha256, records, labels in connection.execute(sql).fetchall():
        noise.pictures += 1
        noise.records += records
        shared.append((labels, sha256))
        if labels <= _MOST_LABELS:
            pairs.update(combinations(_column(connection, "DISTINCT label", sha256, "label", -1), 2))
    noise.pairs = [LabelPair(*labels, n) for labels, n in sorted(pairs.items(), key=lambda p: (-p[1], p[0]))[:PAIRS]]
    noise.examples = [_example(connection, sha256, labels) for labels, sha256 in nlargest(EXAMPLES, shared)]
    return noise


def _example(connection: sqlite3.Connection, sha256: str, labels: int) -> Shared:
    some = _column(connection, "DISTINCT label", sha256, "label", _SHOWN)
    names = _column(connection, "coalesce(path, name)", sha256, "status <> 'saved', id", _SHOWN)
    return Shared(sha256, labels, tuple(some), tuple(names))


def _column(connection: sqlite3.Connection, what: str, sha256: str, order: str, n: int) -> list[str]:
    sql = f"SELECT {what} FROM records WHERE sha256 = ? AND {_HAVE} ORDER BY {order} LIMIT ?"
    return [value for (value,) in connection.execute(sql, (sha256, n)) if value is not None]
