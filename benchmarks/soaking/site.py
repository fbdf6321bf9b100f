"""The server of the soak, in a process of its own: pictures by number, with the faults of a scenario.

    python site.py '{"scenario": "kills", "hosts": 20, "records": 4000, "seed": 1}'

The first line of its output says where it listens; every line of its input is answered by the paths that were
requested since the last one. It listens on loopback addresses only, and ends when its input does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import resource
import sys
from collections import Counter
from typing import Any

import uvloop

from asynccrawl.testing import (
    Answer,
    DnsAnswer,
    DnsServer,
    ImageServer,
    PictureSet,
    reset,
    silent,
    status,
    too_many_requests,
    truncated,
)
from asynccrawl.testing.http_request import HttpRequest

SIZE = (120, 90)
TURNS = 2_000  # look-ups of a name that are scripted; the last one repeats


def pictures(records: int) -> PictureSet:
    """What is served."""
    return PictureSet(records, size=SIZE)


def gone(number: int) -> bool:
    """Whether a picture is there no more, for good: every tenth."""
    return number % 10 == 3


class Kills:
    """A tenth of the pictures is gone, a tenth fails at the first request."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.pictures, self.failed = pictures(order["records"]), set[int]()

    def __call__(self, request: HttpRequest) -> Answer:
        """The answer to a request."""
        number = self.pictures.number(request.path)
        if number is None or gone(number):
            return status(404)
        if number % 10 == 7 and number not in self.failed:
            self.failed.add(number)
            return status(503)
        return Answer(self.pictures.data(number))


class Faults:
    """A fifth of the answers are faults of all kinds, drawn anew for every request."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.pictures, self.rng = pictures(order["records"]), random.Random(order["seed"])
        self.share = order["share"]

    def __call__(self, request: HttpRequest) -> Answer:
        """The answer to a request."""
        number = self.pictures.number(request.path)
        if number is None:
            return status(404)
        data = self.pictures.data(number)
        if self.rng.random() >= self.share:
            return Answer(data)
        kind = self.rng.choices(("busy", "reset", "cut", "error", "stall"), (6, 4, 4, 5, 1))[0]
        match kind:
            case "busy":
                return too_many_requests("1")
            case "reset":
                return reset()
            case "cut":
                return truncated(data, cut=self.rng.choice(("fin", "rst")))
            case "stall":
                return silent()
        return status(self.rng.choice((500, 502, 503)))


SCENARIOS = {"kills": Kills, "faults": Faults}


def _scripted(dns: DnsServer, hosts: list[str], share: float, rng: random.Random) -> None:
    """Names for the hosts, kept for a second; a share of the look-ups fails."""
    for n, address in enumerate(hosts):
        found = DnsAnswer((address,), ttl=1)
        turns = ["SERVFAIL" if rng.random() < share else found for _ in range(TURNS)]
        dns.add(f"host{n}.example", *turns, found)


async def serve(order: dict[str, Any]) -> None:
    """Serve until the input ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 20_000)), hard))
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(ImageServer(order["hosts"]))
        asked: Counter[str] = Counter()
        answer = SCENARIOS[order["scenario"]](order)

        def route(request: HttpRequest) -> Answer:
            asked[request.path] += 1
            return answer(request)

        server.route(route)
        dns = await stack.enter_async_context(DnsServer())
        if order["scenario"] == "faults":
            _scripted(dns, server.hosts, order["share"], random.Random(order["seed"]))
        print(json.dumps({"port": server.port, "nameserver": dns.nameserver, "hosts": server.hosts}), flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            since, asked = asked, Counter()
            print(json.dumps(since), flush=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(json.loads(sys.argv[1])))
