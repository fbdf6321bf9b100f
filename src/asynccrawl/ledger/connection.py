"""Opening the ledger's file: in WAL mode where the file system can, and as durable as was asked for."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from ..errors import StorageError
from . import schema

_SYNCHRONOUS = {"process": "NORMAL", "checkpoint": "NORMAL", "file": "FULL"}
_LOG_PAGES = 25_000
"""The write-ahead log is brought into the file after each checkpoint; if that never comes, at 100 MB."""


def connect(path: Path, durability: str) -> sqlite3.Connection:
    """The connection that writes. Raises StorageError and sqlite3.Error."""
    if path.is_symlink():
        raise StorageError("a link stands where the ledger should be, and is not followed; remove it")
    # Serialised by the one-thread executor; it may hand calls to a successor thread, hence check_same_thread.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
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
