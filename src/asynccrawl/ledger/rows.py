"""Rows to values and back: how a Record, a Failure and an Outcome look in the ledger's table."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..models import Failure, Outcome, Reason, Record, Request, Status

RECORD_COLUMNS = "ordinal, line, name, label, key, url, extra, host, attempts, expected, shard"
MANIFEST_FIELDS = (
    "ordinal", "line", "key", "name", "label", "url", "final_url", "status", "reason", "retryable", "detail",
    "http_status", "attempts", "path", "format", "width", "height", "mode", "bytes", "sha256", "elapsed", "extra",
    "meta",
)  # fmt: skip
"""The manifest's fields, in its order."""
SETTLE = """
UPDATE records SET status=?, reason=?, retryable=?, detail=?, http_status=?, attempts=?, final_url=?, path=?,
    format=?, width=?, height=?, mode=?, bytes=?, sha256=?, elapsed=?, meta=?, suspect=?, run=?, not_before=NULL,
    copy_of=?, placeholder=NULL
WHERE ordinal=?
"""
MARK = "INSERT OR REPLACE INTO unsynced (record, mark) SELECT id, ? FROM records WHERE ordinal=?"
MARK_ROW = "INSERT OR REPLACE INTO unsynced (record, mark) VALUES (?, ?)"


class Stored(NamedTuple):
    """A saved row and its file."""

    id: int
    path: str
    bytes: int | None
    sha256: str | None


def stored(connection: sqlite3.Connection, where: str, *values: Any) -> list[Stored]:
    """The saved rows that have a file, `where`."""
    sql = f"SELECT id, path, bytes, sha256 FROM records WHERE status='saved' AND path IS NOT NULL AND {where}"
    return [Stored(*row) for row in connection.execute(sql, values)]


def reopen(connection: sqlite3.Connection, rows: Sequence[Stored]) -> None:
    """Let the records of saved rows wait again, as if they had not been fetched."""
    sql = "UPDATE records SET status='pending', path=NULL, sha256=NULL, bytes=NULL, attempts=0 WHERE id=?"
    connection.executemany(sql, [(row.id,) for row in rows])
    connection.executemany("DELETE FROM unsynced WHERE record=?", [(row.id,) for row in rows])


def reopen_failed(connection: sqlite3.Connection, run: int, reasons: Sequence[Reason] | None) -> int:
    """Let records of the list that ended without a picture wait in `run`; returns how many.

    Those that wait already, since such a run was stopped, are among them.
    """
    which = "(retryable OR status='pending')" if reasons is None else f"reason IN ({','.join('?' * len(reasons))})"
    sql = f"""UPDATE records SET status='pending', attempts=0, run=?
              WHERE status<>'saved' AND ordinal IS NOT NULL AND host<>'' AND {which}"""
    return connection.execute(sql, (run, *(reasons or ()))).rowcount


def ident(request: Request) -> int:
    """A signed 64-bit hash of key and URL: the identity that a row keeps when its record moves in the list."""
    text = request.url if request.key is None else f"{request.key}\0{request.url}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def dump(extra: Mapping[str, Any] | None) -> str | None:
    """The JSON form of a request's extra columns, or of a picture's metadata."""
    return None if extra is None else json.dumps(dict(extra), ensure_ascii=False, separators=(",", ":"))


def load(extra: str | None) -> dict[str, Any] | None:
    """What `dump` wrote."""
    return None if extra is None else json.loads(extra)


def expected(request: Request) -> str | None:
    """The hashes that a request demands, as the ledger has them: `sha256:... md5:...`, in lower case."""
    found = [f"{kind}:{text.lower()}" for kind, text in (("sha256", request.sha256), ("md5", request.md5)) if text]
    return " ".join(found) or None


def hashes_of(expected: str | None) -> dict[str, str]:
    """What `expected` wrote, by kind."""
    return dict(part.split(":", 1) for part in expected.split()) if expected else {}


def record_of(row: sqlite3.Row | tuple[Any, ...]) -> Record:
    """The Record in a row of RECORD_COLUMNS."""
    ordinal, line, name, label, key, url, extra, host, attempts, expected, shard = row
    request = Request(url, key, label, load(extra), **hashes_of(expected))
    return Record(ordinal, line, name, label, request, host, attempts, shard)


def outcome_of(row: sqlite3.Row | tuple[Any, ...]) -> Outcome:
    """The Outcome in a row of MANIFEST_FIELDS and `suspect`."""
    values = dict(zip(MANIFEST_FIELDS, row, strict=False))
    values["extra"], values["meta"] = load(values["extra"]), load(values["meta"])
    values["status"] = Status(values["status"])
    values["reason"] = Reason(values["reason"]) if values["reason"] else None
    values["retryable"] = bool(values["retryable"])
    return Outcome(**values, suspect=bool(row[-1]))


def settled(outcome: Outcome, run: int) -> tuple[Any, ...]:
    """The parameters of SETTLE for an outcome decided in `run`."""
    o = outcome
    return (
        o.status, o.reason, o.retryable, o.detail, o.http_status, o.attempts, o.final_url, o.path, o.format,
        o.width, o.height, o.mode, o.bytes, o.sha256, o.elapsed, dump(o.meta), o.suspect, run, o.copy_of,
        o.ordinal,
    )  # fmt: skip


def entered(item: Record | Failure, run: int, *, owns_name: bool) -> tuple[Any, ...]:
    """The parameters of an INSERT for a record that waits, or for a failure that is about to be recorded."""
    request, name = item.request, item.name
    host = item.host if isinstance(item, Record) else ""
    folded = name.lower() if owns_name and name else None
    return (
        item.ordinal, item.line, ident(request), request.key, request.url, dump(request.extra), name, folded,
        item.label, host, Status.PENDING, run, expected(request), item.shard if isinstance(item, Record) else None,
    )  # fmt: skip


INSERT = """
INSERT INTO records (ordinal, line, ident, key, url, extra, name, folded, label, host, status, run, expected, shard)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (folded) DO NOTHING
"""
