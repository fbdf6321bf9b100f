"""How polite a download is: requests in flight on one host, and what a Retry-After is worth, as the servers saw it.

    python benchmarks/politeness.py [--records 2000] [--rounds 3] [--only NAME,...] [--dest DIR] [--quick]

Twenty hosts, 50 ms away, let 20 requests a second through and answer 429 with `Retry-After: 2` to what is above, and to
every 20th request. Each program downloads the same shuffled list with a hundred requests at once and at most four on a
host, where it can be told so. All figures but the pictures on disk are taken from the server's log.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from contenders import Contender, Limits, contenders
from rounds import Run, Scenario, measured
from tables import cell, chosen, notes, options, room, table

HOSTS, RATE, NTH, RETRY_AFTER, LATENCY = 20, 20, 20, 2, 0.05
LIMITS = Limits(jobs=100, per_host=4, wait=RETRY_AFTER)
HEAD = ("", "in flight", "too early", "same URL", "429s", "requests/image", "images", "seconds")

NOTES = f"""\
In flight: the most at once on one host; the limit is {LIMITS.per_host} for asynccrawl and Scrapy, img2dataset has none
by host, aria2c only one by download. Too early: requests to a host before the Retry-After of its last 429 had passed,
but for those that may have been on their way; same URL: those of them for a URL that was itself refused. Seconds: from
the first request to the end of the last answer; these servers refuse what is too much and never punish, so who obeys
Retry-After takes longer. All have {LIMITS.jobs} requests at once, {LIMITS.retries} more tries, {LIMITS.timeout} s a
try; aria2c pauses {LIMITS.wait} s before a further try."""


def scenario(records: int, hosts: int, nth: int, seed: int, cap: float) -> Scenario:
    """The list, evenly over the hosts and shuffled, and what the hosts do."""
    order = {"scenario": "politeness", "hosts": hosts, "seed": seed, "latency": LATENCY}
    urls = [(n % hosts, f"/{n:06d}.jpg") for n in range(records)]
    random.Random(seed).shuffle(urls)
    return Scenario(order | {"rate": RATE, "nth": nth, "retry_after": RETRY_AFTER}, urls, LIMITS, cap)


def cells(row: Contender, runs: Sequence[Run], records: int, cap: float) -> list[str]:
    """One row of the table."""
    if row.missing:
        return [row.name, f"not installed: {row.install}"]
    if not runs[-1].done:
        return [row.name, f"not done in {cap:.0f} s: {runs[-1].saved} of {records}"]
    return [
        row.name,
        *(cell([run.seen[name] for run in runs], "{:.0f}".format) for name in ("in_flight", "early", "early_again")),
        cell([run.seen["refused"] for run in runs], "{:.0f}".format),
        cell([run.seen["requests"] / max(1, run.saved) for run in runs], "{:.2f}".format),
        cell([run.saved for run in runs], "{:.0f}".format),
        cell([run.seen["seconds"] for run in runs], "{:.1f}".format),
    ]


def main() -> None:
    parser = options(__doc__, records=2000, rounds=3, cap=300)
    given = parser.parse_args()
    hosts, nth = HOSTS, NTH
    if given.quick:
        given.records, given.rounds, hosts, nth = 40, 1, 3, 10
    rows = chosen(parser, given, contenders())
    with room(given.dest) as root:
        case = scenario(given.records, hosts, nth, given.seed, given.cap)
        runs = measured(rows, case, given.rounds, root, warm=not given.quick)
    print(f"{given.records} pictures on {hosts} hosts; median of {given.rounds} rounds (least to most)")
    table(HEAD, [cells(row, runs[row.name], given.records, given.cap) for row in rows])
    notes(NOTES, rows)


if __name__ == "__main__":
    main()
