"""It always ends, also where a thousand servers stall and flood at once: each fetch for itself."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from asynccrawl.errors import FetchError
from asynccrawl.fetcher import HttpFetcher
from asynccrawl.models import Reason
from asynccrawl.testing import (
    Answer,
    ImageServer,
    dripping,
    endless_body,
    endless_header_line,
    header_flood,
    interim_flood,
    silent,
)

from .conftest import LOOPBACK
from .fetching import hop
from .lived import Lived

FETCHES = 1_000
SECONDS = 3.0
BODY = b"\xff\xd8 not looked at here" * 100
STALLS = {
    "/silent": (silent(), Reason.TIMEOUT),
    "/header": (Answer(BODY, header_drip=0.2), Reason.TIMEOUT),
    "/interim": (interim_flood(100, 0.5), Reason.TIMEOUT),
    "/lines": (header_flood(0.5), Reason.TIMEOUT),
    "/drip": (dripping(BODY, 0.2), Reason.TOO_SLOW),
    "/stop": (Answer(BODY, declared_length=len(BODY) + 1), Reason.TOO_SLOW),
    "/flood": (interim_flood(), Reason.PROTOCOL),
    "/line": (endless_header_line(), Reason.PROTOCOL),
    "/fields": (header_flood(), Reason.PROTOCOL),
    "/body": (endless_body(), Reason.TOO_LARGE),
    "/chunks": (endless_body("chunked"), Reason.TOO_LARGE),
    "/length": (endless_body("length"), Reason.TOO_LARGE),
}


def serve(pipe: Connection) -> None:
    """Runs in a process of its own, so that the floods' making costs the fetcher's loop nothing."""

    async def until_told() -> None:
        async with ImageServer(hosts=20) as server:
            for path, (answer, _) in STALLS.items():
                server.add(path, answer)
            pipe.send(server.port)
            await asyncio.to_thread(pipe.recv)

    asyncio.run(until_told())


@pytest.fixture
def port() -> Iterator[int]:
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=serve, args=(theirs,))
    process.start()
    try:
        assert ours.poll(30)
        yield ours.recv()
    finally:
        ours.send("end")
        process.join(10)
        process.kill()
        process.join()


@pytest.mark.slow  # a thousand connections that stall for three seconds
async def test_a_thousand_stalls_and_floods_end_each_at_its_bound(port: int, tmp_path: Path):
    limits = replace(LOOPBACK.limits, grace=3.0, min_rate=20_000, max_bytes=100_000)
    fetcher = await HttpFetcher.open(replace(LOOPBACK, limits=limits), tmp_path)
    late: list[float] = []
    ends: list[tuple[str, Reason]] = []

    async def fetch(n: int) -> None:
        path = list(STALLS)[n % len(STALLS)]
        # What ends for another reason may take longer on a slow machine, and shall have its reason there, too.
        seconds = SECONDS if STALLS[path][1] is Reason.TIMEOUT else 10 * SECONDS
        with Lived() as lived:
            with pytest.raises(FetchError) as caught:
                await fetcher.fetch(hop(f"http://127.0.0.{1 + n % 20}:{port}{path}", seconds))
            late.append(lived.seconds - seconds)
        ends.append((path, caught.value.reason))

    try:
        await asyncio.gather(*map(fetch, range(FETCHES)))
    finally:
        await fetcher.aclose()
    for path, (_, reason) in STALLS.items():
        found = Counter(why for where, why in ends if where == path)
        # A thousand connections at once take longer than that on a machine that has no time.
        assert found.most_common(1)[0][0] is reason, (path, found)
        assert set(found) <= {reason} | ({Reason.CONNECT} if reason is Reason.TIMEOUT else set()), (path, found)
    # The promise is a second; a machine that does other things besides may be late for all of them.
    assert len(ends) == FETCHES and max(late) < 5.0
