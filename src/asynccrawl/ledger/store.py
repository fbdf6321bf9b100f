"""The crash-safe record of a crawl: SQLite in WAL mode, written by one thread, in one transaction a batch.

A process that dies loses at most the transaction it was in. The main loop never touches the database: every call
is one hop to the ledger's own thread.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from ..errors import FetchError, StorageError
from ..models import Outcome, Reason, Record, Tally
from . import schema
from .entry import Entry, Item
from .reader import count_of, saved_by_label, tally
from .rows import RECORD_COLUMNS, SETTLE, record_of, settled

FILE_NAME = ".asynccrawl.sqlite3"
T = TypeVar("T")


class Ledger:
    """One row a record, from the moment its list entry is read. Make one with `await Ledger.open(...)`."""

    def __init__(self, path: Path, connection: sqlite3.Connection, thread: ThreadPoolExecutor) -> None:
        self.path = path
        self._db = connection
        self._thread = thread
        self._entry: Entry | None = None
        self.run = 0

    @classmethod
    async def open(cls, path: Path, deciding: dict[Reason, Any], *, now: float | None = None) -> Ledger:
        """Open or make the ledger at `path` and begin a run whose settings decide as `deciding` says."""
        thread = ThreadPoolExecutor(1, thread_name_prefix="asynccrawl-ledger")
        loop = asyncio.get_running_loop()
        try:
            connection = await loop.run_in_executor(thread, _guarded, path, _connect, path)
            ledger = cls(path, connection, thread)
            await ledger._do(ledger._begin, deciding, time.time() if now is None else now)
        except BaseException:
            thread.shutdown(wait=False)
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
        assert self._entry
        await self._do(self._in_transaction, self._entry.finish, records)

    async def take(self, host: str, after: int, n: int) -> list[Record]:
        """The next `n` pending records of `host` with an ordinal above `after`, in list order."""
        return await self._do(
            self._records, "status='pending' AND host=? AND ordinal>? ORDER BY ordinal LIMIT ?", host, after, n
        )

    async def waiting(self, names: Sequence[str]) -> list[Record]:
        """The pending records of the list that own one of `names`, which are compared without regard to case."""
        marks = ",".join("?" * len(names))
        where = f"status='pending' AND ordinal IS NOT NULL AND folded IN ({marks})"
        return await self._do(self._records, where, *(name.lower() for name in names))

    async def pending(self, after: int, n: int) -> list[Record]:
        """The next `n` records that wait, over all hosts, with an ordinal above `after`, in list order."""
        where = "status='pending' AND host<>'' AND ordinal>? ORDER BY ordinal LIMIT ?"
        return await self._do(self._records, where, after, n)

    async def put_back(self, record: Record, error: FetchError, attempts: int, not_before: float | None) -> None:
        """Leave a record pending, with what was learned; not to be fetched before `not_before` (epoch seconds)."""
        values = (error.reason, error.detail, error.http_status, attempts, not_before, record.ordinal)
        sql = "UPDATE records SET reason=?, detail=?, http_status=?, attempts=?, not_before=? WHERE ordinal=?"
        await self._do(self._db.execute, sql, values)

    async def hold(self, host: str, until: float, *, now: float | None = None) -> None:
        """Remember that `host` wants no request before `until` (seconds since 1970)."""
        sql = "INSERT OR REPLACE INTO holds (host, since, until) VALUES (?, ?, ?)"
        await self._do(self._db.execute, sql, (host, time.time() if now is None else now, until))

    async def holds(self, *, now: float | None = None) -> dict[str, float]:
        """The seconds that are left of each hold; those that have passed are forgotten."""
        return await self._do(_holds, self._db, time.time() if now is None else now)

    async def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Record how records ended, all in one transaction."""
        rows = [settled(outcome, self.run) for outcome in outcomes]
        await self._do(self._in_transaction, lambda rows: self._db.executemany(SETTLE, rows), rows)

    async def tally(self, hosts: int = 100) -> Tally:
        """The counts that the report is made from, over the whole ledger."""
        return await self._do(tally, self._db, hosts)

    async def saved_by_label(self) -> dict[str, int]:
        """How many saved pictures each label has."""
        return await self._do(saved_by_label, self._db)

    async def counts(self) -> dict[str, int]:
        """Rows by status."""
        return await self._do(count_of, self._db)

    async def aclose(self) -> None:
        """End the run. The file is left without companions where nobody reads it at this moment."""
        with suppress(StorageError):
            await self._do(self._db.execute, "PRAGMA journal_mode=DELETE")
        await self._do(self._db.close)
        self._thread.shutdown(wait=False)

    def _begin(self, deciding: dict[Reason, Any], now: float) -> None:
        settings = json.dumps({reason.value: value for reason, value in deciding.items()})
        earlier = self._db.execute("SELECT run, deciding FROM runs").fetchall()
        sql = "INSERT INTO runs (started, deciding) VALUES (?, ?)"
        self.run = self._db.execute(sql, (now, settings)).lastrowid or 0
        self._entry = Entry(self._db, self.run, _stale(earlier, json.loads(settings)))

    def _records(self, where: str, *values: Any) -> list[Record]:
        return [
            record_of(row) for row in self._db.execute(f"SELECT {RECORD_COLUMNS} FROM records WHERE {where}", values)
        ]

    def _in_transaction(self, function: Callable[[Sequence[Any]], T], batch: Any) -> T:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            result = function(batch)
            self._db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise
        return result

    async def _do(self, function: Callable[..., T], *arguments: Any) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, _guarded, self.path, function, *arguments)


def _guarded(path: Path, function: Callable[..., T], *arguments: Any) -> T:
    try:
        return function(*arguments)
    except sqlite3.Error as error:
        raise StorageError(f"{path}: the ledger failed: {error}; free space or repair it, then run again") from error
    except StorageError as error:
        raise StorageError(f"{path}: {error}") from error


def _connect(path: Path) -> sqlite3.Connection:
    if path.is_symlink():
        raise StorageError("a link stands where the ledger should be, and is not followed; remove it")
    # Serialised by the one-thread executor; it may hand calls to a successor thread, hence check_same_thread.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA cache_size=-8000")
        schema.prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _holds(connection: sqlite3.Connection, now: float) -> dict[str, float]:
    # A clock that was set back must not make a hold longer than it was when it began.
    connection.execute("DELETE FROM holds WHERE until <= ?", (now,))
    return dict(connection.execute("SELECT host, min(until - ?, until - since) FROM holds", (now,)))


def _stale(earlier: list[tuple[int, str]], now: dict[str, Any]) -> frozenset[tuple[str, int]]:
    """(reason, run) of outcomes that were decided by a setting which has another value now."""
    runs = [(run, json.loads(deciding)) for run, deciding in earlier]
    return frozenset((reason, run) for run, then in runs for reason in now if then.get(reason) != now[reason])
