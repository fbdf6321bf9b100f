"""Copies that are taken back, and copies that come again.

Taking a copy back is three steps, so that a process that dies between them leaves files ahead of the ledger, never
behind it: the row becomes `failed: placeholder` and enters `retractions` with what it said before, in the transaction
that records the verdict; the sink removes the copy; the entry goes (with checkpoints: once the removal is on the disk).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from ..models import Outcome, Placeholder, Request, Sample, Served, Status
from .judged import FACTS, FIELDS, content_of, judge
from .rows import MARK_ROW, dump, load, outcome_of

_BEFORE = ("path", "format", "width", "height", "mode", "bytes", "sha256", "meta", "detail")


class Retraction(NamedTuple):
    """A copy that the sink is to take back. `told`: it was before, and that may not have reached the disk."""

    id: int
    told: bool
    outcome: Outcome
    sample: Sample


class Restored(NamedTuple):
    """A record whose copy is to be written again."""

    id: int
    before: Outcome
    sample: Sample


def judge_and_retract(connection: sqlite3.Connection, one: Placeholder, data: bytes, run: int) -> int:
    """Record a verdict and one copy, and that all earlier copies are to be taken back; returns the placeholder's id."""
    number = judge(connection, one, data)
    retract(connection, replace(one, id=number), run)
    return number


def retract(connection: sqlite3.Connection, one: Placeholder, run: int) -> int:
    """Let all saved rows of a content fail, and remember what they were; returns how many they are."""
    before = ", ".join(f"'{name}', {name}" for name in _BEFORE)
    connection.execute(
        f"""INSERT OR REPLACE INTO retractions (record, before, mark)
            SELECT id, json_object({before}), NULL FROM records WHERE sha256=? AND status='saved'""",
        (one.sha256,),
    )
    nulls = ", ".join(f"{name}=NULL" for name in _BEFORE if name != "detail")
    sql = f"""UPDATE records SET status='failed', reason='placeholder', retryable=0, detail=?, {nulls},
              suspect=0, placeholder=?, run=? WHERE sha256=? AND status='saved'"""
    return connection.execute(sql, (one.detail, one.id, run, one.sha256)).rowcount


def suspect(connection: sqlite3.Connection, one: Placeholder, n: int) -> list[Outcome]:
    """Mark the next `n` saved rows of a content whose copies cannot be taken back; returns their outcomes."""
    sql = f"""SELECT r.id, {FIELDS} FROM records AS r
              WHERE r.sha256=? AND r.status='saved' AND r.suspect=0 ORDER BY r.id LIMIT ?"""
    rows = connection.execute(sql, (one.sha256, n)).fetchall()
    marked = [(one.id, row[0]) for row in rows]
    connection.executemany("UPDATE records SET suspect=1, placeholder=? WHERE id=?", marked)
    before = [outcome_of(row[1:]) for row in rows]
    return [replace(outcome, suspect=True, replaces=outcome) for outcome in before]


def retractions(connection: sqlite3.Connection, after: int, n: int, *, again: bool) -> list[Retraction]:
    """The next `n` copies to take back, of rows above the id `after` that were not saved again meanwhile.

    `again`: also those that were taken back, but maybe not on the disk.
    """
    sql = f"""SELECT t.record, t.mark, t.before, {FIELDS} FROM retractions AS t JOIN records AS r ON r.id = t.record
              WHERE r.status <> 'saved' AND t.record > ? AND (t.mark IS NULL OR ?) ORDER BY t.record LIMIT ?"""
    data: dict[str, bytes | None] = {}
    found = []
    for number, mark, text, *row in connection.execute(sql, (after, again, n)).fetchall():
        now, before = outcome_of(tuple(row)), json.loads(text)
        sha256, before["meta"] = before["sha256"], load(before["meta"])
        if sha256 not in data:
            data[sha256] = content_of(connection, sha256)
        then = replace(now, status=Status.SAVED, reason=None, retryable=False, **before)
        sample = _sample(then, data[sha256] or b"")
        found.append(Retraction(number, mark is not None, replace(now, replaces=then), sample))
    return found


def retracted(connection: sqlite3.Connection, ids: Sequence[int], mark: int | None) -> None:
    """The sink has taken these copies back; the checkpoint `mark` (None: nothing) brings that to the disk."""
    if mark is None:
        connection.executemany("DELETE FROM retractions WHERE record=?", [(n,) for n in ids])
    else:
        connection.executemany("UPDATE retractions SET mark=? WHERE record=?", [(mark, n) for n in ids])


def to_restore(connection: sqlite3.Connection, n: int) -> list[Restored]:
    """The next `n` records that failed with a content which a person wants kept."""
    sql = f"""SELECT r.id, p.sha256, r.shard, {", ".join(f"p.{name}" for name in FACTS)}, {FIELDS}
              FROM placeholders AS p JOIN records AS r ON r.placeholder = p.id
              WHERE p.verdict = 'good' AND r.status = 'failed' AND r.reason = 'placeholder'
              AND p.data IS NOT NULL LIMIT ?"""
    data: dict[str, bytes | None] = {}
    found = []
    for number, sha256, shard, form, width, height, mode, size, *row in connection.execute(sql, (n,)).fetchall():
        before = outcome_of(tuple(row))
        if sha256 not in data:
            data[sha256] = content_of(connection, sha256)
        then = replace(before, format=form, width=width, height=height, mode=mode, bytes=size, sha256=sha256)
        sample = replace(_sample(then, data[sha256] or b""), shard=shard)
        found.append(Restored(number, before, sample))
    return found


def restored(connection: sqlite3.Connection, rows: Sequence[tuple[int, Outcome]], run: int, mark: int | None) -> None:
    """How these records ended now that their copies were written again."""
    sql = """UPDATE records SET status=?, reason=?, retryable=?, detail=?, path=?, format=?, width=?, height=?, mode=?,
             bytes=?, sha256=?, meta=?, suspect=0, placeholder=NULL, run=? WHERE id=?"""
    values = [
        (o.status, o.reason, o.retryable, o.detail, o.path, o.format, o.width, o.height, o.mode, o.bytes, o.sha256,
         dump(o.meta), run, number)
        for number, o in rows
    ]  # fmt: skip
    connection.executemany(sql, values)
    if mark is not None:
        connection.executemany(MARK_ROW, [(number, mark) for number, o in rows if o.status is Status.SAVED])


def _sample(outcome: Outcome, data: bytes) -> Sample:
    """The sample that a row's copy was, or is to be."""
    o = outcome
    request, served = Request(o.url, o.key, o.label, o.extra), Served.noted_in(data)
    return Sample(
        request, o.ordinal or 0, o.name or "", o.label, o.format or "", data=data, width=o.width, height=o.height,
        mode=o.mode, bytes=len(data), sha256=o.sha256, final_url=o.final_url, line=o.line, http_status=o.http_status,
        attempts=o.attempts, elapsed=o.elapsed, detail=o.detail, served=served, meta=served.meta if served else None,
    )  # fmt: skip
