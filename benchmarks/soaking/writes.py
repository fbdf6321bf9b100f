"""An error from each system call that writes, one at a time, by an interposer that is preloaded (`failing.c`).

Each case is a crawl in which one kind of call fails with one error, from its nth time on (with EMFILE only that time).
It has to end with exit code 3 and one line of stderr, or to go on and come to its end where a failure costs nothing
(EMFILE; what is only tidied up). No partial file may be visible. Then the same command without the error completes,
and manifest and files agree, hashes included.
"""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .site import gone
from .world import OPEN, Broken, Site, Task, Unable, check_agreed, check_whole, ran

RECORDS, HOSTS = 60, 10
ERRORS = ("ENOSPC", "EIO", "EACCES", "EDQUOT", "EROFS")
SOURCE = Path(__file__).with_name("failing.c")
CALLS = (
    "openat",
    "write",
    "linkat",
    "renameat2",
    "mkdirat",
    "unlinkat",
    "fsync",
    "syncfs",
    "pwrite64",
    "fdatasync",
    "ftruncate",
)
"""renameat2 comes only where there are no hard links: there linkat fails with EPERM, too."""
LOG_LINES = 1


@dataclass(frozen=True)
class Case:
    """What fails, and in which manner the crawl writes."""

    call: str
    error: str
    first: int
    durability: str

    def __str__(self) -> str:
        return f"{self.call} {self.error} from {self.first} on (--durability {self.durability})"

    @property
    def environment(self) -> dict[str, str]:
        """What tells the interposer."""
        told = {"SOAK_CALL": self.call, "SOAK_ERRNO": str(getattr(errno, self.error)), "SOAK_FROM": str(self.first)}
        return told | ({"SOAK_ONCE": "1"} if self.error == "EMFILE" else {})


def run(given: Namespace, room: Path) -> str:
    """Every case. Returns what to print. Raises Broken and Unable."""
    library = _built(room)
    began, ends = time.monotonic(), Counter[str]()
    with Site(scenario="kills", hosts=HOSTS, records=RECORDS, seed=given.seed) as site:
        task = Task(site, RECORDS)
        task.write(room / "list")
        bench = _Bench(room, library, task.wanted(without=gone))
        cases = list(_cases(bench, quick=given.quick))
        broken = [str(error) for case in cases if (error := _carried_out(bench, case, ends))]
    if broken:
        raise Broken(f"{len(broken)} of {len(cases)} faults:\n" + "\n".join(broken))
    calls = ", ".join(f"{call} {n}" for call, n in Counter(case.call for case in cases).items())
    return (
        f"writes: {len(cases)} faults in {time.monotonic() - began:.0f} s ({calls}): {ends['stopped']} ended the crawl "
        f"with exit 3 and one line, {ends['went on']} cost nothing, {ends['not met']} came when all was done; each "
        f"time the same command then completed, and manifest and files agreed"
    )


def _carried_out(bench: _Bench, case: Case, ends: Counter[str]) -> Broken | None:
    try:
        ends[bench.carry_out(case)] += 1
    except Broken as error:
        return error
    return None


def _built(room: Path) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        raise Unable("it takes Linux and a C compiler (apt install gcc)")
    library = room / "failing.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"], check=True)
    return library


def _cases(bench: _Bench, *, quick: bool) -> Iterator[Case]:
    """The calls that a crawl without faults makes, each at three moments, with every error."""
    for durability in ("checkpoint",) if quick else ("checkpoint", "file"):
        counted = bench.calls(durability)
        for call in CALLS:
            count = counted[call]
            if not count or (durability == "file" and call not in ("fsync", "fdatasync", "pwrite64")):
                continue
            moments = sorted({1, max(1, count // 2), max(1, count * 4 // 5)} if not quick else {max(1, count // 2)})
            errors = ERRORS[:1] if quick else (*ERRORS, *(("EMFILE",) if call == "openat" else ()))
            yield from (Case(call, error, first, durability) for error in errors for first in moments)
            if quick and call == "linkat":
                return


class _Bench:
    """Carries cases out, each in a new destination."""

    def __init__(self, room: Path, library: Path, wanted: dict[str, bytes]) -> None:
        self.room, self.wanted = room, wanted
        self.dest = room / "dest"
        self.log = room / "calls"
        self.preload = {"LD_PRELOAD": str(library), "SOAK_ROOT": str(self.dest), "SOAK_LOG": str(self.log)}

    def calls(self, durability: str) -> Counter[str]:
        """How often a crawl without faults makes each call."""
        shown = self._fresh(durability, self.preload)
        if shown.returncode:
            raise Broken(f"a crawl without faults ended with {shown.returncode}: {shown.stderr}")
        return Counter(self.log.read_text().split())

    def carry_out(self, case: Case) -> str:
        """A crawl with the fault, and then one without. Returns how the first ended. Raises Broken."""
        shown = self._fresh(case.durability, self.preload | case.environment)
        met = self.log.exists() and f"{case.call}!" in self.log.read_text()
        check_whole(self.dest, self.wanted, str(case))
        end = self._end(case, shown, met)
        again = self._crawl(case.durability, {})
        if again.returncode or again.stderr:
            raise Broken(f"{case}: the same command then ended with {again.returncode}: {again.stderr[-2000:]}")
        check_agreed(self.dest, self.wanted, str(case))
        return end

    def _fresh(self, durability: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        shutil.rmtree(self.dest, ignore_errors=True)
        self.log.unlink(missing_ok=True)
        return self._crawl(durability, environment)

    def _crawl(self, durability: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        words = ("crawl", self.room / "list", self.dest, *OPEN, "--msg", 600, "--durability", durability)
        return ran(*words, environment=environment)

    def _end(self, case: Case, shown: subprocess.CompletedProcess[str], met: bool) -> str:
        if shown.returncode == 0 and not shown.stderr:
            check_agreed(self.dest, self.wanted, str(case))
            return "went on" if met else "not met"
        if shown.returncode != 3 or len(shown.stderr.splitlines()) != LOG_LINES:
            raise Broken(f"{case}: exit {shown.returncode}, and on stderr: {shown.stderr[-3000:]}")
        return "stopped"
