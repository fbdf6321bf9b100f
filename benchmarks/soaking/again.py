"""A finished crawl of a million records, run again: when is its first retryable record requested, when does it end?

Ledger and tree are as a crawl leaves them: a thousand class directories with all their files (hard links to a few), a
row each, made through the ledger itself. The last record of the list failed for a cause that may pass. The command is
run over it three times: first the list is matched line by line, since nobody has read it here before; then it is the
same again; then without its first line, so that every record has moved.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from asynccrawl import Settings
from asynccrawl.ledger import FILE_NAME, Ledger
from asynccrawl.models import Failure, Outcome, Reason, Record, Request, Sample

from .world import OPEN, Broken, ran

RECORDS, CLASSES, HOSTS = 1_000_000, 1_000, 5_000
BATCH = 2_000
LINKS = 50_000  # names of one file; ext4 allows 65,000
SECONDS = 10.0
"""In which the same command again has to reach its first request, and to end."""


def run(given: Namespace, room: Path) -> str:
    """Three runs. Returns what to print. Raises Broken."""
    made = _Made(5_000 if given.quick else given.records or RECORDS, room)
    with _server() as (port, came):
        made.port = port
        began = time.monotonic()
        asyncio.run(made.ledger())
        made.tree()
        built = time.monotonic() - began
        made.list()
        first, again = made.crawl(came), made.crawl(came)
        made.list(without_first=True)
        moved = made.crawl(came)
    text = "\n".join(
        f"    {name:<40} first request after {at:5.1f} s, end after {end:5.1f} s"
        for name, (at, end) in (
            ("list matched line by line", first), ("the same command again", again), ("all moved by a line", moved)
        )
    )  # fmt: skip
    text = f"again: {made.records:,} records, {made.records - 1:,} files, made in {built:.0f} s\n{text}"
    if max(again) > SECONDS:
        raise Broken(f"the bound is {SECONDS:.0f} s\n{text}")
    return text


class _Made:
    """A finished crawl."""

    def __init__(self, records: int, room: Path) -> None:
        self.records, self.dest, self.listed = records, room / "dest", room / "list"
        self.port = 0
        self.dest.mkdir()

    def record(self, n: int) -> Record:
        """A record as admission makes it."""
        label = f"n{n * CLASSES // self.records:08d}"
        last = n == self.records - 1
        host = "127.0.0.1" if last else f"h{n % HOSTS}.example"
        url = f"http://{host}:{self.port}/{n}.jpg" if last else f"http://{host}/photos/{n}.jpg"
        return Record(n, n + 1, f"{label}_{n}", label, Request(url, f"{label}_{n}"), host)

    def list(self, *, without_first: bool = False) -> None:
        """Write the list."""
        with self.listed.open("w") as lines:
            for n in range(int(without_first), self.records):
                record = self.record(n)
                lines.write(f"{record.name}\t{record.request.url}\n")

    async def ledger(self) -> None:
        """Enter and settle every record."""
        ledger = await Ledger.open(self.dest / FILE_NAME, Settings().deciding())
        for start in range(0, self.records, BATCH):
            records = [self.record(n) for n in range(start, min(self.records, start + BATCH))]
            await ledger.enter(records)
            await ledger.settle([self._outcome(record) for record in records])
        await ledger.aclose()

    def _outcome(self, record: Record) -> Outcome:
        if record.ordinal == self.records - 1:
            return Outcome.of(Failure.of(record, Reason.HTTP_5XX, "status 503", retryable=True))
        sample = Sample(
            record.request, record.ordinal, record.name, record.label, "jpeg", data=b"x", width=500, height=375,
            mode="RGB", bytes=1, sha256=f"{record.ordinal:064x}", line=record.line, attempts=1,
        )  # fmt: skip
        return Outcome.of(sample, f"{record.label}/{record.name}.jpg")

    def tree(self) -> None:
        """Every file that the ledger tells of."""
        source = ""
        for n in range(self.records - 1):
            record = self.record(n)
            directory = f"{self.dest}/{record.label}"
            path = f"{directory}/{record.name}.jpg"
            if n == 0 or self.record(n - 1).label != record.label:
                Path(directory).mkdir()
            if n % LINKS:
                os.link(source, path)
            else:
                Path(path).write_bytes(b"x")
                source = path

    def crawl(self, came: list[float]) -> tuple[float, float]:
        """One run of the command: seconds to the first request, and to the end. Raises Broken."""
        came.clear()
        began = time.monotonic()
        shown = ran("crawl", self.listed, self.dest, *OPEN, "--retry", 0, "--msg", 600)
        seconds = time.monotonic() - began
        if (
            shown.returncode
            or len(came) != 1
            or f"{self.records - 1:,} of {self.records:,} records saved" not in shown.stdout
        ):
            raise Broken(f"exit {shown.returncode}, {len(came)} requests: {shown.stdout[:300]}{shown.stderr[-2000:]}")
        return came[0] - began, seconds


@contextmanager
def _server() -> Iterator[tuple[int, list[float]]]:
    """A server that is never ready, and when it was asked."""
    came: list[float] = []

    class Never(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            came.append(time.monotonic())
            self.send_error(503)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Never)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port, came
    finally:
        server.shutdown()
        server.server_close()
