"""A list sorted by host whose first half is one slow host: are the others served at once, and is memory flat?

    python benchmarks/sorted_list.py [--records 200000]

Everything is real but the network and the decoder (`FakeFetcher`, `FakeDecoder`): list file, admission, ledger,
frontier, engine, recorder. The slow host takes 50 ms an answer, the nineteen others none. The crawl is drained once all
of the others are served. The same is done with a twentieth of the records, and the growth of the process is printed.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import asynccrawl
from asynccrawl.engine import Engine
from asynccrawl.job import Job
from asynccrawl.ledger import Ledger
from asynccrawl.listing import Listing
from asynccrawl.models import Hop, Response
from asynccrawl.recorder import Recorder
from asynccrawl.screening import Screening
from asynccrawl.sources import entries
from asynccrawl.testing.fakes import FakeDecoder, FakeFetcher


class SlowHost(FakeFetcher):
    async def fetch(self, hop: Hop, heard: Callable[[], None] = lambda: None) -> Response:
        if hop.host == "slow.example":
            await asyncio.sleep(0.05)
        self.started.clear()  # the fake remembers every hop; what is measured here is what the crawl remembers
        return await super().fetch(hop, heard)


async def crawl(room: Path, records: int) -> dict[str, float]:
    half = records // 2
    listed = room / "list.txt"
    with listed.open("w") as file:
        file.writelines(f"n01_{i}\thttp://slow.example/{i}.jpg\n" for i in range(half))
        file.writelines(f"n02_{i}\thttp://h{(i - half) * 19 // half}.example/{i}.jpg\n" for i in range(half, records))
    settings = asynccrawl.Settings()
    ledger = await Ledger.open(room / "ledger.sqlite3", settings.deciding())
    engine = Engine(settings, SlowHost(lambda hop: b"x" * 50_000), FakeDecoder())
    sink = asynccrawl.NullSink()
    listing = Listing(entries(listed, settings.list), settings, ledger)
    job = Job(listing, settings, ledger, engine, Recorder(Screening(settings.image, ()), sink, ledger))
    began, first, quick, most = time.perf_counter(), 0.0, 0, 0
    async for batch in job.results():
        quick += sum(result.label == "n02" for result in batch)
        first = first or (time.perf_counter() - began if quick else 0.0)
        most = max(most, engine.frontier.queued)
        if quick == records - half:
            job.drain()
    spent = time.perf_counter() - began
    await ledger.aclose()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"records": records, "seconds": spent, "first_other": first, "most_queued": most, "peak_mib": peak}


def measure(records: int) -> dict[str, float]:
    """One crawl in a process of its own, since a process's peak never falls."""
    with tempfile.TemporaryDirectory() as room:
        words = [sys.executable, __file__, "--inner", room, "--records", str(records)]
        return dict(json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--inner", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inner:
        print(json.dumps(asyncio.run(crawl(options.inner, options.records))))
        return
    small, large = measure(options.records // 20), measure(options.records)
    for row in (small, large):
        print(
            f"{row['records']:>9,.0f} records: another host first after {row['first_other']:.2f} s, all others "
            f"after {row['seconds']:.1f} s; at most {row['most_queued']:.0f} hops queued; "
            f"peak {row['peak_mib']:.0f} MiB"
        )
    print(f"growth: {large['peak_mib'] - small['peak_mib']:.1f} MiB")


if __name__ == "__main__":
    main()
