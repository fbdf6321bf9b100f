"""Whether the promises hold in the long run, whatever is done to a crawl. Each part alone, or all one after another.

    python benchmarks/soak.py [PART...] [--quick] [--dest DIR] [--seed 1] [--kills 1000] [--minutes 10] [--records N]

    kills     kill -9 at random instants; what is visible, what is fetched again, how it ends
    faults    servers of which a fifth of all answers are faults, and look-ups that fail: memory, descriptors, tasks
    writes    an error from every system call that writes, one at a time
    power     the power cut on a loop-mounted ext4, at random instants (needs root and loop devices)
    memory    a list of 10,000 records beside one of 2,000,000
    again     a finished crawl of a million records, run again
    verify    `asynccrawl verify` on a large tree

Everything is real: the command in its own process, the kit's server in another one, files, SQLite. Exits with 1 where a
promise is broken, and with 5 where a part cannot be run here. `--quick` makes every part small, for a test.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from pathlib import Path

from soaking.world import Broken, Unable

PARTS = ("kills", "faults", "writes", "power", "memory", "again", "verify")
EXIT_BROKEN, EXIT_UNABLE = 1, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(PARTS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="small, for a test: the figures mean nothing")
    parser.add_argument("--dest", type=Path, default=Path(tempfile.gettempdir()), help="where to write")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--cuts", type=int, default=30, help="of the power")
    parser.add_argument("--minutes", type=float, default=10.0, help="of faults")
    parser.add_argument("--records", type=int, default=None, help="of the large list of memory, again, verify")
    given = parser.parse_args()
    for part in given.parts:
        if part not in PARTS:
            parser.error(f"{part!r} is no part; there are: {', '.join(PARTS)}")
    code = 0
    for part in given.parts or PARTS:
        code = max(code, carried_out(part, given))
    sys.exit(code)


def carried_out(part: str, given: argparse.Namespace) -> int:
    """One part in a room of its own; its exit code."""
    with tempfile.TemporaryDirectory(prefix="soak-", dir=given.dest) as room:
        try:
            print(importlib.import_module(f"soaking.{part}").run(given, Path(room)), flush=True)
        except Broken as broken:
            print(f"{part}: BROKEN: {broken}", file=sys.stderr, flush=True)
            return EXIT_BROKEN
        except Unable as unable:
            print(f"{part}: not run here: {unable}", file=sys.stderr, flush=True)
            return EXIT_UNABLE
    return 0


if __name__ == "__main__":
    main()
