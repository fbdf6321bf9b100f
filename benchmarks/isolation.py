"""What hosts that accept and never answer cost the others: pictures a second beside them, over pictures a second alone.

    python benchmarks/isolation.py [--records 8000] [--rounds 3] [--only NAME,...] [--dest DIR] [--quick]

Of a thousand hosts, 50 ms away, five hundred take every request and stay silent. Each program downloads the good half
of a list alone, and then the whole of it, in three orders: shuffled; sorted by host, the silent ones first; shuffled,
with half of the list on one good host. The rate is that of the good pictures, in the server's log, from the first
request to the end of the last good picture; then the run is stopped. What is not there within --cap is not done, and is
run but once.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from contenders import Contender, Limits, contenders
from rounds import Run, Scenario, run, turned
from tables import cell, chosen, notes, options, room, table

HOSTS, LATENCY = 1000, 0.05
LIMITS = Limits(jobs=100, per_host=8, timeout=10)
ORDERS = ("shuffled", "silent first", "half on one host")
HEAD = ("", "order", "alone, images/s", "beside the silent, images/s", "ratio", "in flight")
NOTES = f"""\
All have {LIMITS.jobs} requests at once, {LIMITS.timeout} s a try (1 s with --quick) and {LIMITS.retries} more tries;
{LIMITS.per_host} on a host for asynccrawl and Scrapy. Alone: the good part of the same list in the same order. Ratio:
beside over alone. In flight: the most at once on all hosts, beside the silent ones.
img2dataset works through the list in four shards."""
Runs = dict[tuple[str, str, bool], list[Run]]


def hosts_of(order: str, records: int, hosts: int) -> Iterator[int]:
    """The host of each record; the first half of the hosts is silent."""
    silent = hosts // 2
    if order == ORDERS[2]:
        yield from (silent for _ in range(records // 2))
        others = [n for n in range(hosts) if n != silent]
        yield from (others[n % len(others)] for n in range(records - records // 2))
    else:
        yield from (n * hosts // records for n in range(records))


def scenario(order: str, beside: bool, records: int, hosts: int, seed: int, cap: float, timeout: int) -> Scenario:
    """One list, with the silent hosts or without them."""
    urls = [(host, f"/{n:06d}.jpg") for n, host in enumerate(hosts_of(order, records, hosts))]
    if order != ORDERS[1]:
        random.Random(seed).shuffle(urls)
    good = [url for url in urls if url[0] >= hosts // 2]
    told = {"scenario": "isolation", "hosts": hosts, "stalled": hosts // 2, "seed": seed, "latency": LATENCY}
    limits = Limits(LIMITS.jobs, LIMITS.per_host, timeout=timeout)
    return Scenario(told, urls if beside else good, limits, cap, wanted=len(good), identifying=False)


def measure(rows: Sequence[Contender], cases: dict[tuple[str, bool], Scenario], rounds: int, root: Path) -> Runs:
    """All cases in each round, one row after the other; what is not done within the cap is not run again."""
    runs: Runs = {(row.name, *case): [] for row in rows for case in cases}
    for number in range(rounds):
        for case, made in cases.items():
            for row in turned(rows, number):
                before = runs[row.name, *case]
                if all(one.done for one in before):
                    before.append(run(row, made, root))
                    wanted = made.wanted or 0
                    one = before[-1]
                    assert not one.done or one.seen["pictures"] == wanted, one
                    assert not (one.done and row.name == "asynccrawl") or one.saved == wanted, one
    return runs


def rates(runs: Sequence[Run]) -> list[float]:
    """Good pictures a second."""
    return [one.seen["pictures"] / one.seen["picture_seconds"] for one in runs]


def cells(row: Contender, order: str, cases: dict[tuple[str, bool], Scenario], runs: Runs) -> list[str]:
    """One row of the table."""
    if row.missing:
        return [row.name, f"not installed: {row.install}"]
    shown, middle = [], []
    for beside in (False, True):
        made, case = runs[row.name, order, beside], cases[order, beside]
        if made[-1].done:
            shown.append(cell(rates(made), "{:.0f}".format))
            middle.append(statistics.median(rates(made)))
        else:
            shown.append(f"not done in {case.cap:.0f} s: {made[-1].seen['pictures']} of {case.wanted}")
    ratio = f"{middle[1] / middle[0]:.2f}" if len(middle) == 2 else "-"
    most = cell([one.seen["in_flight_in_all"] for one in runs[row.name, order, True]], "{:.0f}".format)
    return [row.name, order, *shown, ratio, most]


def main() -> None:
    parser = options(__doc__, records=8000, rounds=3, cap=120)
    given = parser.parse_args()
    hosts, timeout = HOSTS, LIMITS.timeout
    if given.quick:
        given.records, given.rounds, given.cap, hosts, timeout = 120, 1, 30.0, 12, 1
    rows = chosen(parser, given, contenders())
    cases = {
        (order, beside): scenario(order, beside, given.records, hosts, given.seed, given.cap, timeout)
        for order in ORDERS
        for beside in (False, True)
    }
    with room(given.dest) as root:
        if not given.quick:
            measure(rows, {(ORDERS[0], False): cases[ORDERS[0], False]}, 1, root)  # to warm up
        runs = measure(rows, cases, given.rounds, root)
    print(
        f"{given.records} records on {hosts} hosts, of which {hosts // 2} are silent; median of {given.rounds} rounds "
        "(least to most)"
    )
    there = [(row, order) for row in rows for order in (ORDERS[:1] if row.missing else ORDERS)]
    table(HEAD, [cells(row, order, cases, runs) for row, order in there])
    notes(NOTES, rows)


if __name__ == "__main__":
    main()
