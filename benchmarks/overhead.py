"""What our own parts cost, each alone: thousands a second of records, rows, files or pictures.

    python benchmarks/overhead.py [--scale 1.0] [--rounds 3] [--dest DIR]

No network and no foreign server. Every part is given the same work in each round, in a fresh state; that it was done
is asserted; medians are shown with the smallest and largest. The time of decoder processes has their start in it.
"""

from __future__ import annotations

import argparse
import asyncio
import bisect
import functools
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any

import results
import uvloop

from asynccrawl import DirectorySink, HostLimits, ImagePolicy, ListOptions, NullSink, Sample, Settings
from asynccrawl.admission import admit
from asynccrawl.decoder import ProcessDecoder
from asynccrawl.engine import Engine
from asynccrawl.frontier import Frontier, Signal
from asynccrawl.frontier.spill import MAX_QUEUED
from asynccrawl.imaging import Facts, examine
from asynccrawl.ledger import Contents, Ledger
from asynccrawl.models import Failure, Hop, Outcome, Record, Request, Response
from asynccrawl.screening import Screening
from asynccrawl.sources import entries
from asynccrawl.testing import MemoryBacklog, picture
from asynccrawl.testing.pictures import numbered

BATCH = 64
FACTS = Facts("jpeg", "jpg", 1, 1, "RGB", 1, "0" * 64, None)
JPEG = picture(size=(500, 375), seed=1, quality=85)


# What parts are fed is made once, in the round that warms up.


@functools.cache
def records(count: int, hosts: int = 1000) -> list[Record]:
    made = []
    for n in range(count):
        host = f"h{n % hosts}.example"
        made.append(Record(n, n + 1, f"n{n}", f"c{n % 100}", Request(f"http://{host}/{n}.jpg", f"n{n}"), host))
    return made


@functools.cache
def bodies(count: int) -> list[bytes]:
    return [numbered(JPEG, n) for n in range(count)]


def sample(n: int, data: bytes) -> Sample:
    request = Request(f"http://h/{n}.jpg", f"n{n}")
    return Sample(
        request, n, f"n{n}", f"c{n % 100}", "jpeg", data=data, bytes=len(data), line=n + 1, attempts=1,
        sha256=f"{n:064x}",
    )  # fmt: skip


class NullFetcher:
    """Answers at once, with the same body."""

    async def fetch(self, hop: Hop, heard: Callable[[], None] = lambda: None) -> Response:
        return Response(hop.url, 200, data=b"x", size=1, content_type="image/jpeg")


class NullDecoder:
    """Takes everything for a picture."""

    async def examine(self, body: bytes | Path, content_type: str | None, whole: bool = False) -> Facts:
        return FACTS

    def story(self) -> list[str]:
        return []


class IndexedBacklog(MemoryBacklog):
    """The kit's, which looks through all its records for those of a host, with an index as the ledger has one."""

    def __init__(self) -> None:
        super().__init__()
        self._by_host: defaultdict[str, list[Record]] = defaultdict(list)

    async def enter(self, batch: Sequence[Record | Failure]) -> Sequence[Record | Failure]:
        for item in batch:
            if isinstance(item, Record):
                self._by_host[item.host].append(item)
        return batch

    async def take(self, host: str, after: int, n: int) -> Sequence[Record]:
        await asyncio.sleep(0)
        of_host = self._by_host[host]
        start = bisect.bisect_right(of_host, after, key=lambda record: record.ordinal)
        return of_host[start : start + n]


async def in_batches(items: list[Any], size: int = 500) -> AsyncIterator[list[Any]]:
    for at in range(0, len(items), size):
        yield items[at : at + size]


async def engine_alone(count: int, scratch: Path) -> int:
    """Records through reader, frontier, slots, outbox and result, with a fetcher and a decoder that do nothing."""
    engine = Engine(Settings(), NullFetcher(), NullDecoder())
    sink = NullSink()
    async for batch in engine.run(in_batches(records(count)), IndexedBacklog()):
        await sink.write([result for result in batch if isinstance(result, Sample)])
    return sink.written


