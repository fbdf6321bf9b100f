"""The frontier at scale: what a request costs there, what is held in memory, and whether each comes out exactly once.

    python benchmarks/frontier.py [--requests 1000000] [--concurrency 100] [--quick]

No network, no ledger, no waiting: time is made up. Batches are offered as the engine's reader does, fetches take 0.1 s
of it, and what the frontier leaves to the backlog is given back when it asks, or in a later pass. A row is a
process of its own: the processor time of all calls together with the loop around them, without making the hops, and
the most that the process grew meanwhile. Wanted are 10 microseconds or less.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import subprocess
import sys
import time
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import accumulate, chain, islice
from pathlib import Path

from asynccrawl import HostLimits
from asynccrawl.frontier import Flight, Frontier, Refill, Signal
from asynccrawl.models import Hop, Record, Request

BATCH = 500
FETCH_SECONDS = 0.1
READ_SECONDS = 0.01  # a batch of the list
TICK_SECONDS = 0.25  # between two looks for silent flights
UNREAD, REFUSED, TAKEN, DONE = range(4)


# Shapes of lists: the number of the host of each request. Arrays, since freed lists would hide what grows later.


def even(count: int) -> array[int]:
    return _shuffled(n // 10 for n in range(count))


def by_host(count: int) -> array[int]:
    return array("I", (n // 10 for n in range(count)))


def one(count: int) -> array[int]:
    return array("I", bytes(4 * count))


def field(count: int) -> array[int]:
    """A web image list: 44 hosts for 100 URLs, 82 % of them with one URL, the busiest with 5 % of the list."""
    hosts = count * 44 // 100
    single = hosts * 82 // 100
    ranks = range(1, hosts - single + 1)
    most = (count - single) / sum(1 / rank for rank in ranks)
    busy = (rank - 1 for rank in ranks for _ in range(max(2, round(most / rank))))
    return _shuffled(chain(islice(busy, count - single), range(hosts, hosts + single)))


def _shuffled(hosts: Iterable[int]) -> array[int]:
    made = array("I", hosts)
    random.Random(0).shuffle(made)
    return made


SHAPES: dict[str, tuple[Callable[[int], array[int]], HostLimits, bool]] = {
    "ten a host": (even, HostLimits(), False),
    "ten a host, sorted by host": (by_host, HostLimits(), False),
    "ten a host, a gap of 1 s": (even, HostLimits(gap=1.0), False),
    "ten a host, all read at once": (even, HostLimits(), True),
    "as in the field": (field, HostLimits(), False),
    "as in the field, all read at once": (field, HostLimits(), True),
    "one host": (one, HostLimits(), False),
}
"""How the list is made, the limits of a host, and whether reading goes on however much is waiting."""


class Backlog:
    """The list, and in whose hands each request is; nothing here grows while it is used."""

    def __init__(self, hosts: array[int]) -> None:
        self.host_of = hosts
        self.state = bytearray(len(hosts))
        counts = array("I", bytes(4 * (max(hosts) + 1)))
        for host in hosts:
            counts[host] += 1
        self.hosts = sum(count > 0 for count in counts)
        self._first = array("I", accumulate(counts, initial=0))
        self._by_host, at = array("I", bytes(4 * len(hosts))), self._first[:]
        for ordinal, host in enumerate(hosts):
            self._by_host[at[host]] = ordinal
            at[host] += 1

    def hop(self, ordinal: int) -> Hop:
        host = f"h{self.host_of[ordinal]}.example"
        url = f"http://{host}/{ordinal}.jpg"
        return Hop.first(Record(ordinal, ordinal + 1, f"n{ordinal}", None, Request(url), host), 60.0)

    def left(self) -> Iterator[int]:
        return (ordinal for ordinal, state in enumerate(self.state) if state <= REFUSED)

    def take(self, wanted: Refill) -> list[Hop]:
        host = int(wanted.host[1:].partition(".")[0])
        at, end = self._first[host], self._first[host + 1]
        at = bisect_right(self._by_host, wanted.after, at, end)
        theirs = (self._by_host[at] for at in range(at, end))
        ordinals = islice((n for n in theirs if self.state[n] == REFUSED), wanted.n)
        return [self.hop(ordinal) for ordinal in ordinals]


class Drive:
    """A frontier, and what the engine does with it."""

    def __init__(self, backlog: Backlog, limits: HostLimits, concurrency: int) -> None:
        self.backlog = backlog
        self.frontier = Frontier(limits, concurrency=concurrency)
        self.flying: deque[Flight] = deque()
        self.now = self.ticked = self.spent = 0.0
        self.before = self.most = resident()

    def go(self, greedy: bool) -> None:
        """Passes over the list, until nothing of it is left."""
        while self._one_pass(greedy):
            pass

    def _one_pass(self, greedy: bool) -> bool:
        left, read = self.backlog.left(), 0
        self.frontier.more_to_come = True
        while hops := [self.backlog.hop(ordinal) for ordinal in islice(left, BATCH)]:
            read += len(hops)
            self._timed(partial(self._offer, hops))
            until = self.now + READ_SECONDS
            self._run(until, greedy)
            self.now = max(self.now, until)
        self.frontier.more_to_come = False
        self._run(math.inf, greedy)
        return read > 0

    def _run(self, until: float, greedy: bool) -> None:
        """Start and end hops until that moment, and longer if reading pauses; refills are made in between, untimed."""
        while not self._timed(partial(self._stretch, until, greedy)):
            for wanted in self.frontier.refills():
                hops = self.backlog.take(wanted)
                assert len(hops) == wanted.n, f"{len(hops)} of {wanted} are pending"
                self._timed(partial(self._refill, wanted, hops))
        self.most = max(self.most, resident())

    def _timed(self, work: Callable[[], bool]) -> bool:
        began = time.process_time()
        done = work()
        self.spent += time.process_time() - began
        return done

    # What is timed.

    def _offer(self, hops: list[Hop]) -> bool:
        state, offer, now = self.backlog.state, self.frontier.offer, self.now
        for hop in hops:
            state[hop.record.ordinal] = TAKEN if offer(hop, now) else REFUSED
        return True

    def _refill(self, wanted: Refill, hops: list[Hop]) -> bool:
        for hop in hops:
            self.backlog.state[hop.record.ordinal] = TAKEN
        self.frontier.refill(wanted, hops, self.now)
        return True

    def _stretch(self, until: float, greedy: bool) -> bool:
        """Whether all is done; False: a refill is wanted first."""
        frontier = self.frontier
        while True:
            while flight := frontier.next(self.now):
                self.flying.append(flight)
            if frontier.hungry:
                return False
            due = self._due()
            if due >= until and (greedy or not frontier.well_fed):
                return True
            assert due < math.inf, f"nothing moves any more: {frontier}"
            self.now = max(self.now, due)
            if self.flying and self.flying[0].began + FETCH_SECONDS <= self.now:
                self._end(self.flying.popleft())
            if self.now >= self.ticked + TICK_SECONDS:
                self.ticked = self.now
                assert not frontier.overstaying(self.now)

    def _due(self) -> float:
        """When the oldest fetch ends, or a host may start again; infinity for never."""
        ends = self.flying[0].began + FETCH_SECONDS if self.flying else math.inf
        wakes = self.frontier.wake_at()
        return ends if wakes is None else min(ends, wakes)

    def _end(self, flight: Flight) -> None:
        self.frontier.heard(flight, self.now)
        self.frontier.finish(flight, self.now, Signal.ANSWERED)
        ordinal = flight.hop.record.ordinal
        assert self.backlog.state[ordinal] == TAKEN, f"request {ordinal} has come twice"
        self.backlog.state[ordinal] = DONE


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure(shape: str, requests: int, concurrency: int) -> dict[str, float]:
    make, limits, greedy = SHAPES[shape]
    drive = Drive(Backlog(make(requests)), limits, concurrency)
    drive.go(greedy)
    assert drive.backlog.state.count(DONE) == requests, "a request was lost"
    assert drive.frontier.idle and not drive.flying
    grown = (drive.most - drive.before) / 2**20
    return {"hosts": drive.backlog.hosts, "us": drive.spent / requests * 1e6, "grown": grown, "seconds": drive.now}


def apart(shape: str, requests: int, concurrency: int) -> dict[str, float]:
    """Measured in a process of its own, so that memory is its own too."""
    words = ["--shape", shape, "--requests", str(requests), "--concurrency", str(concurrency)]
    run = subprocess.run([sys.executable, __file__, *words], capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(run.stderr)
    return json.loads(run.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--concurrency", type=int, default=100, help="fetches in flight")
    parser.add_argument("--quick", action="store_true", help="5,000 requests: whether it works, not how fast")
    parser.add_argument("--shape", choices=SHAPES, help="only this one, as JSON")
    options = parser.parse_args()
    requests = 5_000 if options.quick else options.requests
    if requests < 100 or options.concurrency < 1:
        parser.error("--requests must be at least 100, and --concurrency at least 1")
    if options.shape:
        print(json.dumps(measure(options.shape, requests, options.concurrency)))
        return
    print(f"{requests:,} requests, each out exactly once; {options.concurrency} in flight")
    print(f"{'':<36}{'hosts':>10}{'us/request':>12}{'MiB grown':>12}")
    for shape in SHAPES:
        row = apart(shape, requests, options.concurrency)
        print(f"{shape:<36}{row['hosts']:>10,}{row['us']:>12.1f}{row['grown']:>12.1f}", flush=True)


if __name__ == "__main__":
    main()
