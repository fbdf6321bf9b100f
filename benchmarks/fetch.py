"""What a request and its answer cost, layer by layer: the socket, aiohttp's parser, our fetcher, aiohttp's session.

    python benchmarks/fetch.py [--records 8000] [--rounds 3] [--jobs 100]

One process with uvloop asks nginx for the same photographs with so many requests at once; nothing is decoded, hashed or
stored. All bytes are counted and asserted. Microseconds of this process's processor time for each picture, medians with
the smallest and largest; rounds are interleaved, after one to warm up. "New connections" asks on each of them once.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import resource
import statistics
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import uvloop
from aiohttp.client_proto import ResponseHandler
from corpus import photographs, served

from asynccrawl import Network, Request, Settings
from asynccrawl.fetcher import HttpFetcher
from asynccrawl.models import Hop, Record

Fetch = Callable[[str], Awaitable[int]]
"""Fetches a URL, and says how many bytes it had."""
Connect = Callable[[str], Awaitable[Fetch]]
"""Gives one of many workers its way to fetch; the URL says where to connect to."""


def asked(url: str) -> bytes:
    parts = urlsplit(url)
    return f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: asynccrawl\r\n\r\n".encode()


class Plain(asyncio.Protocol):
    """As little as can be done: the length is looked for, and bytes are counted."""

    def __init__(self) -> None:
        self._done: asyncio.Future[int] | None = None
        self._head = b""
        self._left = self._size = -1

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def ask(self, request: bytes) -> asyncio.Future[int]:
        self._head, self._left = b"", -1
        self._done = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._done

    def data_received(self, data: bytes) -> None:
        if self._left < 0:
            self._head += data
            head, end, data = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            self._left = self._size = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        self._left -= len(data)
        if self._left <= 0 and self._done:
            self._done.set_result(self._size)


async def _connected(factory: Callable[[], asyncio.Protocol], url: str) -> asyncio.Protocol:
    parts = urlsplit(url)
    _, protocol = await asyncio.get_running_loop().create_connection(factory, parts.hostname, parts.port)
    return protocol


@asynccontextmanager
async def socket_alone() -> AsyncIterator[Connect]:
    async def connect(first: str) -> Fetch:
        protocol = await _connected(Plain, first)
        assert isinstance(protocol, Plain)
        return lambda url: protocol.ask(asked(url))

    yield connect


@asynccontextmanager
async def parser() -> AsyncIterator[Connect]:
    async def connect(first: str) -> Fetch:
        loop = asyncio.get_running_loop()
        handler = await _connected(partial(ResponseHandler, loop), first)
        assert isinstance(handler, ResponseHandler)

        async def fetch(url: str) -> int:
            handler.set_response_params(read_until_eof=True, auto_decompress=False, read_bufsize=2**18)
            assert handler.transport is not None
            handler.transport.write(asked(url))
            _, content = await handler.read()
            return len(b"".join([chunk async for chunk in content.iter_any()]))

        return fetch

    yield connect


@asynccontextmanager
async def session() -> AsyncIterator[Connect]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as opened:

        async def fetch(url: str) -> int:
            async with opened.get(url) as answer:
                return len(await answer.read())

        yield partial(_same, fetch)


@asynccontextmanager
async def ours(*, kept: bool = True) -> AsyncIterator[Connect]:
    settings = Settings(network=Network(allow_net=("127.0.0.0/8",)))
    fetcher = await HttpFetcher.open(settings, Path("/nonexistent"))
    if not kept:
        fetcher._client._pool.drop_idle()

    async def fetch(url: str) -> int:
        return (await fetcher.fetch(Hop.first(Record(0, 1, "n0", None, Request(url), "h"), 60.0))).size

    try:
        yield partial(_same, fetch)
    finally:
        await fetcher.aclose()


async def _same(fetch: Fetch, first: str) -> Fetch:
    return fetch


WAYS = {
    "the socket alone": socket_alone,
    "with aiohttp's parser": parser,
    "our fetcher": ours,
    "our fetcher, new connections": partial(ours, kept=False),
    "aiohttp's session": session,
}


async def fetched(way: Callable[[], AbstractAsyncContextManager[Connect]], urls: list[str], jobs: int) -> int:
    """Fetch all the URLs, so many at once; the bytes that came."""
    left, total = iter(urls), 0

    async def work(connect: Connect) -> None:
        nonlocal total
        fetch = await connect(urls[0])
        for url in left:
            size = await fetch(url)
            total += size

    async with way() as connect:
        await asyncio.gather(*(work(connect) for _ in range(jobs)))
    return total


def cost(name: str, urls: list[str], jobs: int) -> tuple[float, int]:
    """Microseconds of processor time for each of the URLs, and how many bytes came."""
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF)
    came = uvloop.run(fetched(WAYS[name], urls, jobs))
    after = resource.getrusage(resource.RUSAGE_SELF)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / len(urls) * 1e6, came


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--records", type=int, default=8000)
    flags.add_argument("--rounds", type=int, default=3)
    flags.add_argument("--jobs", type=int, default=100)
    flags.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "asynccrawl-benchmark")
    flags.add_argument("--quick", action="store_true", help="600 pictures, one round")
    given = flags.parse_args()
    count, rounds = (600, 1) if given.quick else (given.records, given.rounds)
    pictures = photographs(count, given.cache)
    gc.set_threshold(20_000)  # as the command has it
    with tempfile.TemporaryDirectory() as scratch, served(pictures, count, Path(scratch)) as (server, urls, _):
        figures: dict[str, list[float]] = {name: [] for name in WAYS}
        sizes = set()
        for number in range(rounds + 1):
            for name in WAYS:
                spent, size = cost(name, urls, given.jobs)
                sizes.add(size)
                assert len(sizes) == 1, f"{name}: {size} bytes, others had {sizes}"
                if number:
                    figures[name].append(spent)
    print(f"{count} JPEGs of {size / count / 1000:.0f} kB on average, served by {server}; {given.jobs} at once;")
    print(f"{f'median of {rounds} rounds':<30}  us a picture")
    for name, costs in figures.items():
        print(f"{name:<30}  {statistics.median(costs):6.0f}  ({min(costs):.0f} to {max(costs):.0f})")


if __name__ == "__main__":
    main()