async def frontier_alone(count: int, scratch: Path) -> int:
    frontier, done = Frontier(HostLimits(per_host=8, window=10**6)), 0
    frontier.more_to_come = True
    async for batch in in_batches(records(count), MAX_QUEUED // 2):  # beyond its bound a frontier only counts
        for record in batch:
            frontier.offer(Hop.first(record, 60.0), 0.0)
        while (flight := frontier.next(0.0)) is not None:
            frontier.heard(flight, 0.0)
            frontier.finish(flight, 0.0, Signal.ANSWERED)
            done += 1
    return done


async def ledger_alone(count: int, scratch: Path) -> int:
    async with aclosing(await Ledger.open(scratch / "ledger.sqlite3", Settings().deciding())) as ledger:
        await saved(ledger, count)
        return (await ledger.counts())["saved"]


async def saved(ledger: Ledger, count: int) -> None:
    async for batch in in_batches(records(count)):
        await ledger.enter(batch)
    async for batch in in_batches(list(range(count)), BATCH):
        await ledger.settle([Outcome.of(sample(n, b"x"), f"c/{n}.jpg") for n in batch])


async def screening_alone(count: int, scratch: Path) -> int:
    """Samples with contents of their own, against a ledger that holds as many, which the round that warms up makes."""
    made = scratch.parent / f"saved-{count}.sqlite3"
    fresh = not made.exists()
    async with aclosing(await Ledger.open(made, Settings().deciding())) as ledger:
        if fresh:
            await saved(ledger, count)
        screening = Screening(ImagePolicy(signatures=()), None, Contents(ledger))
        await screening.load()
        kept = 0
        async for batch in in_batches([sample(count + n, b"x") for n in range(count)], BATCH):
            kept += (await screening.judge(batch)).count(None)
        return kept


async def sink_alone(count: int, scratch: Path) -> int:
    sink = DirectorySink(scratch / "files")
    samples = [sample(n, body) for n, body in enumerate(bodies(count))]
    for at in range(0, count, BATCH):
        await sink.write(samples[at : at + BATCH])
    await sink.aclose()
    return sum(1 for _ in (scratch / "files").glob("*/*.jpg"))


async def list_alone(count: int, scratch: Path) -> int:
    listed = scratch / "list.txt"
    listed.write_text("".join(f"n{n // 100:08d}_{n} http://h{n % 1000}.example/{n}.jpg\n" for n in range(count)))
    done = 0
    async for part in admit(entries(listed, ListOptions()), ListOptions()):
        done += sum(isinstance(item, Record) for item in part.records)
    return done


def decoding(threads: int, decode: str) -> Callable[[int, Path], Coroutine[Any, Any, int]]:
    async def decode_alone(count: int, scratch: Path) -> int:
        policy = ImagePolicy(decode=decode)
        with ThreadPoolExecutor(threads) as pool:
            facts = list(pool.map(lambda body: examine(body, policy, "image/jpeg"), bodies(count)))
        return sum(fact.format == "jpeg" for fact in facts)

    return decode_alone


def decoding_apart(processes: int) -> Callable[[int, Path], Coroutine[Any, Any, int]]:
    async def decode_apart(count: int, scratch: Path) -> int:
        decoder = ProcessDecoder(ImagePolicy(), processes)
        try:
            facts = await asyncio.gather(*(decoder.examine(body, "image/jpeg") for body in bodies(count)))
        finally:
            await decoder.aclose()
        return sum(fact.format == "jpeg" for fact in facts)

    return decode_apart


PARTS: list[tuple[str, int, Callable[[int, Path], Coroutine[Any, Any, int]]]] = [
    ("list and admission, lines", 200_000, list_alone),
    ("frontier, hops", 100_000, frontier_alone),
    ("engine without network, records", 30_000, engine_alone),
    ("ledger, rows entered and settled", 50_000, ledger_alone),
    ("screening, samples", 50_000, screening_alone),
    ("directory sink, files", 3_000, sink_alone),
    ("full decode, 1 thread, pictures", 1_000, decoding(1, "full")),
    ("full decode, 2 threads, pictures", 1_000, decoding(2, "full")),
    ("full decode, 3 threads, pictures", 1_000, decoding(3, "full")),
    *((f"full decode, {n} processes, pictures", 4_000, decoding_apart(n)) for n in (1, 2, 3)),
    ("no decode, 1 thread, pictures", 2_000, decoding(1, "none")),
]


def once(part: Callable[[int, Path], Coroutine[Any, Any, int]], count: int, room: Path) -> float:
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    scratch = tempfile.mkdtemp(dir=room)  # deleted with the room: ext4 is slow where many files were just deleted
    with runner:
        began = time.perf_counter()
        done = runner.run(part(count, Path(scratch)))
        spent = time.perf_counter() - began
    assert done == count, f"{done} of {count} done"
    return count / spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual amount of work")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dest", type=Path, default=None, help="where to write; default: the temporary directory")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    options = parser.parse_args()
    size, rows = len(JPEG) / 1000, []
    print(f"{'a second, median':>52}  of {options.rounds} rounds after one to warm up; JPEGs of {size:.0f} kB")
    with tempfile.TemporaryDirectory(dir=options.dest) as room:
        for name, usual, part in PARTS:
            count = max(1, int(usual * options.scale))
            rates = [once(part, count, Path(room)) for _ in range(options.rounds + 1)][1:]
            rate = statistics.median(rates)
            rows.append({"name": name, "rate": rate, "least": min(rates), "most": max(rates), "us": 1e6 / rate})
            print(
                f"{name:<36}{rate:>16,.0f} {1e6 / rate:>9,.1f} us  ({min(rates):,.0f} to {max(rates):,.0f})", flush=True
            )
    if options.json:
        results.save(options.json, "overhead", rows, {"rounds": options.rounds, "scale": options.scale})


if __name__ == "__main__":
    main()
