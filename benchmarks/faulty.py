"""A server that misbehaves by a seed, in a process of its own: what it saw is printed as JSON when its input ends.

    python benchmarks/faulty.py '{"scenario": "yield", "hosts": 20, "seed": 1, "latency": 0.02, ...}'

The first line of its output says where it listens; every line of its input is answered by the number of pictures that
were served whole so far. It listens on loopback addresses only.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import resource
import sys
import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable
from typing import Any

import uvloop

from asynccrawl.testing import (
    Answer,
    DnsAnswer,
    DnsServer,
    ImageServer,
    Link,
    PictureSet,
    identifying_picture,
    reset,
    silent,
    status,
    too_many_requests,
    truncated,
)
from asynccrawl.testing.audit import Entry
from asynccrawl.testing.http_request import HttpRequest

ON_ITS_WAY = 0.05  # seconds after a refusal in which a request for another URL may have been on its way
NOTED = 0.02  # seconds by which a request may seem early, since sending and noting are not one instant
MOST = 2  # times that one fault strikes one URL
TURNS = 1_000  # look-ups of a name that are scripted
_PICTURES = PictureSet(100_000, size=(160, 120))


class Faults:
    """A route that gives `answer(host, path)`, or the picture where that is None, and knows which were pictures."""

    def __init__(self, server: ImageServer, order: dict[str, Any]) -> None:
        self.server, self.order = server, order
        self.honest: set[int] = set()
        self.numbers = {name: n for n, host in enumerate(server.hosts) for name in (host, f"host{n}.example")}

    def __call__(self, request: HttpRequest) -> Answer:
        """The answer to a request."""
        picture = self.picture(request)
        fault = self.answer(self.numbers[request.host], request.path, picture)
        if fault is None:
            self.honest.add(id(request))  # the audit keeps the request, so no other one takes its id
        return fault or Answer(picture)

    def picture(self, request: HttpRequest) -> bytes:
        """What the path has: a picture that shows its own URL."""
        return identifying_picture(self.server.url(request.path, request.host))

    def answer(self, host: int, path: str, picture: bytes) -> Answer | None:
        """What is wrong this time."""
        raise NotImplementedError


class Busy(Faults):
    """429 for what is above `rate` requests a second that were let through, and for every `nth` request to a host."""

    def __init__(self, server: ImageServer, order: dict[str, Any]) -> None:
        super().__init__(server, order)
        self.asked: Counter[int] = Counter()
        self.through = [deque[float](maxlen=order["rate"]) for _ in server.hosts]

    def answer(self, host: int, path: str, picture: bytes) -> Answer | None:
        """Let through, or 429."""
        now, through = time.monotonic(), self.through[host]
        self.asked[host] += 1
        full = len(through) == through.maxlen and now - through[0] < 1.0
        if full or self.asked[host] % self.order["nth"] == 0:
            return too_many_requests(str(self.order["retry_after"]))
        through.append(now)
        return None


class Flaky(Faults):
    """20 % 429, 10 % resets and cuts, 5 % 5xx, by the seed, the URL, and how often it was asked."""

    def __init__(self, server: ImageServer, order: dict[str, Any]) -> None:
        super().__init__(server, order)
        self.asked: Counter[tuple[int, str]] = Counter()
        self.struck: Counter[tuple[int, str, str]] = Counter()

    def answer(self, host: int, path: str, picture: bytes) -> Answer | None:
        """The fault whose turn it is, unless it has struck twice."""
        rng = random.Random(f"{self.order['seed']} {host} {path} {self.asked[host, path]}")
        self.asked[host, path] += 1
        kind = rng.choices(("busy", "cut", "error", "none"), (20, 10, 5, 65))[0]
        self.struck[host, path, kind] += 1
        if kind == "none" or self.struck[host, path, kind] > MOST:
            return None
        if kind == "busy":
            return too_many_requests(str(self.order["retry_after"]))
        if kind == "error":
            return status(rng.choice((500, 502, 503)))
        return rng.choice((reset(), truncated(picture), truncated(picture, cut="rst")))


class Stalled(Faults):
    """The first `stalled` hosts take every request and never answer."""

    def answer(self, host: int, path: str, picture: bytes) -> Answer | None:
        """Silence, or the picture."""
        return silent() if host < self.order["stalled"] else None

    def picture(self, request: HttpRequest) -> bytes:
        """A small photograph-like picture."""
        return _PICTURES.data(_PICTURES.number(request.path) or 0)


SCENARIOS: dict[str, type[Faults]] = {"politeness": Busy, "yield": Flaky, "isolation": Stalled}


def pictures(server: ImageServer, faults: Faults) -> dict[tuple[str, str], float]:
    """When each picture was first served whole, by host and path."""
    first: dict[tuple[str, str], float] = {}
    for entry in server.audit.requests():
        if id(entry.request) in faults.honest and entry.status == 200 and entry.ended is not None:
            first.setdefault((entry.host, entry.path), entry.ended)
    return first


def early(entries: Iterable[Entry], wait: float, margin: float) -> set[int]:
    """The requests that came after a 429 and before its Retry-After of `wait` seconds had passed."""
    entries = list(entries)
    refusals = sorted(e.ended for e in entries if e.status == 429 and e.ended is not None)
    came = set()
    for entry in entries:
        before = bisect_left(refusals, entry.at - margin)
        if before and entry.at < refusals[before - 1] + wait - NOTED:
            came.add(id(entry))
    return came


def seen(server: ImageServer, faults: Faults, dns: dict[str, int]) -> dict[str, Any]:
    """What the server saw, in numbers."""
    audit, order = server.audit, faults.order
    entries, first = audit.requests(), pictures(server, faults)
    began = entries[0].at if entries else 0.0
    urls: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        urls.setdefault((entry.host, entry.path), []).append(entry)
    wait = order.get("retry_after", 0)
    # Another URL's request may have been on its way when the host refused; one for the same URL was sent knowing it.
    again = set[int]().union(*(early(asked, wait, 0.0) for asked in urls.values()))
    others = set[int]().union(*(early(audit.requests(host), wait, ON_ITS_WAY) for host in audit.hosts))
    return {
        "requests": len(entries),
        "in_flight": audit.summary().max_in_flight,
        "in_flight_in_all": audit.max_in_flight(),
        "refused": audit.statuses()[429],
        "early": len(again | others),
        "early_again": len(again),
        "pictures": len(first),
        "seconds": max((e.ended for e in entries if e.ended is not None), default=began) - began,
        "picture_seconds": max(first.values(), default=began) - began,
        **dns,
    }


def scripted(dns: DnsServer, server: ImageServer, seed: int) -> dict[str, list[bool]]:
    """Names for the hosts; a fifth of the look-ups fail, no more than twice in a row. Returns which."""
    fails: dict[str, list[bool]] = {}
    for n, address in enumerate(server.hosts):
        rng, turns = random.Random(f"{seed} look-ups {n}"), list[bool]()
        for _ in range(TURNS):
            turns.append(rng.random() < 0.2 and not all(turns[-MOST:] or [False]))
        turns.append(False)
        found = DnsAnswer((address,), ttl=1)
        dns.add(f"host{n}.example", *("SERVFAIL" if fail else found for fail in turns))
        fails[f"host{n}.example"] = turns
    return fails


def looked_up(dns: DnsServer, fails: dict[str, list[bool]]) -> dict[str, int]:
    """How many questions came, and how many of them failed."""
    asked = Counter((query.name, query.type) for query in dns.audit.queries if query.name in fails)
    return {
        "lookups": sum(asked.values()),
        "lookups_failed": sum(sum(fails[name][:count]) for (name, _), count in asked.items()),
    }


def say(what: object) -> None:
    """A line of JSON."""
    print(json.dumps(what), flush=True)


async def serve(order: dict[str, Any]) -> None:
    """Serve until the input ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 20_000)), hard))
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(ImageServer(order["hosts"], link=Link(latency=order["latency"])))
        faults = SCENARIOS[order["scenario"]](server, order)
        server.route(faults)
        dns, fails = await stack.enter_async_context(DnsServer()), dict[str, list[bool]]()
        if order["scenario"] == "yield":
            fails = scripted(dns, server, order["seed"])
        say({"port": server.port, "nameserver": dns.nameserver})
        while await asyncio.to_thread(sys.stdin.readline):
            say(len(pictures(server, faults)))
        say(seen(server, faults, looked_up(dns, fails)))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(json.loads(sys.argv[1])))
