"""How list entries become rows, and how a list that was read before finds its rows again.

Entries come in list order, so at any moment the rows below the current ordinal are claimed, and a row is free when
its ordinal is at or above it, or NULL. A record claims the row at its ordinal if key and URL agree, else a free row
with its key and URL. A row that sits on an ordinal which another record takes is displaced: its ordinal becomes NULL
until its own record comes. When the list has been read to its end, what is left without an ordinal, or beyond the
end, has left the list.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import NamedTuple

from ..models import Failure, Reason, Record, Request, Status
from .copies import Copies
from .lists import OPEN, note_stale
from .rows import INSERT, dump, entered, expected, ident

Item = Record | Failure
_AT_ONCE = 500
_BETWEEN = "ordinal BETWEEN ? AND ?"
_FOUND = """
id, ordinal, line, key, url, name, folded, status, reason, retryable, run, expected, copy_of, attempts, label, extra
"""
_AT_ADMISSION = frozenset({Reason.BAD_LINE, Reason.BAD_NAME, Reason.LABEL_NOT_WANTED})
"""What can be wrong with a list entry beside its key and URL, by which its row is found."""


class _Row(NamedTuple):
    id: int
    ordinal: int | None
    line: int | None
    key: str | None
    url: str
    name: str | None
    folded: str | None
    status: str
    reason: str | None
    retryable: int
    run: int
    expected: str | None
    copy_of: int | None
    attempts: int
    label: str | None
    extra: str | None

    def belongs_to(self, request: Request) -> bool:
        """Whether key and URL are the request's."""
        return self.url == request.url and self.key == request.key


