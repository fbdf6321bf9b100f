"""How images a second follow from one setting or circumstance at a time.

    python benchmarks/scaling.py [AXIS ...] [--quick] [--rounds 3] [--dest DIR] [--cache DIR] [--json FILE]

Axes: concurrency (1 to 1,000), hosts (1 to 10,000), processes (decoder processes), size (5 kB to 5 MB a picture),
latency (0 to 200 ms in the server, where the rate should be concurrency / latency until a core is full). Each point is
one command from start to exit, so the start of about 0.3 s is in every figure; all that it was to fetch is there after
each run, or the benchmark ends. Memory over 10,000 to 2,000,000 records is measured by `benchmarks/soak.py memory`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import results
from corpus import photographs, served
from measuring import Failed, compile_ours, run
from peers import written
from PIL import Image
from rounds import Faulty

JOBS = 100
_HOSTS = 20
_LATENCIES = (0, 10, 50, 100, 200)
_SIDES = {5: 120, 50: 400, 500: 1300, 5000: 4200}
"""Side of a square picture of noise-like texture by its size in kB."""


@dataclass(frozen=True)
class Point:
    """One run: what varies, its value, URLs, flags, the server's process, and the rate that is to be expected."""

    axis: str
    value: int
    urls: Sequence[str]
    flags: tuple[str, ...] = ()
    server: psutil.Process | None = None
    expected: float | None = None


Axis = Callable[[argparse.Namespace, Path], Iterator[Point]]


def over_photographs(given: argparse.Namespace, root: Path) -> contextlib.AbstractContextManager[Any]:
    """The photographs of `throughput.py`."""
    return served(photographs(given.records, given.cache), given.records, root)


def concurrency(given: argparse.Namespace, root: Path) -> Iterator[Point]:
    """Fetches in flight."""
    with over_photographs(given, root) as (_, urls, server):
        for jobs in (1, 3, 10, 30, 100, 300, 1000):
            yield Point("concurrency", jobs, urls, ("--jobs", str(jobs), "--per-host", str(jobs)), server)


def hosts(given: argparse.Namespace, root: Path) -> Iterator[Point]:
    """Hosts that hold the list: every loopback address is one."""
    with over_photographs(given, root) as (_, urls, server):
        for count in (1, 10, 100, 1_000, 10_000):
            names = [f"127.{n // 65_536}.{n // 256 % 256}.{n % 256}" for n in range(256, 256 + count)]
            spread = [url.replace(_host(url), names[n % count]) for n, url in enumerate(urls)]
            yield Point("hosts", count, spread, ("--per-host", str(JOBS)), server)


def processes(given: argparse.Namespace, root: Path) -> Iterator[Point]:
    """Decoder processes; 0 are threads."""
    with over_photographs(given, root) as (_, urls, server):
        for count in range((os.cpu_count() or 1) + 1):
            yield Point("processes", count, urls, ("--per-host", str(JOBS), "--processes", str(count)), server)


