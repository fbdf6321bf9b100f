"""Images a second, beside the programs that people use instead.

    python benchmarks/throughput.py [--records 2000] [--rounds 5] [--size 50|110] [--only NAME,...] [--dest DIR]
                                    [--cache DIR] [--ours FLAGS] [--json FILE]

One nginx in its own process serves real photographs of 500x375 (about --size kB, one in ten progressive, no two alike)
on twenty loopback addresses. Each program downloads the same list with a hundred requests at once, as its own command,
from start to exit, into a new directory under --dest (name a directory on disk or in memory). The first round warms up,
and shows the memory of each program's processes together; in the others the rows are interleaved, the order rotates,
and medians are shown with the smallest and largest. After every run it is asserted that all pictures are there, byte
for byte as many as were served. A program that is missing is a row that says how to install it. img2dataset and Scrapy
are looked for beside this Python, on PATH, and in the variables IMG2DATASET and SCRAPY.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import results
from corpus import QUALITIES, photographs, served
from measuring import Cost, Failed, compile_ours, run
from peers import JOBS, Peer, peers

REFERENCE = "img2dataset"
"""The row that others are compared with."""


@dataclass
class Row:
    """What was measured of one program."""

    peer: Peer
    costs: list[Cost] = field(default_factory=list)
    memory: float = 0.0

    def figures(self, records: int) -> dict[str, Any]:
        """Images a second (median, least, most), processor microseconds an image, and MB."""
        rates = [records / cost.seconds for cost in self.costs]
        return {
            "name": self.peer.name, "checks": self.peer.checks, "rate": statistics.median(rates), "least": min(rates),
            "most": max(rates), "client_us": self._each("client", records), "server_us": self._each("server", records),
            "memory_mb": self.memory,
        }  # fmt: skip

    def _each(self, what: str, records: int) -> float:
        return 1e6 * statistics.median(getattr(cost, what) for cost in self.costs) / records


@dataclass(frozen=True)
class Work:
    """What every program is given: the URLs, how many bytes they are together, and a directory to work in.

    `keep`: whether what was downloaded stays there until the end.
    """

    urls: Sequence[str]
    total: int
    server: psutil.Process | None
    root: Path
    keep: bool

    def done_by(self, peer: Peer, *, warming_up: bool) -> Cost:
        """One download into a new directory. Exits unless all of it is there."""
        scratch = Path(tempfile.mkdtemp(dir=self.root))
        dest = scratch / "out"
        os.sync()  # else whoever brings its files to the disk brings those of the row before, too
        try:
            words = peer.words(self.urls, scratch, dest)
            cost = run(words, scratch / "log", self.server, watch_memory=warming_up)
            sizes = [path.stat().st_size for path in dest.rglob("*.jpg")]
            if len(sizes) != len(self.urls) or (sum(sizes) != self.total and "re-encoded" not in peer.checks):
                raise Failed(f"{len(sizes)} of {len(self.urls)} pictures, {sum(sizes)} of {self.total} bytes")
            return cost
        except Failed as error:
            raise SystemExit(f"{peer.name}: {error}") from error
        finally:
            if not self.keep:
                shutil.rmtree(scratch, ignore_errors=True)


def measure(rows: list[Row], work: Work, rounds: int) -> None:
    """All rows in each round, in an order that rotates."""
    there = [row for row in rows if not row.peer.missing]
    for number in range(rounds + 1):
        turn = number % max(1, len(there))
        for row in there[turn:] + there[:turn]:
            cost = work.done_by(row.peer, warming_up=not number)
            if number:
                row.costs.append(cost)
            else:
                row.memory = cost.memory


def show(rows: list[Row], told: dict[str, Any]) -> list[dict[str, Any]]:
    """Print the table; returns its figures."""
    print(
        f"{told['records']} JPEGs of 500x375, {told['kilobytes']:.0f} kB on average, served by {told['server']};\n"
        f"{told['rounds']} rounds after one to warm up; whole commands, from start to exit; {JOBS} requests at once in "
        f"all and on a host;\nonto {told['dest']} ({told['file_system']})"
    )
    head = f"{'':<28}{'images/s, median':<24}{'x ' + REFERENCE:>14}{'CPU us/image':>14}{'server':>8}{'MB':>6}  checks"
    print(head)
    figures = {row.peer.name: row.figures(told["records"]) for row in rows if row.costs}
    base = figures.get(REFERENCE, {}).get("rate")
    for row in rows:
        if row.peer.name not in figures:
            print(f"{row.peer.name:<28} not installed: {row.peer.install}")
            continue
        made = figures[row.peer.name]
        spread = f"({made['least']:.0f} to {made['most']:.0f})"
        ratio = f"{made['rate'] / base:.2f}" if base else "-"
        print(
            f"{made['name']:<28}{made['rate']:>6.0f} {spread:<17}{ratio:>14}{made['client_us']:>14.0f}"
            f"{made['server_us']:>8.0f}{made['memory_mb']:>6.0f}  {made['checks']}"
        )
    return list(figures.values())


def file_system(path: Path) -> str:
    """The type of the file system that holds `path`."""
    parts = [part for part in psutil.disk_partitions(all=True) if path.resolve().is_relative_to(part.mountpoint)]
    return max(parts, key=lambda part: len(part.mountpoint)).fstype if parts else "unknown"


def measured(urls: Sequence[str]) -> int:
    """The bytes that the kit's server sends for all of its pictures."""
    import urllib.request

    return sum(len(urllib.request.urlopen(url).read()) for url in urls)


def told_on_the_command_line() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, choices=sorted(QUALITIES), default=50, help="kB of a picture, about")
    parser.add_argument("--only", default="", help="rows whose names begin so, separated by commas")
    parser.add_argument("--dest", type=Path, default=Path(tempfile.gettempdir()), help="where to write")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "asynccrawl-benchmark")
    parser.add_argument("--ours", type=shlex.split, default=[], help="further flags for our rows")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    given = parser.parse_args()
    if given.records < 1 or given.rounds < 1:
        parser.error("--records and --rounds must be 1 or more")
    wanted, known = [name for name in given.only.split(",") if name], peers(given.ours)
    for name in wanted:
        if not any(peer.name.startswith(name) for peer in known):
            parser.error(f"--only: no row begins with {name!r}; there are: {', '.join(peer.name for peer in known)}")
    given.peers = [peer for peer in known if not wanted or any(peer.name.startswith(name) for name in wanted)]
    return given


def main() -> None:
    given = told_on_the_command_line()
    rows = [Row(peer) for peer in given.peers]
    pictures = photographs(given.records, given.cache, given.size)
    given.dest.mkdir(parents=True, exist_ok=True)
    compile_ours()
    root = Path(tempfile.mkdtemp(dir=given.dest))
    try:
        with served(pictures, given.records, root) as (server, urls, process):
            known = process is not None
            total = sum(path.stat().st_size for path in pictures.iterdir()) if known else measured(urls)
            keep = file_system(given.dest) != "tmpfs"
            measure(rows, Work(urls, total, process, root, keep), given.rounds)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    told = {
        "records": given.records, "rounds": given.rounds, "kilobytes": total / given.records / 1000, "server": server,
        "dest": str(given.dest), "file_system": file_system(given.dest), "requests_at_once": JOBS,
    }  # fmt: skip
    figures = show(rows, told)
    if given.json:
        results.save(given.json, "throughput", figures, told | {"ours": given.ours})


if __name__ == "__main__":
    main()
