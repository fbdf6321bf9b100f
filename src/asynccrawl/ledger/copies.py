"""Records that share a picture: one is fetched, the others follow it.

Two records ask for the same when their requests are the same on the wire and the same is expected of the answers
(`request_key`). Of such records one is fetched. The others *follow* it: their rows are pending, with `copy_of` set, and
are given to nobody. Once it has its outcome they get theirs: `duplicate` of a picture that was saved; the same failure
where the cause lies in the URL; and where it lies in the record itself (its class is full, its name is in the way), the
next of them takes its place.

Duplicates by content come from the recorder, with `copy_of` set as well. Of either kind, a duplicate stands only as
long as its first copy does. When that is taken back, lost in a power cut or off the list, its duplicates wait again
(`revise`); if it comes back with the same content, they are its duplicates again without a fetch.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterable, Sequence

from ..models import Failure, Outcome, Reason, Record, Status
from .rows import expected
from .sharing import COLUMNS, OWN, First, Follower, Row, before, ended, request_key, shared_by


class Copies:
    """Links records that ask for the same. `stale`: (reason, run) of outcomes that changed settings open again.

    `by_content`: pictures are compared, too. `waiting`: how many records of this run were left to follow others;
    `ready`: records that have their outcome, while others that follow them have none yet. `heirs`: what records had
    ended in that are to be fetched now after all, in the place of a first copy that is no more.
    """

    def __init__(
        self, connection: sqlite3.Connection, run: int, stale: frozenset[tuple[str, int]], *, by_content: bool
    ) -> None:
        self._db = connection
        self._run = run
        self._stale = stale
        self._by_content = by_content
        self._first: int | None = None  # the least ordinal that was entered in this run
        self.ready: deque[int] = deque()
        self._read = False  # whether the list has been read to its end, so that NULL ordinals have left it
        self.waiting = 0
        self.heirs: list[Outcome] = []

    def no_list(self) -> None:
        """No list will be read: what has no ordinal has left it."""
        self._read = True

    def fill(self) -> None:
        """Compute the key of every row that has none, which an earlier run did not need."""
        self._db.create_function("request_key", 2, request_key, deterministic=True)
        self._db.execute("UPDATE records SET same = request_key(url, expected) WHERE same IS NULL AND host <> ''")

    # --- entering

    def begin(self, ordinal: int) -> None:
        """Records from this one on are entered; those before the first are not fetched in this run."""
        if self._first is None:
            self._first = ordinal

    def link(self, items: Sequence[Record | Failure]) -> list[Record | Failure]:
        """What of these is to be done: records that must be fetched, and the outcome of those that need not be."""
        linked = (self._link(item) if isinstance(item, Record) else item for item in items)
        return [item for item in linked if item is not None]

    def _link(self, record: Record) -> Record | Failure | None:
        key = request_key(record.request.url, expected(record.request))
        row = self._row("ordinal=?", record.ordinal)
        assert row is not None
        row = row._replace(same=key)
        leader = self._kept(row, key) or self._leader(key, row)
        waits = leader is not None and (leader.status == Status.PENDING or self._is_undecided(leader))
        copy_of = leader.id if leader is not None and waits else None
        self._db.execute("UPDATE records SET same=?, copy_of=? WHERE id=?", (key, copy_of, row.id))
        if leader is None:
            return record
        if waits:
            self.waiting += 1
            return None
        return ended(row, leader, leader)

    def _kept(self, row: Row, key: int | None) -> Row | None:
        """The record that the row followed before, if that still waits to be fetched."""
        if row.copy_of is None:
            return None
        leader = self._row("id=?", row.copy_of)
        if leader is None or leader.status != Status.PENDING or leader.copy_of is not None:
            return None
        if leader.ordinal is None or leader.ordinal < (self._first or 0):
            return None
        return leader if self._by_content or leader.same == key else None

    def _leader(self, key: int | None, row: Row) -> Row | None:
        """Another record that asks for the same: saved, or else before this one in the list."""
        if key is None:
            return None
        sql = f"""SELECT {COLUMNS} FROM records WHERE same=? AND copy_of IS NULL AND id<>?
                  AND (status='saved' OR ordinal<?) ORDER BY status<>'saved', ordinal"""
        rows = map(Row._make, self._db.execute(sql, (key, row.id, row.ordinal)))
        return next(filter(self._leads, rows), None) or self._through_a_copy(key, row)

    def _through_a_copy(self, key: int, row: Row) -> Row | None:
        """What another record that asked for the same has turned out to be a copy of."""
        sql = f"""SELECT {COLUMNS} FROM records AS x WHERE status='saved' AND id = (SELECT copy_of FROM records AS f
                  WHERE f.same=? AND f.copy_of IS NOT NULL AND f.id<>? AND f.status='skipped' LIMIT 1)"""
        found = self._db.execute(sql, (key, row.id)).fetchone()
        return other if found and self._leads(other := Row(*found)) else None

    def _leads(self, row: Row) -> bool:
        """Whether the row has, or will have in this run, an outcome that others may share."""
        if row.status == Status.SAVED:
            return row.ordinal is not None or not self._read
        if row.ordinal is None:
            return False
        if row.status == Status.PENDING:
            return row.ordinal >= (self._first or 0)
        if row.reason in (*OWN, None) or (row.retryable and row.run != self._run):
            return False
        return (row.reason, row.run) not in self._stale

    # --- ending

    def settled(self, ordinals: Iterable[int | None]) -> None:
        """These records have their outcomes; those that follow them may have theirs."""
        for ordinal in ordinals:
            sql = """SELECT id FROM records AS x WHERE ordinal=?
                     AND EXISTS (SELECT 1 FROM records AS f WHERE f.copy_of = x.id AND f.status='pending')"""
            self.ready.extend(number for (number,) in self._db.execute(sql, (ordinal,)))

    def followers(self, n: int) -> list[Follower]:
        """At most `n` records whose first one has its outcome, with theirs; the same again until they are settled."""
        found: list[Follower] = []
        while self.ready and not found:
            leader = self._row("id=?", self.ready[0])
            if leader is not None and not self._is_undecided(leader) and self._is_settled(leader):
                found = self._ends(leader, n)
            if not found:
                self.ready.popleft()
        return found

    def _ends(self, leader: Row, n: int) -> list[Follower]:
        first = leader
        if leader.status == Status.SKIPPED and leader.reason == Reason.DUPLICATE and leader.copy_of is not None:
            first = self._row("id=?", leader.copy_of) or leader
            if self._is_undecided(first):
                return []
            if first.status != Status.SAVED:
                self._follow(leader.id, first.id)
                return []
        if self._is_gone(leader) or self._is_gone(first):
            self._hand_on(leader)
        elif first.status == Status.SAVED:
            self._promote(leader, "(same IS :same OR sha256 = :sha256)")
        else:
            self._promote(leader, shared_by(leader))
        sql = f"""SELECT {COLUMNS} FROM records WHERE copy_of=? AND status='pending' AND ordinal NOT NULL
                  ORDER BY ordinal LIMIT ?"""
        rows = self._db.execute(sql, (leader.id, n))
        return [Follower.of(Row(*row), leader, first) for row in rows]

    def _hand_on(self, leader: Row) -> None:
        """The picture has left the list: its followers follow whoever asks for the same, or one of them is fetched."""
        heir = self._row("copy_of=? AND status='pending' AND ordinal NOT NULL ORDER BY ordinal LIMIT 1", leader.id)
        other = self._leader(heir.same, heir) if heir else None
        if other:
            self._follow(leader.id, other.id)
        else:
            self._promote(leader, "0")

    def _promote(self, leader: Row, shares: str) -> None:
        """Of the followers that do not share the leader's outcome the first is fetched, and the others follow it."""
        which = f"copy_of=:id AND status='pending' AND NOT coalesce({shares}, 0)"
        values = {**leader._asdict(), "current": self._run}
        found = self._db.execute(
            f"SELECT {COLUMNS} FROM records WHERE {which} AND ordinal NOT NULL ORDER BY ordinal LIMIT 1", values
        )
        for heir in map(Row._make, found.fetchall()):
            values["heir"] = heir.id
            if heir.reason == Reason.DUPLICATE:
                self.heirs.append(before(heir))
            self._db.execute(f"UPDATE records SET copy_of=:heir, run=:current WHERE {which} AND id<>:heir", values)
            self._db.execute("UPDATE records SET copy_of=NULL, run=:current WHERE id=:heir", values)

    def _follow(self, old: int, new: int) -> None:
        self._db.execute("UPDATE records SET copy_of=? WHERE copy_of=? AND status='pending'", (new, old))
        self.ready.append(new)

    def _is_gone(self, row: Row) -> bool:
        return self._read and row.ordinal is None

    def _is_settled(self, row: Row) -> bool:
        return row.status != Status.PENDING or self._is_gone(row)

    def _is_undecided(self, row: Row) -> bool:
        """Whether it is a picture of which only the list's end will tell whether it is still in the list."""
        return row.status == Status.SAVED and row.ordinal is None and not self._read

    # --- what becomes of duplicates when their first copy is no more

    def finish(self) -> None:
        """The list has been read to its end: what has no ordinal now has left it."""
        self._read = True
        # Records may have moved, and the words of their duplicates name their places.
        self._db.execute(
            """UPDATE records SET detail = (
                   SELECT CASE WHEN x.same IS records.same THEN 'same URL' ELSE 'same content' END
                       || ' as record ' || x.ordinal || ', ' || coalesce(x.path, x.name)
                   FROM records AS x WHERE x.id = records.copy_of)
               WHERE copy_of IS NOT NULL AND status='skipped' AND reason='duplicate'
                   AND EXISTS (SELECT 1 FROM records AS x WHERE x.id = records.copy_of AND x.ordinal IS NOT NULL)"""
        )

    def revise(self) -> None:
        """Let duplicates wait again whose first copy is no more, and find whoever waits for nothing."""
        gone = "x.ordinal IS NULL" if self._read else "0"
        self._db.execute(
            f"""UPDATE records SET status='pending', attempts=0, run=?
                WHERE copy_of IS NOT NULL AND ordinal IS NOT NULL AND status IN ('skipped', 'failed')
                    AND EXISTS (SELECT 1 FROM records AS x WHERE x.id = records.copy_of
                        AND CASE records.reason WHEN 'duplicate' THEN x.status<>'saved' OR {gone}
                            WHEN 'placeholder' THEN x.status='saved' END)""",
            (self._run,),
        )
        found = self._db.execute(
            f"""SELECT f.copy_of FROM records AS f JOIN records AS x ON x.id = f.copy_of
                WHERE f.copy_of IS NOT NULL AND f.status='pending' AND (x.status<>'pending' OR {gone})
                GROUP BY f.copy_of ORDER BY min(f.ordinal)"""
        )
        self.ready = deque(number for (number,) in found)

    def first_copies(self, hashes: Sequence[str]) -> dict[str, First]:
        """The first saved picture of each content; contents that nobody has are left out."""
        there = "AND ordinal IS NOT NULL" if self._read else ""
        sql = f"""SELECT id, ordinal, coalesce(path, name) FROM records WHERE sha256=? AND status='saved' {there}
                  ORDER BY id LIMIT 1"""
        found = {sha256: self._db.execute(sql, (sha256,)).fetchone() for sha256 in hashes}
        return {sha256: First(*row) for sha256, row in found.items() if row}

    def _row(self, where: str, value: object) -> Row | None:
        found = self._db.execute(f"SELECT {COLUMNS} FROM records WHERE {where}", (value,)).fetchone()
        return None if found is None else Row(*found)


def release(connection: sqlite3.Connection) -> None:
    """Nobody follows anybody: records are not compared in this run."""
    connection.execute("UPDATE records SET copy_of=NULL WHERE status='pending' AND copy_of IS NOT NULL")
