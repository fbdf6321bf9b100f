"""Opening the ledger's file: in WAL mode where the file system can, and as durable as was asked for."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from contextlib import suppress
from pathlib import Path

from ..errors import StorageError
from . import schema

_SYNCHRONOUS = {"process": "NORMAL", "checkpoint": "NORMAL", "file": "FULL"}
_LOG_PAGES = 25_000
"""The write-ahead log is brought into the file after each checkpoint; if that never comes, at 100 MB."""
_LITTLE = 2**20  # bytes
_COMPANIONS = ("-wal", "-shm", "-journal")
_HOW_TO_GO_ON = {
    sqlite3.SQLITE_FULL: "make room there",
    sqlite3.SQLITE_READONLY: "make the file system writable, or give the right to write there",
    sqlite3.SQLITE_PERM: "give the right to work there",
    sqlite3.SQLITE_CANTOPEN: "give the right to work there, and remove what stands in its place if it is none of ours",
    sqlite3.SQLITE_IOERR: "see to the disk and its quota",
    sqlite3.SQLITE_BUSY: "end what else is using it",
    sqlite3.SQLITE_CORRUPT: "move it away: pictures that are there are recorded anew, not fetched",
    sqlite3.SQLITE_NOTADB: "move it away: pictures that are there are recorded anew, not fetched",
}
_CANNOT_LOG = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL)


def connect(path: Path, durability: str) -> sqlite3.Connection:
    """The connection that writes. Raises StorageError and sqlite3.Error."""
    _check_place(path)
    connection = _opened(path)
    try:
        connection.execute(f"PRAGMA synchronous={_SYNCHRONOUS[durability]}")
        connection.execute("PRAGMA cache_size=-8000")
        if durability == "checkpoint":
            # Before a checkpoint SQLite would bring rows to the disk ahead of their files: allowed, but for nothing.
            connection.execute(f"PRAGMA wal_autocheckpoint={_LOG_PAGES}")
        schema.prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def logs_ahead(connection: sqlite3.Connection) -> bool:
    """Whether the file is in WAL mode: only then may it be read for a long time while somebody writes."""
    return bool(connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal")


def open_alone(connection: sqlite3.Connection) -> None:
    """Open a file that is in WAL mode where there can be no shared memory, and take it out of that mode."""
    connection.execute("PRAGMA locking_mode=EXCLUSIVE")
    connection.execute("PRAGMA journal_mode=DELETE").fetchone()
    connection.execute("PRAGMA locking_mode=NORMAL").fetchone()
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # only an access lets go of the lock


def storage_error(path: Path, what: str, error: sqlite3.Error) -> StorageError:
    """One line for whoever has to mend it. See `errors.storage_error`."""
    how = _HOW_TO_GO_ON.get(_kind(error), "free space or repair it")
    with suppress(OSError):
        if _kind(error) == sqlite3.SQLITE_IOERR and shutil.disk_usage(path.parent).free < _LITTLE:
            how = "make room there"  # of the log's index SQLite says the same for a full disk and a broken one
    return StorageError(f"{path}: {what}: {error}; {how}, then run again to go on")


def cannot_log(error: sqlite3.Error) -> bool:
    """Whether this may have come of a file system that offers no shared memory."""
    return _kind(error) in _CANNOT_LOG


def _kind(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest of the extended code tells where


def _opened(path: Path) -> sqlite3.Connection:
    """In WAL mode, where the file system has shared memory; else with a rollback journal, which is slower."""
    for prepare in (_log_ahead, open_alone):
        # Serialised by the one-thread executor; it may hand calls to a successor thread, hence check_same_thread.
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
        try:
            prepare(connection)
        except sqlite3.Error as error:
            connection.close()
            if prepare is open_alone or not cannot_log(error):
                raise
            continue
        if prepare is open_alone:
            Path(f"{path}-shm").unlink(missing_ok=True)  # what SQLite could not map; nobody else has the file open
        return connection
    raise AssertionError("unreachable")


def _log_ahead(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode=WAL").fetchone()
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


def _check_place(path: Path) -> None:
    """Refuse to write through a link: to the ledger's own file or, which SQLite would do, to one beside it."""
    for companion in ("", *_COMPANIONS):
        there = Path(f"{path}{companion}")
        try:
            found = there.lstat()
        except FileNotFoundError:
            continue
        if stat.S_ISLNK(found.st_mode):
            raise StorageError(f"{there} is a link, which is not followed; remove it, then run again to go on")
        if not stat.S_ISREG(found.st_mode):
            raise StorageError(f"{there} is no file; remove it, then run again to go on")
        if found.st_nlink > 1:
            raise StorageError(
                f"{there} has a second name (a hard link), and the file would be changed under that, too; "
                "put a copy in its place, or remove it, then run again to go on"
            )
