"""Memory, descriptors and tasks over a list of 10,000 records and over one of 2,000,000.

Twice: as a call of the library in a process of its own, with everything real but network and decoder (a fetcher that
answers at once; list file, admission, ledger, engine, frontier, recorder, report), over as many hosts as real lists
have; and as the command with nothing but real parts, of whose list all but some thousand records are on hosts where
nobody listens.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .processes import MIB, Sample, measured
from .site import pictures
from .world import OPEN, Broken, Site, command, started

SMALL, LARGE = 10_000, 2_000_000
GROWTH = 30 * MIB
SERVED, DEAD_HOSTS, HOSTS = 8_000, 400, 20
LIBRARY = Path(__file__).with_name("library.py")


@dataclass(frozen=True)
class Measured:
    """The most that one run had, and how long it took."""

    records: int
    seconds: float
    pss: int
    descriptors: int
    told: str


def run(given: Namespace, room: Path) -> str:
    """Both, small and large. Returns what to print. Raises Broken."""
    small, large = (300, 2_000) if given.quick else (SMALL, given.records or LARGE)
    lines, grown = [], []
    for name, measure in (("library, null fetcher", _library), ("command, real parts", _command)):
        before, after = (measure(room, records) for records in (small, large))
        growth = after.pss - before.pss
        if growth >= GROWTH:
            grown.append(name)
        lines += [
            f"    {name:<22} {one.records:>9,} records: {one.pss / MIB:6.1f} MiB at most, {one.descriptors} "
            f"descriptors at most, {one.seconds:.0f} s; {one.told}"
            for one in (before, after)
        ]
        lines.append(f"    {name:<22} grows by {growth / MIB:.1f} MiB (bound: {GROWTH / MIB:.0f})")
    text = "\n".join(["memory: summed PSS of the process tree", *lines])
    if grown:
        raise Broken(f"{', '.join(grown)}\n{text}")
    return text


def _library(room: Path, records: int) -> Measured:
    """One call of the library."""
    listed = room / "list"
    with listed.open("w") as lines:
        # As real lists are: every fifth record is alone on its host, the others are on few.
        lines.writelines(
            f"n{n % 1000:03d}_{n} http://h{n if n % 5 == 0 else n % 997}.example/{n}.jpg\n" for n in range(records)
        )
    words = [sys.executable, str(LIBRARY), str(listed), str(room / f"library-{records}")]
    samples, seconds = _watched(words, room / "log")
    told = json.loads((room / "log").read_text().splitlines()[-1])
    if told["saved"] != records:
        raise Broken(f"the library saved {told['saved']} of {records}")
    if told["tasks"] != told["tasks_before"] or told["descriptors"] > told["descriptors_before"]:
        raise Broken(f"what the library leaves behind: {told}")
    return _most(
        records, samples, seconds, f"then {told['descriptors']} descriptors and {told['tasks']} task as before"
    )


def _command(room: Path, records: int) -> Measured:
    """One crawl by the command."""
    served = pictures(SERVED)
    with Site(scenario="faults", hosts=HOSTS, records=SERVED, seed=1, share=0.0) as site, socket.socket() as nobody:
        nobody.bind(("", 0))  # and does not listen, so that connections are refused
        refusing = nobody.getsockname()[1]
        with (room / "list").open("w") as lines:
            for n in range(records):
                dead = f"127.1.{n % DEAD_HOSTS // 200}.{n % DEAD_HOSTS % 200 + 1}:{refusing}"
                live = f"{site.hosts[n % HOSTS]}:{site.port}"
                every = records // min(SERVED, records // 2)
                is_live, number = n % every == 0, n // every
                there = is_live and number < SERVED
                lines.write(
                    f"n{n % 1000:03d}_{n} http://{live if there else dead}{served.path(number if there else n)}\n"
                )
        words = command("crawl", room / "list", room / f"command-{records}", *OPEN, "--retry", 0, "--msg", 5)
        samples, seconds = _watched(words, room / "log")
    shown = (room / "log").read_text()
    line = next(line for line in shown.splitlines() if "records saved" in line)
    if not line.startswith(f"{min(SERVED, records // 2):,} of") or "  connect\n" not in shown:
        raise Broken(f"the command did not do what was wanted: {shown[-2000:]}")
    return _most(records, samples, seconds, line)


def _watched(words: list[str], log: Path) -> tuple[list[Sample], float]:
    began = time.monotonic()
    with started(words, log) as process:
        samples = list(_samples(process, began))
        if process.wait():
            raise Broken(f"{words[1:3]} ended with {process.returncode}: {log.read_text()[-2000:]}")
    return samples, time.monotonic() - began


def _samples(process: subprocess.Popen[bytes], began: float) -> Iterator[Sample]:
    while process.poll() is None:
        if sample := measured(process.pid, time.monotonic() - began):
            yield sample
        time.sleep(0.1)


def _most(records: int, samples: list[Sample], seconds: float, told: str) -> Measured:
    most = max(one.pss for one in samples)
    return Measured(records, seconds, most, max(one.descriptors for one in samples), told)
