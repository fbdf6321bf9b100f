"""kill -9 at random instants, life after life: a life ends when its crawl comes to its end."""

from __future__ import annotations

import random
import shutil
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

from .site import gone
from .world import OPEN, Broken, Site, Task, check_agreed, check_whole, command, kill, rows, started

RECORDS, HOSTS = 4_000, 20
LONGEST = 1.6  # seconds until a kill: from the start of the interpreter to well into the crawl


def run(given: Namespace, room: Path) -> str:
    """`given.kills` kills. Returns what to print. Raises Broken."""
    records = 300 if given.quick else RECORDS
    goal = 4 if given.quick else given.kills
    rng, began, kills, lives, again = random.Random(given.seed), time.monotonic(), 0, 0, 0
    with Site(scenario="kills", hosts=HOSTS, records=records, seed=given.seed) as site:
        task = Task(site, records)
        task.write(room / "list")
        wanted = task.wanted(without=gone)
        while kills < goal:
            lives += 1
            life = _Life(room, room / f"dest-{lives}", wanted, site, f"life {lives}")
            kills += life.live(rng, goal - kills, LONGEST / 2 if given.quick else LONGEST)
            again += life.fetched_again
            shutil.rmtree(life.dest)
    return (
        f"kills: {kills} times kill -9 in {lives} crawls of {records:,} records, {time.monotonic() - began:.0f} s: "
        f"each time every visible file was whole, nothing recorded as saved, skipped or failed for good was requested "
        f"again, and each crawl ended in the tree of an unkilled one; a kill cost {again / max(1, kills):.1f} requests "
        "made twice"
    )


class _Life:
    """One destination, from its first crawl to the end."""

    def __init__(self, room: Path, dest: Path, wanted: dict[str, bytes], site: Site, name: str) -> None:
        self.room, self.dest, self.wanted, self.site, self.name = room, dest, wanted, site, name
        self.settled: set[str] = set()
        self.fetched: dict[str, int] = {}
        self.fetched_again = 0

    def live(self, rng: random.Random, kills: int, longest: float) -> int:
        """Kill until the crawl ends by itself, or often enough; returns how often."""
        self.site.asked()
        for n in range(kills):
            ended = self._once(rng.uniform(0.0, longest))
            self._check(f"{self.name}, kill {n + 1}")
            if ended:
                return n
        self._once(None)
        self._check(f"{self.name}, end")
        return kills

    def _once(self, seconds: float | None) -> bool:
        """One run, killed after so many seconds; whether it came to its end."""
        words = command("crawl", self.room / "list", self.dest, *OPEN, "--msg", 60)
        with started(words, self.room / "log") as process:
            until = time.monotonic() + (seconds if seconds is not None else 600.0)
            while process.poll() is None and time.monotonic() < until:
                time.sleep(0.001)
            if process.poll() is None:
                kill(process)
            if process.returncode not in (0, -9):
                log = (self.room / "log").read_text(errors="replace")
                raise Broken(f"{self.name}: a crawl ended with {process.returncode}: {log[-2000:]}")
        if process.returncode == 0:
            check_agreed(self.dest, self.wanted, f"{self.name}, end")
        elif seconds is None:
            raise Broken(f"{self.name}: the last crawl did not end")
        return process.returncode == 0

    def _check(self, what: str) -> None:
        """What must hold after every run."""
        asked = self.site.asked()
        if again := sorted(set(asked) & self.settled):
            raise Broken(f"{what}: {len(again)} recorded pictures were requested again: {', '.join(again[:5])}")
        self._count(asked)
        visible = check_whole(self.dest, self.wanted, what) if self.dest.exists() else {}
        table = self._rows()
        paths = {row["path"] for row in table if row["status"] == "saved"}
        if behind := sorted(paths - set(visible)):
            raise Broken(f"{what}: {len(behind)} recorded files are not there: {', '.join(behind[:5])}")
        self.settled = {f"/{row['url'].rpartition('/')[2]}" for row in table if not row["retryable"]}

    def _count(self, asked: dict[str, int]) -> None:
        for path, times in asked.items():
            self.fetched[path] = self.fetched.get(path, 0) + times
            number = int(path[1:-4])
            due = 2 if number % 10 == 7 else 1
            self.fetched_again += max(0, min(times, self.fetched[path] - due))

    def _rows(self) -> list[dict[str, Any]]:
        # Killed at once, a run has not even made its ledger.
        return rows(self.dest) if any(self.dest.glob(".asynccrawl.sqlite3")) else []