def size(given: argparse.Namespace, root: Path) -> Iterator[Point]:
    """Kilobytes of a picture."""
    for kilobytes, side in _SIDES.items():
        pictures = root / f"pictures-{kilobytes}"
        count = max(20, min(given.records, given.records * 50 // kilobytes))
        _textures(pictures, count, side)
        with served(pictures, count, root) as (_, urls, server):
            yield Point("size", kilobytes, urls, ("--per-host", str(JOBS)), server)
        shutil.rmtree(pictures)


def latency(given: argparse.Namespace, root: Path) -> Iterator[Point]:
    """Milliseconds that the server waits before each answer; it is the kit's, in a process of its own."""
    for milliseconds in _LATENCIES:
        order = {"scenario": "isolation", "hosts": _HOSTS, "stalled": 0, "seed": 1, "latency": milliseconds / 1000}
        server = Faulty(order)
        try:
            urls = [f"http://127.0.0.{n % _HOSTS + 1}:{server.port}/{n:06d}.jpg" for n in range(given.records)]
            expected = 1000 * JOBS / milliseconds if milliseconds else None
            yield Point("latency", milliseconds, urls, ("--per-host", str(JOBS)), None, expected)
        finally:
            server.kill()


AXES: dict[str, Axis] = {one.__name__: one for one in (concurrency, hosts, processes, size, latency)}


def _host(url: str) -> str:
    return url.split("/")[2].partition(":")[0]


def _textures(directory: Path, count: int, side: int) -> None:
    """JPEGs whose content is detailed everywhere, so that their sizes follow from their sides alone."""
    directory.mkdir()
    file = io.BytesIO()
    Image.effect_noise((side, side), 40).convert("RGB").save(file, "JPEG", quality=60)
    data = file.getvalue()
    for number in range(count):
        comment = b"\xff\xfe\x00\x0a" + f"{number:08d}".encode()
        (directory / f"{number:06d}.jpg").write_bytes(data[:2] + comment + data[2:])


def rate(point: Point, root: Path) -> float:
    """Images a second of one run. Exits unless all of them are there."""
    scratch = Path(tempfile.mkdtemp(dir=root))
    try:
        listed = written(scratch, "list.txt", [f"n{n // 100:08d}_{n} {url}" for n, url in enumerate(point.urls)])
        words = [sys.executable, "-m", "asynccrawl", "crawl", listed, str(scratch / "out"), *point.flags]
        cost = run([*words, "--allow-net", "127.0.0.0/8", "--msg", "60"], scratch / "log", point.server)
        saved = sum(1 for _ in (scratch / "out").rglob("*.jpg"))
        if saved != len(point.urls):
            raise Failed(f"{saved} of {len(point.urls)} pictures")
        return len(point.urls) / cost.seconds
    except Failed as error:
        raise SystemExit(f"{point.axis} {point.value}: {error}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def measure(point: Point, rounds: int, root: Path) -> dict[str, Any]:
    """The figures of a point: median, least, most."""
    rates = [rate(point, root) for _ in range(rounds)]
    return {
        "axis": point.axis, "value": point.value, "records": len(point.urls), "rate": statistics.median(rates),
        "least": min(rates), "most": max(rates), "expected": point.expected,
    }  # fmt: skip


def told_on_the_command_line() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("axes", nargs="*", metavar="AXIS", help=f"of {', '.join(AXES)}; all without")
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round, 500 records")
    parser.add_argument("--dest", type=Path, default=Path(tempfile.gettempdir()), help="where to write")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "asynccrawl-benchmark")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    given = parser.parse_args()
    if given.quick:
        given.records, given.rounds = min(given.records, 500), 1
    if given.records < 1 or given.rounds < 1:
        parser.error("--records and --rounds must be 1 or more")
    for name in given.axes:
        if name not in AXES:
            parser.error(f"{name!r} is no axis; there are: {', '.join(AXES)}")
    return given


def main() -> None:
    given = told_on_the_command_line()
    given.dest.mkdir(parents=True, exist_ok=True)
    compile_ours()
    rows = []
    print(f"{'':<16}{'images/s, median':<26}{'concurrency/latency':>20}{'records':>9}   of {given.rounds} rounds")
    with tempfile.TemporaryDirectory(dir=given.dest) as root:
        for name in given.axes or AXES:
            for point in AXES[name](given, Path(root)):
                row = measure(point, given.rounds, Path(root))
                rows.append(row)
                spread, due = f"({row['least']:.0f} to {row['most']:.0f})", row["expected"]
                shown = f"{due:.0f}" if due else "-"
                print(
                    f"{name:<12}{point.value:>6,} {row['rate']:>7.0f} {spread:<17}{shown:>18}{row['records']:>9,}",
                    flush=True,
                )
    if given.json:
        results.save(given.json, "scaling", rows, {"records": given.records, "rounds": given.rounds, "jobs": JOBS})


if __name__ == "__main__":
    main()
