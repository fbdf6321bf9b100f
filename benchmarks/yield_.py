"""What is saved of a list whose servers fail now and then, and what it costs them.

    python benchmarks/yield_.py [--records 2000] [--rounds 3] [--only NAME,...] [--dest DIR] [--quick]

Twenty hosts, 20 ms away, answer by the seed, the URL and how often it was asked: 20 % 429 with `Retry-After: 1`, 10 %
a reset or a cut body, 5 % a 500, 502 or 503, each at most twice for one URL, so that all pictures can be had. Where the
hosts have names, 20 % of the look-ups get SERVFAIL, at most twice in a row. Every picture shows its own URL; what is
on disk is read again, and counts if it is whole and the one that was asked for.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from contenders import Contender, Limits, contenders
from rounds import Run, Scenario, measured
from tables import cell, chosen, notes, options, room, table

HOSTS, RETRY_AFTER, LATENCY = 20, 1, 0.02
LIMITS = Limits(jobs=100, per_host=8, wait=RETRY_AFTER)
HEAD = ("", "images", "of", "requests/image", "seconds", "wrong files", "too early", "look-ups failed")

NOTES = f"""\
Only `by name` meets failing look-ups: the others cannot be pointed at a name server on a port, and get the same hosts
by address, which favours them. Wrong files: under a picture's name, but cut or another URL's; what aria2c itself marks
as unfinished is none. Too early: requests to a host before the Retry-After of its last 429 had passed, but for those
that may have been on their way. Seconds: from the first request to the end of the last answer; these servers never
punish, so who obeys Retry-After takes longer. All have {LIMITS.jobs} requests at once, {LIMITS.retries} more tries,
{LIMITS.timeout} s a try; {LIMITS.per_host} on a host for asynccrawl and Scrapy; aria2c pauses {LIMITS.wait} s before a
further try."""


def scenario(records: int, hosts: int, seed: int, cap: float) -> Scenario:
    """The list, evenly over the hosts and shuffled, and what the hosts do."""
    order = {"scenario": "yield", "hosts": hosts, "seed": seed, "latency": LATENCY, "retry_after": RETRY_AFTER}
    urls = [(n % hosts, f"/{n:06d}.jpg") for n in range(records)]
    random.Random(seed).shuffle(urls)
    return Scenario(order, urls, LIMITS, cap)


def cells(row: Contender, runs: Sequence[Run], records: int, cap: float) -> list[str]:
    """One row of the table."""
    if row.missing:
        return [row.name, f"not installed: {row.install}"]
    if not runs[-1].done:
        return [row.name, f"not done in {cap:.0f} s: {runs[-1].saved} of {records}"]
    failed = cell([run.seen["lookups_failed"] for run in runs], "{:.0f}".format)
    return [
        row.name,
        cell([run.saved for run in runs], "{:.0f}".format),
        str(records),
        cell([run.seen["requests"] / max(1, run.saved) for run in runs], "{:.2f}".format),
        cell([run.seen["seconds"] for run in runs], "{:.1f}".format),
        cell([run.wrong for run in runs], "{:.0f}".format),
        cell([run.seen["early"] for run in runs], "{:.0f}".format),
        f"{failed} of {cell([run.seen['lookups'] for run in runs], '{:.0f}'.format)}" if row.by_name else "none asked",
    ]


def main() -> None:
    parser = options(__doc__, records=2000, rounds=3, cap=300)
    given = parser.parse_args()
    hosts = HOSTS
    if given.quick:
        given.records, given.rounds, hosts = 30, 1, 5
    rows = chosen(parser, given, contenders(by_name=True))
    with room(given.dest) as root:
        case = scenario(given.records, hosts, given.seed, given.cap)
        runs = measured(rows, case, given.rounds, root, warm=not given.quick)
    print(f"{given.records} pictures on {hosts} hosts; median of {given.rounds} rounds (least to most)")
    table(HEAD, [cells(row, runs[row.name], given.records, given.cap) for row in rows])
    notes(NOTES, rows)


if __name__ == "__main__":
    main()
