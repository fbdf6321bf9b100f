"""What a process tree holds: its memory (summed PSS, which counts shared pages once), descriptors, threads."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

MIB = 2**20


@dataclass(frozen=True)
class Sample:
    """At one moment: seconds since the start, bytes of PSS, open descriptors, threads; asyncio tasks, if told."""

    at: float
    pss: int
    descriptors: int
    threads: int
    tasks: int = 0


def tree_of(pid: int) -> list[int]:
    """A process and its children's children."""
    found = [pid]
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += tree_of(int(child))
    return found


def measured(pid: int, at: float, tasks: int = 0) -> Sample | None:
    """The tree of `pid` now; None when it has ended."""
    pss = descriptors = threads = 0
    for one in tree_of(pid):
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{one}/smaps_rollup").read_text()
            pss += 1024 * sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
            descriptors += len(list(Path(f"/proc/{one}/fd").iterdir()))
            threads += len(list(Path(f"/proc/{one}/task").iterdir()))
    return Sample(at, pss, descriptors, threads, tasks) if pss else None


@dataclass(frozen=True)
class Trend:
    """How a figure went: its median in the second and in the last quarter, and its slope a minute over that time."""

    early: float
    late: float
    slope: float
    most: float

    @property
    def growth(self) -> float:
        """From the second quarter to the last."""
        return self.late - self.early


def trend(samples: Sequence[Sample], figure: Callable[[Sample], float]) -> Trend:
    """The trend after the first quarter, in which everything warms up."""
    whole = samples[-1].at
    settled = [one for one in samples if one.at >= whole / 4]
    early = [figure(one) for one in settled if one.at < whole / 2]
    late = [figure(one) for one in settled if one.at >= whole * 3 / 4]
    slope = statistics.linear_regression([one.at / 60 for one in settled], [figure(one) for one in settled]).slope
    return Trend(statistics.median(early), statistics.median(late), slope, max(figure(one) for one in samples))
