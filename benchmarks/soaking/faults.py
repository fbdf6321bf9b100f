"""Minutes under faults: a fifth of all answers, and of all look-ups. Memory, descriptors and tasks must stay flat."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from .processes import MIB, Sample, measured, trend
from .site import pictures
from .world import OPEN, Broken, Site, rows, started

HOSTS, SHARE = 50, 0.2
GROWTH = {"memory": 8 * MIB, "descriptors": 100.0, "tasks": 20.0}
"""What a figure may have grown by from the second quarter of the time to the last, by medians."""
MOST = {"memory": 200 * MIB, "descriptors": 2_500.0, "tasks": 400.0}
"""The most that it may ever be. There are 100 fetches at once; connections are kept for 15 s."""
WATCHED = Path(__file__).with_name("watched.py")


def run(given: Namespace, room: Path) -> str:
    """`given.minutes` of faults. Returns what to print. Raises Broken."""
    seconds = 5.0 if given.quick else given.minutes * 60
    records = 20_000 if given.quick else 2_000_000
    with Site(scenario="faults", hosts=HOSTS, records=records, seed=given.seed, share=SHARE) as site:
        served = pictures(records)
        with (room / "list").open("w") as lines:
            for n in range(records):
                lines.write(f"n{n % 500:03d}_{n} http://host{n % HOSTS}.example:{site.port}{served.path(n)}\n")
        words = [
            sys.executable,
            str(WATCHED),
            str(room / "tasks"),
            "crawl",
            str(room / "list"),
            str(room / "dest"),
            *OPEN,
        ]
        words += ["--nameserver", site.nameserver, "--timeout", "5", "--msg", "10"]
        with started(words, room / "log") as process:
            samples = list(_samples(process.pid, seconds, room / "tasks"))
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            code = process.wait(20)
        if code not in (0, 143):
            raise Broken(f"the crawl ended with {code}: {(room / 'log').read_text()[-2000:]}")
        requests = sum(site.asked().values())
    table = rows(room / "dest")
    saved = sum(row["status"] == "saved" for row in table)
    told = _judged(samples, check=not given.quick)
    return (
        f"faults: {samples[-1].at:.0f} s, {requests:,} requests of which {SHARE:.0%} met a fault, {saved:,} pictures "
        f"saved of {len(table):,} decided records, {100 * saved / max(1, len(table)):.1f} %\n{told}"
    )


def _samples(pid: int, seconds: float, tasks: Path) -> Iterator[Sample]:
    began = time.monotonic()
    while (at := time.monotonic() - began) < seconds:
        count = 0
        with contextlib.suppress(OSError, ValueError):
            count = int(tasks.read_text())
        sample = measured(pid, at, count)
        if sample is None:
            return
        yield sample
        time.sleep(min(1.0, seconds / 50))


def _judged(samples: list[Sample], *, check: bool) -> str:
    """The trends in words. Raises Broken where a figure grows, if it is to be checked."""
    lines = []
    for name, figure, unit, divisor in (
        ("memory", lambda s: float(s.pss), " MiB", MIB),
        ("descriptors", lambda s: float(s.descriptors), "", 1),
        ("tasks", lambda s: float(s.tasks), "", 1),
    ):
        found = trend(samples, figure)
        lines.append(
            f"    {name:<12} {found.early / divisor:7.1f}{unit} in the second quarter, "
            f"{found.late / divisor:7.1f}{unit} in the last (bound: +{GROWTH[name] / divisor:.0f}), "
            f"{found.slope / divisor:+.2f}{unit} a minute, {found.most / divisor:.0f}{unit} at most "
            f"(bound: {MOST[name] / divisor:.0f})"
        )
        if check and (found.growth > GROWTH[name] or found.most > MOST[name]):
            raise Broken(f"{name} grows:\n" + "\n".join(lines))
    return "\n".join(lines)
