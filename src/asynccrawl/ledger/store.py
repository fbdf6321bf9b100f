"""The crash-safe record of a crawl: SQLite in WAL mode, written by one thread, in one transaction a batch.

A process that dies loses at most the transaction it was in. The main loop never touches the database: every call
is one hop to the ledger's own thread.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from ..errors import FetchError, StorageError
from ..models import Outcome, Reason, Record, Status, Tally
from ..threads import completed, finished, obtained
from . import lists, strays
from .connection import connect, logs_ahead, storage_error
from .copies import Copies, release
from .entry import Entry, Item
from .judged import refused
from .reader import count_of, saved_by_label, tally
from .rows import MARK, RECORD_COLUMNS, SETTLE, Stored, record_of, reopen, reopen_failed, settled, stored
from .sharing import First, Follower

FILE_NAME = ".asynccrawl.sqlite3"
T = TypeVar("T")
_NO_LOG = (
    "This file system offers SQLite no write-ahead log, so the ledger kept a rollback journal: each batch takes "
    "longer, and whoever reads the ledger during a run makes it wait."
)


class Ledger:
    """One row a record, from the moment its list entry is read. Make one with `await Ledger.open(...)`.

    `by_content`: whether pictures are compared by content.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, thread: ThreadPoolExecutor, *, marking: bool
    ) -> None:
        self.path = path
        self._db = connection
        self._thread = thread
        self._entry: Entry | None = None
        self._marking = marking
        self._mark = 0
        self._among = ""  # a further condition on the pending rows that are given out
        self._copies: Copies | None = None
        self.by_content = False
        self.run = 0
        self.logs_ahead = True

    @classmethod
    async def open(
        cls, path: Path, deciding: dict[Reason, Any] | None, *, durability: str = "process", now: float | None = None
    ) -> Ledger:
        """Open or make the ledger at `path` and begin a run whose settings decide as `deciding` says; None: as in the
        run before.

        `durability`: `process`; `checkpoint`, which marks saved rows until `remove_marks`; or `file`, which brings each
        transaction to the disk.
        """
        connection = await obtained(_guarded, path, connect, path, durability, give_back=sqlite3.Connection.close)
        thread = ThreadPoolExecutor(1, thread_name_prefix="asynccrawl-ledger")
        ledger = cls(path, connection, thread, marking=durability == "checkpoint")
        try:
            await ledger._do(ledger._begin, deciding, time.time() if now is None else now)
        except BaseException:
            await ledger._close()
            raise
        return ledger

    async def enter(self, batch: Sequence[Item]) -> list[Item]:
        """Enter list entries as pending rows, in list order; returns what is to be done (see `entry`)."""
        assert self._entry
        return await self._do(self._in_transaction, self._entry.enter, batch)

    async def recognise(self, batch: Sequence[Item]) -> None:
        """Note that records before the offset are still in the list."""
        assert self._entry
        await self._do(self._in_transaction, self._entry.recognise, batch)

    async def finish_list(self, records: int) -> None:
        """The list was read to its end and held `records` records: rows of others lose their ordinal."""
        await self._do(self._in_transaction, self._finish, records)

    async def remember_list(self, size: int, digest: str, records: int) -> None:
        """Remember which list has been read to its end, so that it need not be read again (see `lists`)."""
        await self._do(self._in_transaction, lists.remember, self._db, size, digest, records)

    async def known_size(self) -> int | None:
        """The bytes of the list that was remembered, if any."""
        return await self._do(lists.size_of_list, self._db)

    async def known_list(self, digest: str | None) -> int | None:
        """The entries of the list of that digest if its rows stand as it left them; else it is forgotten."""
        found: int | None = await self._do(self._in_transaction, lists.known, self._db, digest)
        if found is not None and self._copies:
            self._copies.no_list()
        return found

    async def open_records(self, after: int, n: int) -> list[Record]:
        """The next `n` records of a known list that are still to be done, with an ordinal above `after`."""
        return await self._do(lists.open_records, self._db, after, n)

    async def take(self, host: str, after: int, n: int) -> list[Record]:
        """The next `n` pending records of `host` with an ordinal above `after`, in list order."""
        where = f"status='pending' AND host=? AND ordinal>? AND copy_of IS NULL {self._among} ORDER BY ordinal LIMIT ?"
        return await self._do(self._records, where, host, after, n)

    async def pending(self, after: int, n: int) -> list[Record]:
        """The next `n` records that wait, over all hosts, with an ordinal above `after`, in list order."""
        where = (
            f"status='pending' AND host<>'' AND ordinal>? AND copy_of IS NULL {self._among} ORDER BY ordinal LIMIT ?"
        )
        return await self._do(self._records, where, after, n)

    async def retry(self, reasons: Sequence[Reason] | None) -> int:
        """Let records that ended for one of `reasons` (None: for any cause that may pass) wait again, and from now on
        give out only those; returns how many they are.
        """
        self._among = f"AND run={self.run}"
        if self._copies:
            self._copies.no_list()
        return await self._do(self._in_transaction, self._retry, reasons)

    async def put_back(self, record: Record, error: FetchError, attempts: int, not_before: float | None) -> None:
        """Leave a record pending, with what was learned; not to be fetched before `not_before` (epoch seconds)."""
        values = (error.reason, error.detail, error.http_status, attempts, not_before, record.ordinal)
        sql = "UPDATE records SET reason=?, detail=?, http_status=?, attempts=?, not_before=? WHERE ordinal=?"
        await self._do(self._execute, sql, values)

    async def hold(self, host: str, until: float, *, now: float | None = None) -> None:
        """Remember that `host` wants no request before `until` (seconds since 1970)."""
        sql = "INSERT OR REPLACE INTO holds (host, since, until) VALUES (?, ?, ?)"
        await self._do(self._execute, sql, (host, time.time() if now is None else now, until))

    async def holds(self, *, now: float | None = None) -> dict[str, float]:
        """The seconds that are left of each hold; those that have passed are forgotten."""
        return await self._do(_holds, self._db, time.time() if now is None else now)

    async def settle(self, outcomes: Sequence[Outcome], placeholders: Mapping[int, int] | None = None) -> None:
        """Record how records ended, all in one transaction. `placeholders`: by ordinal, the id of the placeholder that
        came in place of a picture. Cancelled meanwhile, it returns all the same: who asked has to know.
        """
        rows = [settled(outcome, self.run) for outcome in outcomes]
        saved = [outcome.ordinal for outcome in outcomes if outcome.status is Status.SAVED] if self._marking else []
        settle = (self._in_transaction, self._settle, rows, saved, placeholders or {})
        loop = asyncio.get_running_loop()
        await completed(loop.run_in_executor(self._thread, _guarded, self.path, *settle))

    @property
    def waiting(self) -> int:
        """Records entered in this run that were left to follow others, which ask for the same (see `copies`)."""
        return self._copies.waiting if self._copies else 0

    async def revise_copies(self) -> None:
        """Let duplicates wait again whose first copy is no more."""
        if self._copies:
            await self._do(self._in_transaction, self._copies.revise)

    async def followers(self, n: int) -> list[Follower]:
        """At most `n` records whose first one has its outcome, with theirs; the same again until they are settled."""
        if self._copies and self._copies.ready:
            return await self._do(self._in_transaction, self._copies.followers, n)
        return []

    def heirs(self) -> list[Outcome]:
        """What duplicates had ended in that are fetched now, since their first copy is no more; each is told once."""
        heirs: list[Outcome] = []
        if self._copies:
            heirs, self._copies.heirs = self._copies.heirs, heirs
        return heirs

    async def first_copies(self, hashes: Sequence[str]) -> dict[str, First]:
        """The first saved picture of each content that has one; none where contents are not to be compared."""
        if self._copies and self.by_content and hashes:
            return await self._do(self._copies.first_copies, hashes)
        return {}

    async def close_marks(self) -> int:
        """Close the marks of what was recorded so far; what follows gets another number."""
        return await self._do(self._next_mark)

    async def remove_marks(self, number: int) -> None:
        """What was marked up to `number` is on the disk; so the write-ahead log may be brought there, too."""
        await self._do(self._execute, "DELETE FROM unsynced WHERE mark <= ?", (number,))
        await self._do(self._execute, "DELETE FROM retractions WHERE mark <= ?", (number,))
        await self._do(self._execute, "PRAGMA wal_checkpoint(PASSIVE)")

    async def marked(self) -> list[Stored]:
        """The saved pictures that may not have reached the disk before this run."""
        return await self._do(stored, self._db, "id IN (SELECT record FROM unsynced)")

    async def reopen(self, rows: Sequence[Stored]) -> None:
        """These pictures are not there: their records wait again."""
        await self._do(self._in_transaction, lambda rows: reopen(self._db, rows), rows)

    async def saved_by_directory(self) -> dict[str, int]:
        """How many saved pictures there should be in each directory."""
        return await self._do(strays.saved_by_directory, self._db)

    async def saved_path(self) -> str | None:
        """The path of one saved picture; None while there is none."""
        return await self._do(strays.saved_path, self._db)

    async def unsaved(self, paths: Mapping[str, str]) -> list[str]:
        """Those of the paths that no row has saved, and under whose name (the value) a row waits or has ended
        otherwise.
        """
        return await self._do(strays.unsaved, self._db, paths)

    async def remember_strays(self, paths: Sequence[str]) -> int:
        """Remember, for this run, those of `paths` that are no saved row's; returns how many they are."""
        return await self._do(self._in_transaction, strays.remember, self._db, paths)

    async def strays(self, names: Sequence[str]) -> dict[str, list[str]]:
        """The remembered files by name, in lower case; `names` are compared without regard to case."""
        return await self._do(strays.named, self._db, names)

    async def waiting_strays(self, after: int, n: int) -> list[Record]:
        """The next `n` pending records above the ordinal `after` whose name a remembered file has, in list order."""
        return await self._do(strays.waiting, self._db, after, n)

    @property
    def mark(self) -> int | None:
        """The number under which what is recorded now is marked as unsynced; None where nothing is."""
        return self._mark if self._marking else None

    async def read(self, function: Callable[..., T], *arguments: Any) -> T:
        """The result of `function(connection, *arguments)`, called in the ledger's thread. Raises StorageError."""
        return await self._do(function, self._db, *arguments)

    async def write(self, function: Callable[..., T], *arguments: Any) -> T:
        """The same in one transaction."""
        return await self._do(self._in_transaction, function, self._db, *arguments)

    async def tally(self, hosts: int = 100) -> Tally:
        """The counts that the report is made from, over the whole ledger."""
        return await self._do(tally, self._db, hosts)

    async def saved_by_label(self) -> dict[str, int]:
        """How many saved pictures each label has."""
        return await self._do(saved_by_label, self._db)

    async def counts(self) -> dict[str, int]:
        """Rows by status."""
        return await self._do(count_of, self._db)

    def story(self) -> list[str]:
        """What the report should say."""
        return [] if self.logs_ahead else [_NO_LOG]

    async def aclose(self) -> None:
        """End the run. The file is left without companions where nobody reads it at this moment."""
        try:
            with suppress(StorageError):
                await self._do(self._execute, "PRAGMA journal_mode=DELETE")
        finally:
            await self._close()

    async def _close(self) -> None:
        # Whatever is under way ends first, and whoever cancels us meanwhile does not keep it from being closed.
        closing = self._thread.submit(_guarded, self.path, self._db.close)
        self._thread.shutdown(wait=False)
        await finished(asyncio.wrap_future(closing))

    def _begin(self, deciding: dict[Reason, Any] | None, now: float) -> None:
        self._file = self.path.stat()
        self.logs_ahead = logs_ahead(self._db)
        earlier = self._db.execute("SELECT run, deciding FROM runs ORDER BY run").fetchall()
        settings = json.dumps({reason.value: value for reason, value in (deciding or {}).items()})
        if deciding is None and earlier:
            settings = earlier[-1][1]
        sql = "INSERT INTO runs (started, deciding) VALUES (?, ?)"
        self.run = self._db.execute(sql, (now, settings)).lastrowid or 0
        stale = _stale(earlier, json.loads(settings))
        self._compare(json.loads(settings), json.loads(earlier[-1][1]) if earlier else {}, stale)
        self._entry = Entry(self._db, self.run, stale, self._copies)
        self._mark = self._db.execute("SELECT coalesce(max(mark), 0) + 1 FROM unsynced").fetchone()[0]

    def _compare(self, now: dict[str, Any], before: dict[str, Any], stale: frozenset[tuple[str, int]]) -> None:
        """Compare what is requested, and contents, as the settings of this run want it."""
        dedup = now.get(Reason.DUPLICATE, "off")
        if dedup == "off":
            release(self._db)
            return
        self.by_content = dedup == "content"
        self._copies = Copies(self._db, self.run, stale, by_content=self.by_content)
        if before.get(Reason.DUPLICATE, "off") == "off":
            self._in_transaction(self._copies.fill)

    def _finish(self, records: int) -> None:
        assert self._entry
        self._entry.finish(records)
        if self._copies:
            self._copies.finish()

    def _retry(self, reasons: Sequence[Reason] | None) -> int:
        count = reopen_failed(self._db, self.run, reasons)
        if self._copies is None:
            release(self._db)
        return count

    def _settle(self, rows: Sequence[Any], saved: Sequence[int], placeholders: Mapping[int, int]) -> None:
        self._check_place()
        self._db.executemany(SETTLE, rows)
        if placeholders:
            refused(self._db, [(number, ordinal) for ordinal, number in placeholders.items()])
        if self._copies:
            self._copies.settled([row[-1] for row in rows])
        if saved:
            self._db.executemany(MARK, [(self._mark, ordinal) for ordinal in saved])

    def _check_place(self) -> None:
        """What is written to a file that has lost its name, nobody will ever read."""
        try:
            there = self.path.stat()
        except FileNotFoundError:
            there = None
        if there is None or not os.path.samestat(there, self._file):
            raise StorageError(
                "the ledger was removed or replaced during the run; leave it where it is, then run again to go on"
            )

    def _next_mark(self) -> int:
        self._mark += 1
        return self._mark - 1

    def _records(self, where: str, *values: Any) -> list[Record]:
        return [
            record_of(row) for row in self._db.execute(f"SELECT {RECORD_COLUMNS} FROM records WHERE {where}", values)
        ]

    def _in_transaction(self, function: Callable[..., T], *arguments: Any) -> T:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            result = function(*arguments)
            self._db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise
        return result

    def _execute(self, sql: str, values: Sequence[Any] = ()) -> None:
        # To its end: a statement with a row left to give would keep the next transaction from its commit.
        self._db.execute(sql, values).fetchall()

    async def _do(self, function: Callable[..., T], *arguments: Any) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, _guarded, self.path, function, *arguments)


def _guarded(path: Path, function: Callable[..., T], *arguments: Any) -> T:
    try:
        return function(*arguments)
    except sqlite3.Error as error:
        raise storage_error(path, "the ledger failed", error) from error
    except StorageError as error:
        raise StorageError(str(error) if str(path) in str(error) else f"{path}: {error}") from error


def _holds(connection: sqlite3.Connection, now: float) -> dict[str, float]:
    # A clock that was set back must not make a hold longer than it was when it began.
    connection.execute("DELETE FROM holds WHERE until <= ?", (now,))
    return dict(connection.execute("SELECT host, min(until - ?, until - since) FROM holds", (now,)))


def _stale(earlier: list[tuple[int, str]], now: dict[str, Any]) -> frozenset[tuple[str, int]]:
    """(reason, run) of outcomes that were decided by a setting which has another value now."""
    runs = [(run, json.loads(deciding)) for run, deciding in earlier]
    return frozenset((reason, run) for run, then in runs for reason in now if then.get(reason) != now[reason])
