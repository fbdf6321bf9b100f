"""`asynccrawl verify` on a tree of pictures: does it use all cores, does its memory stay bounded, does it find damage?

The pictures are files of 110 kB, as the ImageNet list's are; a twentieth as many beside them are done in
threads. One file is damaged by a single bit, one is cut, one removed: they, and only they, have to be named.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import resource
import time
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from asynccrawl import Settings
from asynccrawl.ledger import FILE_NAME, Ledger
from asynccrawl.models import Outcome, Record, Request, Sample

from .processes import MIB, measured
from .world import Broken, command, started

FILES, BYTES, CLASSES, BATCH = 20_000, 110_000, 100, 1_000
MOST = 150 * MIB
"""Memory that it may have at any size: a page of rows, and from 20,000 pictures on a process for each core."""


@dataclass(frozen=True)
class Measured:
    """One run: seconds, of the clock and of processors, and the most memory."""

    files: int
    seconds: float
    busy: float
    pss: int

    def __str__(self) -> str:
        return (
            f"    {self.files:>9,} files of {BYTES / 1000:.0f} kB: {self.seconds:6.1f} s, "
            f"{self.files / self.seconds:,.0f} files/s, {self.busy / self.seconds:.2f} of {os.cpu_count()} cores, "
            f"{self.pss / MIB:.0f} MiB at most"
        )


def run(given: Namespace, room: Path) -> str:
    """A small and a large tree. Returns what to print. Raises Broken."""
    files = 600 if given.quick else given.records or FILES
    small, large = (_measured(room / name, count) for name, count in (("small", files // 20), ("large", files)))
    text = f"verify: from the page cache\n{small}\n{large}"
    if large.pss > MOST * max(1, (os.cpu_count() or 1) / 2):
        raise Broken(f"it takes too much memory\n{text}")
    return text


def _measured(dest: Path, files: int) -> Measured:
    asyncio.run(_make(dest, files))
    damaged = [_path(n) for n in (files // 3, files // 2, files - 1)]
    data = bytearray((dest / damaged[0]).read_bytes())
    data[BYTES // 2] ^= 1
    (dest / damaged[0]).write_bytes(data)
    os.truncate(dest / damaged[1], BYTES // 2)
    (dest / damaged[2]).unlink()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began, most = time.monotonic(), 0
    with started(command("verify", dest), dest.with_suffix(".log")) as process:
        while process.poll() is None:
            sample = measured(process.pid, 0.0)
            most = max(most, sample.pss if sample else 0)
            time.sleep(0.05)
    seconds = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    shown = dest.with_suffix(".log").read_text()
    named = [path for path in damaged if path in shown]
    if process.returncode != 1 or named != damaged or f"{files:,} saved pictures checked, 3 differ" not in shown:
        raise Broken(f"verify ended with {process.returncode} and named {named}: {shown[-2000:]}")
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(files, seconds, busy, most)


def _path(n: int) -> str:
    return f"n{n % CLASSES:03d}/n{n % CLASSES:03d}_{n}.jpg"


async def _make(dest: Path, files: int) -> None:
    """Files of random bytes, and the ledger that a crawl of them would have left."""
    rng = random.Random(files)
    dest.mkdir()
    ledger = await Ledger.open(dest / FILE_NAME, Settings().deciding())
    for start in range(0, files, BATCH):
        records, outcomes = [], []
        for n in range(start, min(files, start + BATCH)):
            path, data = _path(n), rng.randbytes(BYTES)
            (dest / path).parent.mkdir(exist_ok=True)
            (dest / path).write_bytes(data)
            name, label = Path(path).stem, path[:4]
            request = Request(f"http://h{n % 1000}.example/{n}.jpg", name)
            records.append(Record(n, n + 1, name, label, request, f"h{n % 1000}.example"))
            sample = Sample(
                request, n, name, label, "jpeg", data=data, width=500, height=375, mode="RGB", bytes=BYTES,
                sha256=hashlib.sha256(data).hexdigest(), line=n + 1, attempts=1,
            )  # fmt: skip
            outcomes.append(Outcome.of(sample, path))
        await ledger.enter(records)
        await ledger.settle(outcomes)
    await ledger.aclose()
