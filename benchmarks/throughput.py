"""Images a second, beside the programs that people use instead.

    python benchmarks/throughput.py [--records 2000] [--rounds 5] [--only NAME,...] [--dest DIR] [--cache DIR]

One nginx in its own process serves real photographs of 500x375 (about 50 kB, no two alike) on twenty loopback
addresses. Each program downloads the same list with a hundred requests at once, as its own command, from start to exit,
into a new directory under --dest (name a directory on disk or in memory). After one round of warming up the rounds are
interleaved, the order rotates, and medians are shown with the smallest and largest. After every run it is asserted that
all pictures are there, byte for byte as many as were served. A program that is missing is a row that says how to
install it. img2dataset is looked for beside this Python, on PATH, and in the variable IMG2DATASET.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from corpus import photographs, served
from peers import Peer, peers


@dataclass
class Row:
    """What was measured of one program: images a second, and milliseconds of processor time an image."""

    peer: Peer
    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)

    def text(self, best: float) -> str:
        if self.peer.missing:
            return f"{self.peer.name:<26}{'not installed: ' + self.peer.install}"
        rate, cost = statistics.median(self.rates), statistics.median(self.costs)
        spread = f"({min(self.rates):.0f} to {max(self.rates):.0f})"
        return f"{self.peer.name:<26}{rate:>8.0f} {spread:<16}{cost:>9.2f}{rate / best:>9.2f}  {self.peer.checks}"


def run(peer: Peer, urls: Sequence[str], root: Path, total: int) -> tuple[float, float]:
    """One download into a new directory; returns images a second and processor milliseconds an image."""
    scratch = Path(tempfile.mkdtemp(dir=root))
    dest = scratch / "out"
    try:
        words = peer.words(urls, scratch, dest)
        began = time.perf_counter()
        with (scratch / "log").open("wb") as log:
            process = subprocess.Popen(words, stdout=log, stderr=log)
            _, status, used = os.wait4(process.pid, 0)
        spent = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        sizes = [path.stat().st_size for path in dest.rglob("*.jpg")]
        if process.returncode or len(sizes) != len(urls) or sum(sizes) != total:
            tail = (scratch / "log").read_text(errors="replace")[-2000:]
            raise SystemExit(f"{peer.name}: exit {process.returncode}, {len(sizes)} of {len(urls)} pictures\n{tail}")
        return len(urls) / spent, 1000 * (used.ru_utime + used.ru_stime) / len(urls)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def measure(rows: list[Row], urls: Sequence[str], root: Path, total: int, rounds: int) -> None:
    there = [row for row in rows if not row.peer.missing]
    for number in range(rounds + 1):
        turn = number % max(1, len(there))
        for row in there[turn:] + there[:turn]:
            rate, cost = run(row.peer, urls, root, total)
            if number:  # the first round warms up
                row.rates.append(rate)
                row.costs.append(cost)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="rows whose names begin so, separated by commas")
    parser.add_argument("--dest", type=Path, default=Path(tempfile.gettempdir()), help="where to write")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "asynccrawl-benchmark")
    options = parser.parse_args()
    if options.records < 1 or options.rounds < 1:
        parser.error("--records and --rounds must be 1 or more")
    wanted = [name for name in options.only.split(",") if name]
    known = peers()
    for name in wanted:
        if not any(peer.name.startswith(name) for peer in known):
            parser.error(f"--only: no row begins with {name!r}; there are: {', '.join(peer.name for peer in known)}")
    rows = [Row(peer) for peer in known if not wanted or any(peer.name.startswith(name) for name in wanted)]
    pictures = photographs(options.records, options.cache)
    options.dest.mkdir(parents=True, exist_ok=True)
    root = Path(tempfile.mkdtemp(dir=options.dest))
    try:
        with served(pictures, options.records, root) as (server, urls):
            total = sum(path.stat().st_size for path in pictures.iterdir()) if server == "nginx" else measured(urls)
            measure(rows, urls, root, total, options.rounds)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    show(rows, options, server, total)


def measured(urls: Sequence[str]) -> int:
    """The bytes that the kit's server sends for all of its pictures."""
    import urllib.request

    return sum(len(urllib.request.urlopen(url).read()) for url in urls)


def show(rows: list[Row], options: argparse.Namespace, server: str, total: int) -> None:
    size = total / options.records / 1000
    print(f"{options.records} JPEGs of 500x375, {size:.0f} kB on average, served by {server};")
    print(f"{options.rounds} rounds after one to warm up; whole commands, from start to exit")
    print(f"{'':<26}{'images/s, median':<25}{'CPU ms/image':>12}{'ratio':>7}  checks")
    best = next((statistics.median(row.rates) for row in rows if row.rates), 1.0)
    for row in rows:
        print(row.text(best))


if __name__ == "__main__":
    main()