class Entry:
    """Enters batches of list entries into the table `records`, inside a transaction of the caller's.

    `copies` says which of them need not be done, since others ask for the same.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        run: int,
        stale: frozenset[tuple[str, int]],
        copies: Copies | None = None,
    ) -> None:
        self._db = connection
        self._run = run
        note_stale(connection, stale)
        self._stale = stale
        self._copies = copies
        self._fresh = connection.execute("SELECT 1 FROM records LIMIT 1").fetchone() is None
        self._disturbed = False

    def enter(self, batch: Sequence[Item]) -> list[Item]:
        """Claim or make a row for each; returns what is still to be done, under the names that hold."""
        if self._copies and batch:
            self._copies.begin(batch[0].ordinal)
        items = [self._insert(item) for item in batch] if self._fresh else self._match(batch)
        return self._copies.link(items) if self._copies else items

    def _match(self, batch: Sequence[Item]) -> list[Item]:
        todo = self._still_open(batch) if self._undisturbed(batch) else batch
        known = self._at(todo)
        done = (self._enter(item, known.get(item.ordinal)) for item in todo)
        return [item for item in done if item is not None]

    def recognise(self, batch: Sequence[Item]) -> None:
        """Let rows keep or find their places without entering anything: for records before the offset."""
        if not self._fresh and not self._undisturbed(batch):
            known = self._at(batch)
            for item in batch:
                if self._claim(item, known.get(item.ordinal)) is None:
                    self._displace(item.ordinal)

    def finish(self, records: int) -> None:
        """The list has ended after `records` records: rows beyond have left it."""
        if self._fresh:
            return
        self._db.execute("UPDATE records SET ordinal=NULL WHERE ordinal >= ?", (records,))
        if self._db.execute("SELECT 1 FROM records WHERE ordinal IS NULL LIMIT 1").fetchone():
            self._db.execute("UPDATE records SET line=NULL WHERE ordinal IS NULL")
            self._inherit()

    def _undisturbed(self, batch: Sequence[Item]) -> bool:
        """Whether every item has its own row at its place already, and that says all that the list says now; which can
        be told of all of them at once.
        """
        if batch and batch[-1].ordinal - batch[0].ordinal >= len(batch):
            return False
        sql = f"SELECT ordinal, line, key, url, expected, label, extra FROM records WHERE {_BETWEEN} ORDER BY ordinal"
        there = self._db.execute(sql, _bounds(batch)).fetchall()
        requests = ((item, item.request) for item in batch)
        return there == [
            (item.ordinal, item.line, r.key, r.url, expected(r), item.label, dump(r.extra)) for item, r in requests
        ]

    def _still_open(self, batch: Sequence[Item]) -> Sequence[Item]:
        """Those of an undisturbed batch that are still to be done."""
        rows = self._db.execute(f"SELECT ordinal FROM records WHERE {_BETWEEN} AND {OPEN}", _bounds(batch))
        ordinals = {ordinal for (ordinal,) in rows}
        return [item for item in batch if item.ordinal in ordinals] if ordinals else []

    def _at(self, batch: Sequence[Item]) -> dict[int, _Row]:
        known: dict[int, _Row] = {}
        for start in range(0, len(batch), _AT_ONCE):
            ordinals = [item.ordinal for item in batch[start : start + _AT_ONCE]]
            sql = f"SELECT {_FOUND} FROM records WHERE ordinal IN ({','.join('?' * len(ordinals))})"
            known.update((row[1], _Row(*row)) for row in self._db.execute(sql, ordinals))
        return known

    def _enter(self, item: Item, there: _Row | None) -> Item | None:
        row = self._claim(item, there)
        if row is None:
            self._displace(item.ordinal)
            return self._insert(item)
        if not self._open(item, row):
            self._refresh(item, row)
            return None
        return self._reopen(item, row)

    def _refresh(self, item: Item, row: _Row) -> None:
        """Have a row that stays settled say what the list says now. A file stays in the directory of its label."""
        label, extra = row.label if row.status == Status.SAVED else item.label, dump(item.request.extra)
        if (label, extra) != (row.label, row.extra):
            self._db.execute("UPDATE records SET label=?, extra=? WHERE id=?", (label, extra, row.id))

    def _claim(self, item: Item, there: _Row | None) -> _Row | None:
        """The item's row, moved to its ordinal and line; None when it has none."""
        row = there if there and there.belongs_to(item.request) and self._still_at(there) else self._free(item)
        if row and (row.ordinal, row.line) != (item.ordinal, item.line):
            if row.ordinal != item.ordinal:
                self._displace(item.ordinal)
                self._disturbed = True
            place = (item.ordinal, item.line, row.id)
            self._db.execute("UPDATE records SET ordinal=?, line=? WHERE id=?", place)
        return row

    def _still_at(self, row: _Row) -> bool:
        """Whether an earlier item of the same batch has not moved the row since it was read."""
        if not self._disturbed:
            return True
        now = self._db.execute("SELECT ordinal FROM records WHERE id=?", (row.id,)).fetchone()
        return bool(now[0] == row.ordinal)

    def _free(self, item: Item) -> _Row | None:
        rows = self._db.execute(
            f"SELECT {_FOUND} FROM records WHERE ident=? AND (ordinal IS NULL OR ordinal>?) ORDER BY ordinal, id",
            (ident(item.request), item.ordinal),
        )
        return next((row for row in map(_Row._make, rows) if row.belongs_to(item.request)), None)

    def _displace(self, ordinal: int) -> None:
        if self._db.execute("UPDATE records SET ordinal=NULL WHERE ordinal=?", (ordinal,)).rowcount:
            self._disturbed = True

    def _insert(self, item: Item) -> Item:
        if isinstance(item, Failure):
            self._db.execute(INSERT, entered(item, self._run, owns_name=False))
            return item
        for named in _names(item):
            if self._db.execute(INSERT, entered(named, self._run, owns_name=True)).rowcount:
                return named
            holder = self._db.execute("SELECT key, url, ordinal FROM records WHERE folded=?", (named.name.lower(),))
            key, url, ordinal = holder.fetchone()
            if key is not None and (key, url) == (item.request.key, item.request.url):
                return self._insert(_duplicate(named, ordinal))
        raise AssertionError("unreachable: there is always another name")

    def _open(self, item: Item, row: _Row) -> bool:
        """Whether the record is still to be done: it waits, may be tried again, or what decided has changed, be it a
        setting or the list entry itself.
        """
        if row.status == Status.PENDING or (row.status != Status.SAVED and row.retryable):
            return True
        if row.reason == Reason.HASH_MISMATCH and row.expected != expected(item.request):
            return True
        if isinstance(item, Record) and row.reason in _AT_ADMISSION and not row.attempts:
            return True
        if row.reason == Reason.DUPLICATE and row.copy_of is None:
            return False  # the same key and URL again: no setting decides that
        return row.reason is not None and (row.reason, row.run) in self._stale

    def _reopen(self, item: Item, row: _Row) -> Item:
        if isinstance(item, Record):
            name = row.name if row.folded and row.name else self._own_name(item, row)
            item = replace(item, name=name)
        host = item.host if isinstance(item, Record) else ""
        self._db.execute(
            "UPDATE records SET status='pending', attempts=0, run=?, label=?, host=?, extra=?, expected=? WHERE id=?",
            (self._run, item.label, host, dump(item.request.extra), expected(item.request), row.id),
        )
        return item

    def _own_name(self, record: Record, row: _Row) -> str:
        for named in _names(record):
            sql = "UPDATE OR IGNORE records SET name=?, folded=? WHERE id=?"
            if self._db.execute(sql, (named.name, named.name.lower(), row.id)).rowcount:
                return named.name
        raise AssertionError("unreachable: there is always another name")

    def _inherit(self) -> None:
        """Where the first of several equal entries has left the list, the next one takes over its row and file."""
        taken = set()
        for heir, ordinal, line, label, more, left in self._db.execute(_HEIRS).fetchall():
            if left in taken:
                continue
            taken.add(left)
            self._db.execute("UPDATE records SET ordinal=NULL, line=NULL WHERE id=?", (heir,))
            self._db.execute(_TAKE_OVER, (ordinal, line, label, more, left))


_HEIRS = """
SELECT heir.id, heir.ordinal, heir.line, heir.label, heir.extra, gone.id FROM records AS heir JOIN records AS gone
    ON gone.ident = heir.ident AND gone.key IS heir.key AND gone.url = heir.url
WHERE heir.reason = 'duplicate' AND heir.folded IS NULL AND heir.ordinal IS NOT NULL
    AND gone.ordinal IS NULL AND gone.folded IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM records AS other WHERE other.ident = heir.ident AND other.key IS heir.key
        AND other.url = heir.url AND other.ordinal IS NOT NULL AND other.folded IS NOT NULL)
ORDER BY heir.ordinal
"""
_TAKE_OVER = """
UPDATE records SET ordinal = ?, line = ?, label = CASE WHEN status = 'saved' THEN label ELSE ? END, extra = ?,
    status = CASE WHEN status = 'failed' AND retryable THEN 'pending' ELSE status END
WHERE id = ?
"""


def _bounds(batch: Sequence[Item]) -> tuple[int, int]:
    return (batch[0].ordinal, batch[-1].ordinal) if batch else (0, -1)


def _names(record: Record) -> Iterator[Record]:
    """The record under the names it may take: its own, then with ever new suffixes."""
    yield record
    yield record.renamed()
    yield from (record.renamed(f" {n}") for n in count(2))


def _duplicate(record: Record, ordinal: int | None) -> Failure:
    return Failure.of(record, Reason.DUPLICATE, f"same key and URL as record {ordinal}")
