"""The kit's server: whom it answers what, its hosts and ports, its audit, and its life in another process."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest

import asynccrawl.testing
from asynccrawl.testing import (
    Answer,
    HttpRequest,
    ImageServer,
    PictureSet,
    chunked,
    dripping,
    listening,
    serve_in_process,
    silent,
    status,
)

from .raw_client import STEP, connected, exchange, get, soon

BODY = bytes(range(256)) * 8
LARGE = BODY * 2_000  # 4 MB: more than the sockets of a client that does not read will hold


@pytest.fixture
async def server() -> AsyncIterator[ImageServer]:
    async with ImageServer() as started:
        yield started


# What is answered to whom


async def test_a_sequence_is_counted_per_host_and_path_and_its_last_answer_repeats() -> None:
    async with ImageServer(hosts=2) as server:
        server.add("/", status(503), Answer(b"two"), b"three")
        for address in server.hosts:
            async with connected(server, address) as streams:
                answers = [await exchange(*streams, get(host=f"{address}:{server.port}")) for _ in range(4)]
            assert answers[0][0] == "HTTP/1.1 503 Service Unavailable"
            assert [body for _, body in answers[1:]] == [b"two", b"three", b"three"]
        server.add("/", b"new", b"newer")
        async with connected(server) as streams:
            assert [(await exchange(*streams, get()))[1] for _ in range(2)] == [b"new", b"newer"]


async def test_what_is_added_for_one_host_comes_first_then_for_all_then_the_route_then_404(server: ImageServer) -> None:
    server.add("/a", b"all")
    server.add("/a", b"one", host="One.Example")
    async with connected(server) as streams:
        assert (await exchange(*streams, get("/a", "one.example:80")))[1] == b"one"
        assert (await exchange(*streams, get("/a", "two.example")))[1] == b"all"
        assert (await exchange(*streams, get("/b")))[0] == "HTTP/1.1 404 Not Found"
        server.route(lambda request: Answer(f"{request.method} {request.host}{request.path}".encode()))
        assert (await exchange(*streams, get("/b?c", "[::1]:80")))[1] == b"GET [::1]/b?c"
        assert (await exchange(*streams, get("/a", "[::1]")))[1] == b"all"


async def test_a_route_that_raises_is_a_500_with_the_traceback(server: ImageServer) -> None:
    def broken(request: HttpRequest) -> Answer:
        raise KeyError(request.headers["accept"])

    server.route(broken)
    async with connected(server) as streams:
        first, body = await exchange(*streams, get(extra="Accept: pictures\r\n"))
    assert first == "HTTP/1.1 500 Internal Server Error"
    assert b"KeyError: 'pictures'" in body


def test_answers_and_servers_are_checked_when_made() -> None:
    wrong: list[dict[str, Any]] = [
        {"status": 42}, {"delay": -1}, {"header_drip": float("nan")}, {"body_drip": float("inf")},
        {"chunk_bytes": 0}, {"declared_length": -1}, {"cut_after": -1}, {"framing": "length?"}, {"cut": "FIN"},
        {"instead": "silent"},
    ]  # fmt: skip
    for values in wrong:
        with pytest.raises(ValueError):
            Answer(**values)
    for hosts in (0, 1001):
        with pytest.raises(ValueError):
            ImageServer(hosts)
    server = ImageServer()
    for arguments in (("a.jpg", b""), ("/a.jpg",)):
        with pytest.raises(ValueError):
            server.add(*arguments)
    with pytest.raises(RuntimeError):
        server.url("/")


# Hosts and ports


async def test_a_thousand_hosts_listen_on_one_port() -> None:
    async with ImageServer(hosts=1000) as server:
        assert (server.hosts[0], server.hosts[255], server.hosts[-1]) == ("127.0.0.1", "127.0.1.0", "127.0.3.232")
        assert len(set(server.hosts)) == 1000
        for index in (0, 254, 255, 999):
            async with connected(server, server.hosts[index]) as streams:
                # Without a Host header, the address that was connected to is the host.
                await exchange(*streams, b"GET / HTTP/1.1\r\n\r\n")
        assert server.audit.hosts == [server.hosts[index] for index in (0, 254, 255, 999)]
        assert server.url("/a", 255) == f"http://127.0.1.0:{server.port}/a"
        assert server.url("/a", "a.example") == f"http://a.example:{server.port}/a"


async def test_another_port_is_tried_when_one_address_has_it_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = listening.listener
    tried = []

    def unlucky(address: str, port: int) -> Any:
        made = listener(address, port)
        tried.append(made)
        if address == "127.0.0.2" and len(tried) == 2:
            tried.append(listener("127.0.0.3", made.getsockname()[1]))
        return made

    monkeypatch.setattr(listening, "listener", unlucky)
    async with ImageServer(hosts=3) as server:
        assert tried[0].fileno() == tried[1].fileno() == -1
        tried[2].close()
        for address in server.hosts:
            async with connected(server, address) as streams:
                assert (await exchange(*streams, get()))[0] == "HTTP/1.1 404 Not Found"


async def test_small_pieces_are_not_held_back_by_the_kernel(server: ImageServer) -> None:
    async with connected(server) as streams:
        await exchange(*streams, get())
        (connection,) = server._connections
        assert connection._socket().getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


# The audit


async def test_the_audit_tells_what_came_and_when(server: ImageServer) -> None:
    server.add("/a", b"a")
    async with connected(server) as streams:
        before = time.monotonic()
        await exchange(*streams, get("/a", "One.Example:80", extra="X-Tag: 1\r\nX-TAG: 2\r\n"))
        await asyncio.sleep(2 * STEP)
        await exchange(*streams, get("/b", "one.example"))
        await exchange(*streams, get("/a", "two.example"))
        audit = server.audit
        assert audit.connections_open == 1
    first, second = audit.requests("one.example")
    assert (first.request.method, first.path, first.host) == ("GET", "/a", "one.example")
    assert first.request.headers == {"host": "One.Example:80", "x-tag": "1, 2"}
    assert before <= first.at <= (first.ended or 0) <= second.at
    assert (first.status, second.status) == (200, 404)
    assert audit.starts("one.example") == [first.at, second.at]
    assert audit.gaps("one.example") == [second.at - first.at]
    assert audit.gaps("one.example")[0] >= 2 * STEP
    assert [audit.count(), audit.count("one.example"), audit.count(path="/a"), audit.count("x")] == [3, 2, 2, 0]
    assert audit.hosts == ["one.example", "two.example"]
    assert (audit.max_in_flight("x"), audit.in_flight("x"), audit.gaps("x")) == (0, 0, [])


@pytest.mark.slow  # those of the first round wait for each other, also where connecting takes long
async def test_max_in_flight_is_what_overlapped_host_by_host() -> None:
    async with ImageServer(hosts=2) as server, aiohttp.ClientSession() as session:
        server.route(lambda request: Answer(BODY, delay=0.5 if server.audit.count() <= 8 else 0.0))
        limit = asyncio.Semaphore(3)

        async def fetch(host: int, gate: Any) -> None:
            async with gate, session.get(server.url("/", host)) as response:
                await response.read()

        await asyncio.gather(*(fetch(0, limit) for _ in range(6)), *(fetch(1, asyncio.Lock()) for _ in range(5)))
        one, two = server.hosts
        assert (server.audit.max_in_flight(one), server.audit.max_in_flight(two)) == (3, 5)
        assert server.audit.max_in_flight() == 8
        assert server.audit.in_flight() == 0
        summary = server.audit.summary()
        assert (summary.requests, summary.max_in_flight, summary.statuses) == (11, 5, {200: 11})


async def test_a_client_that_keeps_to_one_request_is_never_seen_with_two(server: ImageServer) -> None:
    server.add("/", LARGE[:200_000], Answer(BODY, keep_alive=False), chunked(LARGE[:200_000]), dripping(b"ab", 0.001))
    async with aiohttp.ClientSession() as session:
        for _ in range(10):
            async with session.get(server.url("/")) as response:
                await response.read()
    assert server.audit.max_in_flight("127.0.0.1") == 1


async def test_a_client_that_goes_away_ends_its_request(server: ImageServer) -> None:
    server.add("/", Answer(delay=60), b"")
    async with connected(server) as (_, writer):
        writer.write(get() + get())
        await soon(lambda: server.audit.in_flight("127.0.0.1") == 2)
    await soon(lambda: server.audit.in_flight("127.0.0.1") == 0)
    assert all(entry.ended and entry.status is None for entry in server.audit.requests())


async def test_reprs_tell_the_state(server: ImageServer) -> None:
    server.add("/", silent())
    async with connected(server) as (_, writer):
        writer.write(get())
        await soon(lambda: server.audit.count() == 1)
        assert repr(server.audit) == "<Audit 1 requests to 1 hosts, 1 in flight, 1 of 1 connections open>"
        assert f"port={server.port} hosts=1 paths=1" in repr(server)


# A process of its own, and the package


def fetch_all(fetch: Callable[[aiohttp.ClientSession], Awaitable[list[Any]]]) -> list[Any]:
    async def run() -> list[Any]:
        async with aiohttp.ClientSession() as session:
            return await fetch(session)

    return asyncio.run(run())


@pytest.mark.slow  # starts an interpreter
def test_a_server_in_a_process_serves_the_set_and_hands_back_its_audit() -> None:
    pictures = PictureSet(6, seed=3, masters=2)

    async def fetch(session: aiohttp.ClientSession) -> list[Any]:
        bodies: list[Any] = []
        for url in [*served.urls, served.url(6)]:
            async with session.get(url) as response:
                bodies.append(await response.read() if response.ok else response.status)
        return bodies

    with serve_in_process(pictures, hosts=2) as served:
        assert [url.partition(f":{served.port}")[0] for url in served.urls[:2]] == [
            "http://127.0.0.1",
            "http://127.0.0.2",
        ]
        assert fetch_all(fetch) == [*(pictures.data(number) for number in range(6)), 404]
    assert served.summary is not None
    assert (served.summary.requests, served.summary.statuses) == (7, {200: 6, 404: 1})
    assert served.summary.connections == 2


@pytest.mark.slow  # starts an interpreter
def test_a_server_in_a_process_that_cannot_start_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OSError, match="standard error"), serve_in_process(PictureSet(1), hosts=0):
        pass
    assert "hosts is 0" in capfd.readouterr().err


def test_every_public_name_is_there() -> None:
    for name in asynccrawl.testing.__all__:
        assert getattr(asynccrawl.testing, name) is not None
    with pytest.raises(AttributeError):
        asynccrawl.testing.nonsense  # noqa: B018  # the look-up is the test
