"""What becomes of connections when an answer is over: kept for the next, closed at once, forgotten."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvloop

from asynccrawl.errors import FetchError
from asynccrawl.fetcher import HttpFetcher
from asynccrawl.models import Reason, Response
from asynccrawl.settings import Limits
from asynccrawl.testing import Answer, ImageServer
from asynccrawl.testing.certificates import Authority
from asynccrawl.testing.tls import Handshake

from .conftest import LOOPBACK
from .fetching import outcome
from .raw_client import soon

BODY = b"\xff\xd8 not looked at here" * 100
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(BODY)


@pytest.fixture(autouse=True)
def kept_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that stands still for seconds, too, a connection is there for its next request."""
    monkeypatch.setattr("asynccrawl.fetcher.pool.KEEPALIVE", 60.0)


@asynccontextmanager
async def fetching(tmp_path: Path, limits: Limits = LOOPBACK.limits, **network: Any) -> AsyncIterator[HttpFetcher]:
    settings = replace(LOOPBACK, limits=limits, network=replace(LOOPBACK.network, **network))
    fetcher = await HttpFetcher.open(settings, tmp_path / "spool")
    try:
        yield fetcher
    finally:
        await fetcher.aclose()


async def kept(fetcher: HttpFetcher, url: str) -> None:
    """Fetch, and wait until the connection has rested enough for another request."""
    found = await outcome(fetcher, url)
    assert isinstance(found, Response), found
    pool = fetcher._client._pool
    (wire,) = pool._kept[url[: url.rindex("/")]]
    await soon(lambda: wire.resting_since <= pool._seen_until - 0.2)


async def test_of_hosts_that_are_done_with_nothing_is_left(server: ImageServer, tmp_path: Path):
    server.add("/x", Answer(BODY))
    server.add("/last", Answer(BODY, keep_alive=False))
    async with fetching(tmp_path) as fetcher:
        pool = fetcher._client._pool
        for host in range(3):
            await kept(fetcher, server.url("/x", host=host))
            found = await outcome(fetcher, server.url("/last", host=host))
            assert isinstance(found, Response) and found.doubt, "the same connection"
        await soon(lambda: pool._ticking is None)
        assert (pool._kept, pool._doubts) == ({}, [])
        assert not fetcher._client._connector._acquired, "aiohttp has let go of them, too"


def test_connections_over_tls_are_closed_at_once(tmp_path: Path):
    """A farewell takes two sides: what one that sends on without it sends would be received for half a minute."""
    pem = tmp_path / "pem"
    pem.write_bytes(Authority().issue("good", ["127.0.0.1"]))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    gone = threading.Event()

    def serve() -> None:
        accepted = listening.accept()[0]
        accepted.settimeout(20.0)
        with suppress(OSError), context.wrap_socket(accepted, server_side=True) as sock:
            sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                sock.sendall(b"8000\r\n%b\r\n" % bytes(32_768))
        gone.set()

    async def refused() -> Response | FetchError:
        async with fetching(tmp_path, Limits(max_bytes=100_000), insecure=True) as fetcher:
            found = await outcome(fetcher, f"https://127.0.0.1:{listening.getsockname()[1]}/x", 30.0)
            assert await asyncio.to_thread(gone.wait, 15.0)
        return found

    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor() as pool:
        pool.submit(serve)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            found = runner.run(refused())
    assert isinstance(found, FetchError) and found.reason is Reason.TOO_LARGE, found


@pytest.mark.parametrize("tls", [None, "good"])
@pytest.mark.parametrize(
    "pushed", [HEAD + b"\r\n" + BODY, HEAD, b"garbage"], ids=["an answer", "half of one", "no HTTP"]
)
async def test_a_host_that_sends_what_nobody_asked_for_gets_no_connection_twice(
    tmp_path: Path, pushed: bytes, tls: Handshake | None
):
    first = HEAD + b"\r\n" + BODY
    async with ImageServer(tls=tls) as server, fetching(tmp_path, insecure=True) as fetcher:
        server.add("/x", Answer(raw=first + pushed, keep_alive=True, body_drip=0.05, chunk_bytes=len(first)))
        server.add("/y", Answer(BODY))
        assert isinstance(await outcome(fetcher, server.url("/x")), Response)
        await soon(lambda: bool(fetcher._client._pool._distrusted))
        for _ in range(2):
            found = await outcome(fetcher, server.url("/y"))
            assert isinstance(found, Response) and found.data == BODY and not found.doubt
    assert len({entry.connection for entry in server.audit.requests()}) == 3


@pytest.mark.slow  # a connection rests before it is reused
@pytest.mark.parametrize(
    ("behind", "believed"),
    [(b"", True), (HEAD + b"\r\n" + BODY, False), (HEAD, False), (b"garbage\r\n\r\n", False)],
    ids=["nothing", "another answer", "half of one", "no HTTP"],
)
@pytest.mark.parametrize("ends", [False, True], ids=["kept", "closed by the server"])
async def test_a_last_answer_is_believed_if_nothing_comes_behind_it(
    tmp_path: Path, behind: bytes, believed: bool, ends: bool
):
    """Pushed pictures may say that they are the last on their connection: the true one comes all the same."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(HEAD + b"\r\n" + BODY)
            await reader.readuntil(b"\r\n\r\n")
            writer.write(HEAD + b"Connection: close\r\n\r\n" + BODY)
            await read.wait()
            writer.write(behind)
            await reader.read() if not ends else None
        writer.close()

    read = asyncio.Event()
    async with await asyncio.start_server(serve, "127.0.0.1") as server, fetching(tmp_path) as fetcher:
        site = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await kept(fetcher, f"{site}/a")
        found = await outcome(fetcher, f"{site}/b")
        read.set()
        assert isinstance(found, Response) and found.doubt
        assert await found.doubt.resolved() is believed


async def test_one_answer_too_many_ends_the_connection_before_they_fill_the_memory(tmp_path: Path):
    """Also while the true one is not read on, such as when bytes a second are limited."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write((HEAD + b"\r\n" + BODY) * 2)
        with suppress(ConnectionError):
            await reader.read()
        gone.set()
        writer.close()

    class Waiting:
        async def spend(self, n: int) -> float:
            async with asyncio.timeout(20.0):
                await gone.wait()
            return 0.0

    gone = asyncio.Event()
    async with await asyncio.start_server(serve, "127.0.0.1") as server:
        fetcher = await HttpFetcher.open(LOOPBACK, tmp_path / "spool", Waiting())
        async with aclosing(fetcher):
            found = await outcome(fetcher, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x", 30.0)
    assert isinstance(found, Response) and found.data == BODY
