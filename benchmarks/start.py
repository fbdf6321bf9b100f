"""What every command costs before its first picture and after its last.

    python benchmarks/start.py [--rounds 7] [--records 1000000] [--json FILE]

Wall and processor time, medians with the smallest: the version, the import, crawls of one and of a hundred small JPEGs
from the kit's server in a process of its own, the same crawl again when it is finished, and a list of a million records
up to its first request, after which the crawl is killed. The package is compiled first, as an installed one is.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import results
from measuring import compile_ours
from rounds import Faulty

COMMAND = [sys.executable, "-m", "asynccrawl"]
OPEN = ["--allow-net", "127.0.0.0/8", "--msg", "60"]
Spent = tuple[float, float]
"""Seconds of wall and of processor time."""


def timed(*words: str) -> Spent:
    """Run a command to its end."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def crawled(root: Path, port: int, count: int, *, again: bool = False) -> Spent:
    """Crawl so many pictures into a new directory; with `again`, the time of the second run."""
    listed, dest = root / "list.txt", root / "out"
    listed.write_text("".join(f"n0_{n} http://127.0.0.{n % 20 + 1}:{port}/{n}.jpg\n" for n in range(count)))
    words = [*COMMAND, "crawl", str(listed), str(dest), *OPEN]
    try:
        spent = timed(*words)
        if again:
            spent = timed(*words)
        there = sum(1 for _ in dest.glob("*/*.jpg"))
        assert there == count, f"{there} of {count} pictures"
        return spent
    finally:
        shutil.rmtree(dest, ignore_errors=True)


def until_the_first_request(root: Path, count: int) -> Spent:
    """How long a list of so many records on 10,000 hosts takes to be begun with."""
    listed, dest = root / f"list-{count}.txt", root / "out"
    with socket.create_server(("0.0.0.0", 0)) as server:
        port, came = server.getsockname()[1], threading.Event()
        with listed.open("w") as file:
            for n in range(count):
                file.write(f"n{n // 1000}_{n} http://127.0.{n % 10_000 // 250}.{n % 250 + 1}:{port}/{n}.jpg\n")
        threading.Thread(target=lambda: (server.accept(), came.set()), daemon=True).start()
        began = time.perf_counter()
        words = [*COMMAND, "crawl", str(listed), str(dest), *OPEN]
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            asked = came.wait(60)
            spent = time.perf_counter() - began
            process.kill()
            _, _, used = os.wait4(process.pid, 0)
            process.returncode = 0
    shutil.rmtree(dest, ignore_errors=True)
    assert asked, "no request came"
    return spent, used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--records", type=int, default=1_000_000, help="of the long list")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    given = parser.parse_args()
    compile_ours()
    server = Faulty({"scenario": "isolation", "hosts": 20, "stalled": 0, "seed": 1, "latency": 0.0})
    rows: list[dict[str, Any]] = []
    print(f"{'seconds, median (least)':>48}{'of a processor':>18}   of {given.rounds} rounds after one to warm up")
    try:
        with tempfile.TemporaryDirectory() as room:
            root, port = Path(room), server.port
            parts: list[tuple[str, Callable[[], Spent]]] = [
                ("python", lambda: timed(sys.executable, "-c", "pass")),
                ("import asynccrawl", lambda: timed(sys.executable, "-c", "import asynccrawl")),
                ("asynccrawl --version", lambda: timed(*COMMAND, "--version")),
                ("crawl of 1", lambda: crawled(root, port, 1)),
                ("crawl of 100", lambda: crawled(root, port, 100)),
                ("crawl of 100, finished", lambda: crawled(root, port, 100, again=True)),
                (f"{given.records:,} records", lambda: until_the_first_request(root, given.records)),
            ]
            for name, part in parts:
                spent = [part() for _ in range(given.rounds + 1)][1:]
                walls, used = [wall for wall, _ in spent], statistics.median(cpu for _, cpu in spent)
                rows.append({"name": name, "seconds": statistics.median(walls), "least": min(walls), "cpu": used})
                print(f"{name:<30}{rows[-1]['seconds']:>9.3f} ({min(walls):.3f}){used:>18.3f}", flush=True)
    finally:
        server.kill()
    if given.json:
        results.save(given.json, "start", rows, {"rounds": given.rounds, "records": given.records})


if __name__ == "__main__":
    main()
