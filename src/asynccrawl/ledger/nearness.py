"""The table `near`: what the saved pictures look like, and which of them are near-duplicates."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from ..errors import StorageError
from .connection import connect
from .lock import Lock
from .store import FILE_NAME

_ROWS = "records AS r JOIN near AS n ON n.record = r.id"
_SAVED = "r.status = 'saved' AND r.path IS NOT NULL AND r.sha256 IS NOT NULL"


class Unseen(NamedTuple):
    """A saved picture that was not looked at yet: its row, its file, and its content."""

    id: int
    path: str
    sha256: str


class Member(NamedTuple):
    """A picture of a group of near-duplicates."""

    name: str
    path: str
    label: str | None


class Near:
    """What the saved pictures of a dataset look like, as far as they were looked at. Make one with `Near.of(...)`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    @classmethod
    @contextmanager
    def of(cls, root: Path) -> Iterator[Near]:
        """That of the dataset at `root`, where nobody else writes meanwhile. Raises DestinationBusy, StorageError."""
        path = root / FILE_NAME
        if not path.is_file():
            raise StorageError(f"{root}: there is no ledger here ({FILE_NAME}); has a crawl written to it?")
        lock = Lock(root)
        try:
            with closing(connect(path, "process")) as connection:
                yield cls(connection)
                connection.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.Error as error:
            raise StorageError(
                f"{path}: the ledger failed: {error}; free space or repair it, then run again"
            ) from error
        finally:
            lock.release()

    def forget_others(self) -> int:
        """Forget what is no longer saved, or has another content; returns how many saved pictures there are."""
        self._db.execute(
            f"""DELETE FROM near WHERE NOT EXISTS
                (SELECT 1 FROM records AS r WHERE r.id = near.record AND r.sha256 = near.sha256 AND {_SAVED})"""
        )
        return int(self._db.execute(f"SELECT count(*) FROM records AS r WHERE {_SAVED}").fetchone()[0])

    def unseen(self, after: int, n: int) -> list[Unseen]:
        """The next `n` saved pictures with a row above `after` that were not looked at yet."""
        sql = f"""SELECT r.id, r.path, r.sha256 FROM records AS r WHERE r.id > ? AND {_SAVED}
                  AND NOT EXISTS (SELECT 1 FROM near AS n WHERE n.record = r.id) ORDER BY r.id LIMIT ?"""
        return [Unseen(*row) for row in self._db.execute(sql, (after, n))]

    def remember(self, seen: Sequence[tuple[Unseen, str | None]]) -> None:
        """What these pictures look like, as `imaging.looks` says it."""
        sql = "INSERT OR REPLACE INTO near (record, sha256, hash) VALUES (?, ?, ?)"
        self._write(sql, ((one.id, one.sha256, look) for one, look in seen))

    def looks(self) -> Iterator[tuple[int, str, str | None]]:
        """Row, content and look of every picture that was looked at, in the order of the rows."""
        yield from self._db.execute("SELECT record, sha256, hash FROM near ORDER BY record")

    def put_clusters(self, clusters: Iterable[tuple[int, int]]) -> None:
        """Replace all groups: pairs of a row and the least row of its group."""
        self._write(
            "UPDATE near SET cluster = ? WHERE record = ?", ((least, row) for row, least in clusters), anew=True
        )

    def groups(self) -> Iterator[list[Member]]:
        """The groups that were put in."""
        return near_groups(self._db)

    def _write(self, sql: str, rows: Iterable[tuple[object, ...]], *, anew: bool = False) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        if anew:
            self._db.execute("UPDATE near SET cluster = NULL WHERE cluster IS NOT NULL")
        self._db.executemany(sql, rows)
        self._db.execute("COMMIT")


def near_groups(connection: sqlite3.Connection) -> Iterator[list[Member]]:
    """The groups of near-duplicates that were found last, as far as their pictures are still what they were."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'near'").fetchone():
        return  # a ledger of an earlier version
    sql = f"""SELECT n.cluster, r.name, r.path, r.label FROM {_ROWS} WHERE n.cluster IS NOT NULL AND r.sha256 = n.sha256
              AND {_SAVED} ORDER BY n.cluster, r.id"""
    for _, members in groupby(connection.execute(sql), key=itemgetter(0)):
        group = [Member(name, path, label) for _, name, path, label in members]
        if len(group) > 1:
            yield group
