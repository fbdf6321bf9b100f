"""What the scenarios with faults are told on the command line, and the tables that they print."""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from contenders import Contender


def options(doc: str | None, records: int, rounds: int, cap: float) -> argparse.ArgumentParser:
    """What every scenario can be told."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=records)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cap", type=float, default=cap, metavar="SECONDS", help="how long one run may last")
    parser.add_argument("--only", default="", help="rows whose names begin so, separated by commas")
    parser.add_argument("--dest", type=Path, default=Path(tempfile.gettempdir()), help="where to write")
    parser.add_argument("--quick", action="store_true", help="small, for a test: the figures mean nothing")
    return parser


def chosen(parser: argparse.ArgumentParser, given: argparse.Namespace, known: list[Contender]) -> list[Contender]:
    """The rows that --only leaves. Exits where a number cannot be measured or a name is unknown."""
    if given.records < 20 or given.rounds < 1 or given.cap <= 0:
        parser.error("--records must be 20 or more, --rounds 1 or more, --cap more than 0")
    wanted = [name for name in given.only.split(",") if name]
    for name in wanted:
        if not any(one.name.startswith(name) for one in known):
            parser.error(f"--only: no row begins with {name!r}; there are: {', '.join(one.name for one in known)}")
    return [one for one in known if not wanted or any(one.name.startswith(name) for name in wanted)]


@contextlib.contextmanager
def room(dest: Path) -> Iterator[Path]:
    """A directory for the time of the measurement."""
    dest.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=dest) as root:
        yield Path(root)


def cell(values: Sequence[float], form: Callable[[float], str]) -> str:
    """`median (least to most)`, or one figure where they are all alike."""
    least, most = form(min(values)), form(max(values))
    middle = form(statistics.median(values))
    return middle if least == most else f"{middle} ({least} to {most})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns, the first to the left. A row of a name and one text is printed as it is."""
    full = [row for row in (head, *rows) if len(row) == len(head)]
    widths = [max(len(row[column]) for row in full) for column in range(len(head))]
    widths[0] = max(len(row[0]) for row in (head, *rows))
    for row in (head, *rows):
        cells = [f"{text:>{width}}" for text, width in zip(row[1:], widths[1:], strict=False)]
        line = cells if len(row) == len(head) else list(row[1:])
        print("  ".join([f"{row[0]:<{widths[0]}}", *line]).rstrip())


def notes(text: str, rows: Sequence[Contender]) -> None:
    """Print what was measured, in lines of even length, and the versions of what was compared."""
    print(textwrap.fill(text, 118))
    print(", ".join(dict.fromkeys(row.said() for row in rows if not row.missing)))
