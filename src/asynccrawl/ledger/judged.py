"""The contents that were judged, and what there is to judge them by: where each was found."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence

from ..models import Outcome, Placeholder
from .rows import MANIFEST_FIELDS, outcome_of

FACTS = ("format", "width", "height", "mode", "bytes")
FIELDS = ", ".join(f"r.{name}" for name in MANIFEST_FIELDS) + ", r.suspect"
"""The columns of an Outcome, of `records AS r`."""
REPEATED = 12
"""Saved copies of one content that are worth a look."""
_COLUMNS = ("sha256", "found", "detail", "url", *FACTS, "good", "id", "copies", "suspect")
Add = Callable[[str, str | None, str | None], None]


def placeholders(connection: sqlite3.Connection) -> list[Placeholder]:
    """All contents that were judged, those with the most copies first. None in a ledger of an earlier version."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name='placeholders'").fetchone() is None:
        return []
    sql = f"""SELECT sha256, found, detail, url, {", ".join(FACTS)}, verdict='good', id,
                     (SELECT count(*) FROM records AS r WHERE r.placeholder = p.id AND r.status = 'failed'),
                     (SELECT count(*) FROM records AS r WHERE r.placeholder = p.id AND r.status = 'saved')
              FROM placeholders AS p"""
    rows = [dict(zip(_COLUMNS, row, strict=True)) for row in connection.execute(sql).fetchall()]
    found = [Placeholder(**row | {"good": bool(row["good"])}) for row in rows]
    return sorted(found, key=lambda one: (-one.copies - one.suspect, one.id))


def content_of(connection: sqlite3.Connection, sha256: str) -> bytes | None:
    """The one copy that is kept of a content."""
    row = connection.execute("SELECT data FROM placeholders WHERE sha256=?", (sha256,)).fetchone()
    return row[0] if row else None


def repeated(connection: sqlite3.Connection, least: int) -> list[tuple[str, int]]:
    """The contents that at least `least` saved rows have and nobody has judged, with their number, by number."""
    sql = """SELECT sha256, count(*) AS n FROM records WHERE sha256 IS NOT NULL
             GROUP BY sha256 HAVING n >= ? ORDER BY n DESC, sha256"""
    judged = {one.sha256 for one in placeholders(connection)}
    return [(sha256, n) for sha256, n in connection.execute(sql, (least,)) if sha256 not in judged]


def beginning(connection: sqlite3.Connection, digits: str, most: int) -> list[str]:
    """At most `most` contents of saved rows whose hash begins with these hex digits."""
    sql = "SELECT DISTINCT sha256 FROM records WHERE sha256 >= ? AND sha256 < ? AND status='saved' LIMIT ?"
    return [sha256 for (sha256,) in connection.execute(sql, (digits, digits + "g", most))]


def copies(connection: sqlite3.Connection, hashes: Sequence[str]) -> dict[str, int]:
    """How many saved rows have each content; those of none are left out."""
    marks = ",".join("?" * len(hashes))
    sql = f"SELECT sha256, count(*) FROM records WHERE sha256 IN ({marks}) GROUP BY sha256"
    return dict(connection.execute(sql, hashes))


def others(connection: sqlite3.Connection, sha256: str, most: int) -> int:
    """How many contents saved rows have besides this one; counted up to `most`."""
    sql = "SELECT count(*) FROM (SELECT DISTINCT sha256 FROM records WHERE sha256 IS NOT NULL AND sha256<>? LIMIT ?)"
    return int(connection.execute(sql, (sha256, most)).fetchone()[0])


def sightings(connection: sqlite3.Connection, sha256: str, add: Add) -> int | None:
    """Tell `add` URL, label and final URL of every row with that content; returns its size in bytes."""
    sql = "SELECT url, label, final_url, bytes FROM records WHERE sha256=? ORDER BY id"
    size: int | None = None
    for url, label, final_url, bytes in connection.execute(sql, (sha256,)):
        add(url, label, final_url)
        size = bytes
    return size


def example(connection: sqlite3.Connection, sha256: str) -> Outcome | None:
    """A saved row with that content."""
    sql = f"SELECT {FIELDS} FROM records AS r WHERE r.sha256=? AND r.status='saved' ORDER BY r.id LIMIT 1"
    row = connection.execute(sql, (sha256,)).fetchone()
    return outcome_of(row) if row else None


def judge(connection: sqlite3.Connection, one: Placeholder, data: bytes) -> int:
    """Record a verdict, and one copy; returns the placeholder's id."""
    sql = f"""INSERT INTO placeholders (sha256, verdict, found, detail, url, {", ".join(FACTS)}, data)
              VALUES (?, 'placeholder', ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (sha256) DO UPDATE
              SET verdict='placeholder', found=excluded.found, detail=excluded.detail"""
    values = (one.sha256, one.found, one.detail, one.url, one.format, one.width, one.height, one.mode, one.bytes, data)
    connection.execute(sql, values)
    return int(connection.execute("SELECT id FROM placeholders WHERE sha256=?", (one.sha256,)).fetchone()[0])


def refused(connection: sqlite3.Connection, placeholders: Iterable[tuple[int, int]]) -> None:
    """Note which placeholder came in place of the picture: pairs of a placeholder's id and a record's ordinal."""
    connection.executemany("UPDATE records SET placeholder=? WHERE ordinal=?", placeholders)


def acquit(connection: sqlite3.Connection, sha256: str) -> None:
    """A person wants this content kept, now and in later runs."""
    which = "(SELECT id FROM placeholders WHERE sha256=?)"
    connection.execute("UPDATE placeholders SET verdict='good', found='person' WHERE sha256=?", (sha256,))
    rows = f"SELECT id FROM records WHERE placeholder = {which}"
    connection.execute(f"DELETE FROM retractions WHERE record IN ({rows})", (sha256,))
    sql = f"UPDATE records SET suspect=0, placeholder=NULL WHERE status='saved' AND placeholder = {which}"
    connection.execute(sql, (sha256,))
