"""A sink of ten lines: pictures into a database in place of directories.

python examples/custom_sink.py
"""

import asyncio
import sqlite3
import tempfile
from collections.abc import Sequence

import asynccrawl
from asynccrawl.testing import ImageServer, picture


class SqliteSink:
    """A plain `def write` is called in a thread; `asynccrawl.testing.check_sink` tells whether it keeps its word."""

    def __init__(self, path: str) -> None:
        self.path = path

    def write(self, batch: Sequence[asynccrawl.Sample]) -> None:
        rows = [(s.name, s.label, s.data or (s.path.read_bytes() if s.path else b"")) for s in batch]
        with sqlite3.connect(self.path) as db:  # one transaction: all of the batch, or none of it
            db.execute("CREATE TABLE IF NOT EXISTS pictures (name TEXT PRIMARY KEY, label TEXT, data BLOB)")
            db.executemany("INSERT OR REPLACE INTO pictures VALUES (?, ?, ?)", rows)
        db.close()


async def main() -> None:
    settings = asynccrawl.Settings(network=asynccrawl.Network(allow_net=("127.0.0.0/8",)))
    async with ImageServer() as server:
        for n in range(3):
            server.add(f"/{n}.jpg", picture(seed=n))
        urls = [(f"n01440764_{n}", server.url(f"/{n}.jpg")) for n in range(3)]
        with tempfile.TemporaryDirectory() as dest:
            sink = SqliteSink(f"{dest}/pictures.sqlite3")
            await asynccrawl.crawl(urls, dest, settings=settings, sink=sink)
            await asyncio.to_thread(show, sink.path)


def show(path: str) -> None:
    db = sqlite3.connect(path)
    (count,) = db.execute("SELECT count(*) FROM pictures").fetchone()
    db.close()
    print(f"{count} pictures in {path.rpartition('/')[2]}")


if __name__ == "__main__":
    asyncio.run(main())
