"""The benchmark suite: `python -m benchmarks [SCENARIO ...] [--quick] [--out DIR] [--dest DIR]`.

Without names: `throughput` (beside what people would use instead, on the disk and in memory), `overhead` (what each of
our layers costs alone), `start` (what a command costs before its first picture) and `scaling`. By name also the others:
politeness, yield_, isolation (servers that fail), frontier, kit, sorted_list, and more; each is a file beside this one
and says what it does with --help.

The programs that we are compared with are set up first, in an environment of their own; those that cannot be had are
rows that say so. --out (default: benchmark-results) gets a JSON file a scenario, with machine, versions and commit, and
the chart of the table. --quick takes under three minutes and is for a first look: too few rounds to quote.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
MEMORY = Path("/dev/shm")
sys.path.insert(0, str(HERE))  # the scenarios are programs that import what is beside them

import chart  # noqa: E402
import peering  # noqa: E402

Run = tuple[str, str, list[str]]
"""What to call the results, the scenario, and its flags."""


def standard(given: argparse.Namespace) -> list[Run]:
    """The runs of the whole suite."""
    rounds, records = ("2", "600") if given.quick else ("5", "2000")
    sized = ["--rounds", rounds, "--records", records]
    runs: list[Run] = [("throughput-disk", "throughput", [*sized, "--dest", str(given.dest)])]
    if MEMORY.is_dir():
        runs.append(("throughput-memory", "throughput", [*sized, "--dest", str(MEMORY)]))
    if not given.quick:
        runs.append(("throughput-disk-110", "throughput", [*sized, "--size", "110", "--dest", str(given.dest)]))
    runs.append(("overhead", "overhead", ["--scale", "0.2", "--rounds", "1"] if given.quick else []))
    runs.append(("start", "start", ["--rounds", "3", "--records", "100000"] if given.quick else []))
    runs.append(("scaling", "scaling", ["--quick", "concurrency", "latency"] if given.quick else []))
    return runs


def runs_of(given: argparse.Namespace) -> list[Run]:
    """What is to be run."""
    known = {name: (name, scenario, flags) for name, scenario, flags in standard(given)}
    if not given.scenarios:
        return list(known.values())
    chosen: list[Run] = []
    for name in given.scenarios:
        if not (HERE / f"{name}.py").is_file():
            raise SystemExit(f"{name}: there is no such scenario; each is a file in {HERE}")
        alike = [run for run in known.values() if run[1] == name]
        chosen += alike or [(name, name, ["--quick"] if given.quick else [])]
    return chosen


def run(one: Run, out: Path, environment: dict[str, str]) -> bool:
    """Run a scenario, with its table on our own output; returns whether it succeeded."""
    name, scenario, flags = one
    print(f"\n--- {name}: python benchmarks/{scenario}.py {' '.join(flags)}", flush=True)
    if scenario in ("throughput", "overhead", "start", "scaling"):
        flags = [*flags, "--json", str(out / f"{name}.json")]
    command = [sys.executable, str(HERE / f"{scenario}.py"), *flags]
    return subprocess.run(command, env={**os.environ, **environment}, check=False).returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO")
    parser.add_argument("--quick", action="store_true", help="under three minutes; the figures are rough")
    parser.add_argument("--out", type=Path, default=Path("benchmark-results"), help="where the results go")
    parser.add_argument("--dest", type=Path, default=Path(tempfile.gettempdir()), help="a directory on the disk")
    given = parser.parse_args()
    runs = runs_of(given)
    given.out.mkdir(parents=True, exist_ok=True)
    environment = peering.set_up()
    failed = [one[0] for one in runs if not run(one, given.out, environment)]
    if drawn := chart.draw(given.out):
        print(f"\nThe chart is {drawn}; the figures are in {given.out}/*.json")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
