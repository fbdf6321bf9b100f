"""Each named fault and each slow line, seen by a client that reads raw bytes, and what the fetcher makes of it."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvloop

from asynccrawl.errors import FetchError
from asynccrawl.fetcher import HttpFetcher
from asynccrawl.models import Reason, Response
from asynccrawl.settings import Limits
from asynccrawl.testing import (
    Answer,
    ImageServer,
    Link,
    after_interims,
    bad_chunk_size,
    cut_unframed,
    dripping,
    endless_body,
    endless_header_line,
    false_encoding,
    gzip_bomb,
    gzipped,
    header_flood,
    interim_flood,
    no_last_chunk,
    partial_chunk,
    partial_content,
    pushed_response,
    raw,
    several_lengths,
    silent,
)
from asynccrawl.testing.link import Meter

from .conftest import LOOPBACK
from .fetching import fate, outcome
from .lived import Lived
from .raw_client import STEP, connected, exchange, get, heard, read_head, soon, stays_open, until_end

BODY = bytes(range(256)) * 8
BOTH_LOOPS = pytest.mark.parametrize(
    "loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
BOUND = 1_000_000
"""Bytes that a connection may hold for a client that does not read: asyncio's TLS pauses at 512 KiB (sslproto)."""
SMALL = replace(LOOPBACK, limits=Limits(max_bytes=2**20, timeout=5.0))
"""Settings under which an endless body is soon too large."""


@pytest.fixture
async def server() -> AsyncIterator[ImageServer]:
    async with ImageServer(hosts=2) as started:
        yield started


async def body_of(server: ImageServer, answer: Answer) -> tuple[bytes, bytes]:
    """The head and the body that come before the connection ends in good order."""
    server.add("/", answer)
    head, _, body = (await until_end(server)).partition(b"\r\n\r\n")
    return head, body


# What is on the wire


@pytest.mark.parametrize("cut", ["fin", "rst"])
async def test_an_unframed_body_is_cut_by_fin_or_reset(server: ImageServer, cut: Any) -> None:
    server.add("/", cut_unframed(BODY, cut=cut), cut_unframed(BODY, 5, cut))
    for size in (1024, 5):
        received, error = await heard(server)
        head, _, body = received.partition(b"\r\n\r\n")
        assert body == BODY[:size] and b"Content-Length" not in head and b"chunked" not in head
        assert isinstance(error, ConnectionResetError) == (cut == "rst")


@pytest.mark.parametrize("cut", ["fin", "rst"])
async def test_a_chunk_ends_in_its_middle(server: ImageServer, cut: Any) -> None:
    server.add("/", partial_chunk(BODY, cut))
    received, error = await heard(server)
    assert received.endswith(b"chunked\r\n\r\n800\r\n" + BODY[:1024])
    assert isinstance(error, ConnectionResetError) == (cut == "rst")


async def test_chunks_go_wrong(server: ImageServer) -> None:
    chunk = b"800\r\n" + BODY + b"\r\n"
    assert (await body_of(server, bad_chunk_size(BODY, b"-1")))[1] == chunk + b"-1\r\n" + BODY + b"\r\n0\r\n\r\n"
    assert (await body_of(server, no_last_chunk(BODY)))[1] == chunk
    server.add("/", no_last_chunk(BODY, keep_alive=True))
    async with connected(server) as (reader, writer):
        writer.write(get())
        await read_head(reader)
        assert await reader.readexactly(len(chunk)) == chunk
        assert await stays_open(reader)


async def test_a_second_response_comes_unasked(server: ImageServer) -> None:
    server.add("/", pushed_response(b"first", b"pushed", after=2 * STEP))
    async with connected(server) as (reader, writer):
        began = time.monotonic()
        assert await exchange(reader, writer, get()) == ("HTTP/1.1 200 OK", b"first")
        _, headers = await read_head(reader)
        assert await reader.readexactly(int(headers["content-length"])) == b"pushed"
        assert time.monotonic() - began >= 2 * STEP
        server.add("/", b"asked for")
        assert (await exchange(reader, writer, get()))[1] == b"asked for"


async def test_lengths_contradict(server: ImageServer) -> None:
    server.add("/", several_lengths(BODY, 5, len(BODY)))
    async with connected(server) as (reader, writer):
        writer.write(get())
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"Content-Length: 5\r\nContent-Length: 2048\r\n" in head
        assert await reader.readexactly(len(BODY)) == BODY


async def test_interim_responses_come_before_an_answer(server: ImageServer) -> None:
    server.add("/", after_interims(BODY, 2, 103))
    async with connected(server) as (reader, writer):
        writer.write(get())
        assert [(await read_head(reader))[0] for _ in range(2)] == ["HTTP/1.1 103 Wait"] * 2
        assert (await exchange(reader, writer, b"")) == ("HTTP/1.1 200 OK", BODY)


async def test_a_part_comes_in_place_of_the_whole(server: ImageServer) -> None:
    server.add("/", partial_content(BODY), partial_content(BODY, 10, 20))
    async with connected(server) as (reader, writer):
        for start, end in ((0, 1024), (10, 20)):
            writer.write(get())
            first, headers = await read_head(reader)
            assert first == "HTTP/1.1 206 Partial Content"
            assert headers["content-range"] == f"bytes {start}-{end - 1}/2048"
            assert await reader.readexactly(int(headers["content-length"])) == BODY[start:end]


async def test_encodings_lie_or_not(server: ImageServer) -> None:
    for answer, coding in ((false_encoding(BODY, "br"), b"br"), (gzipped(BODY), b"gzip"), (gzip_bomb(1), b"gzip")):
        head, _ = await body_of(server, replace(answer, keep_alive=False))
        assert b"\r\nContent-Encoding: " + coding + b"\r\n" in head
    assert gzip.decompress(gzipped(BODY).body) == BODY
    assert gzipped(BODY) == gzipped(BODY)
    with pytest.raises(gzip.BadGzipFile):
        gzip.decompress(false_encoding(BODY).body)


@pytest.mark.parametrize("mebibytes", [0, 1, 33])
def test_a_bomb_is_valid_gzip_of_its_size(mebibytes: int) -> None:
    bomb = gzip_bomb(mebibytes).body
    assert gzip.decompress(bomb) == bytes(mebibytes * 2**20)
    assert len(bomb) < 100 + mebibytes * 1_200
    inflate = zlib.decompressobj(31)
    assert len(inflate.decompress(bomb, 1000)) == min(1000, mebibytes * 2**20)


def test_answers_without_end_are_checked_when_made() -> None:
    for values in ({"endless": b""}, {"endless": b"x", "cut_after": 3}):
        with pytest.raises(ValueError, match="endless"):
            Answer(**values)  # type: ignore[arg-type]


# What never ends

ENDLESS = {
    "headers": (header_flood(), b"\r\nX-Flood: "),
    "line": (endless_header_line(), b"aaaaaaaa"),
    "unframed": (endless_body(), b"\xa5\xa5"),
    "chunked": (endless_body("chunked"), b"\r\n1000\r\n\xa5"),
    "length": (endless_body("length"), b"\xa5\xa5"),
    "interim": (interim_flood(), b"\r\n\r\nHTTP/1.1 100 Wait\r\n\r\n"),
    "102": (interim_flood(102), b"\r\n\r\nHTTP/1.1 102 Wait\r\n\r\n"),
    "after a body": (Answer(b"x", framing="chunked", endless=b"1\r\ny\r\n"), b"\r\n1\r\ny\r\n1\r\ny\r\n"),
}


async def _floods(server: ImageServer, answer: Answer, piece: bytes) -> None:
    server.add("/", answer)
    async with connected(server) as (reader, writer):
        writer.write(get())
        received = bytearray()
        while len(received) < 2_000_000:
            received += await reader.read(65_536)
        assert piece in received[-100_000:]
        assert server.audit.in_flight("127.0.0.1") == 1
        # Another client is served meanwhile, and one that stops reading costs no memory.
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        server.add("/other", BODY)
        async with connected(server) as streams:
            assert (await exchange(*streams, get("/other")))[1] == BODY
        await asyncio.sleep(2 * STEP)
        (stuck,) = (c for c in server._connections if getattr(c, "_playing", None) is not None)
        assert stuck._transport.get_write_buffer_size() < BOUND  # type: ignore[attr-defined]
    await soon(lambda: server.audit.in_flight() == server.audit.connections_open == 0)
    first = server.audit.requests(path="/")[0]
    assert first.ended is not None and first.status is None


@BOTH_LOOPS
@pytest.mark.parametrize("name", ENDLESS)
def test_floods_last_until_the_client_hangs_up(loop_factory: Any, name: str) -> None:
    async def run() -> None:
        others = asyncio.all_tasks()
        async with ImageServer() as server:
            await _floods(server, *ENDLESS[name])
        assert asyncio.all_tasks() == others

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(run())


async def test_a_flood_obeys_back_pressure_under_tls_too() -> None:
    async with ImageServer(tls="good") as server, asyncio.timeout(30):
        server.add("/", endless_body())
        context = ssl.create_default_context(cafile=server.ca_file)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
        try:
            writer.write(get())
            assert len(await reader.readexactly(1_000_000)) == 1_000_000
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.sleep(2 * STEP)
            (stuck,) = server._connections
            assert stuck._transport.get_write_buffer_size() < BOUND  # type: ignore[attr-defined]
        finally:
            writer.transport.abort()
        await soon(lambda: server.audit.in_flight() == server.audit.connections_open == 0)


@pytest.mark.parametrize(
    "drip", [header_flood, endless_header_line, endless_body, interim_flood], ids=lambda drip: drip.__name__
)
async def test_endless_things_may_drip(server: ImageServer, drip: Callable[..., Answer]) -> None:
    server.add("/", drip(seconds=STEP))
    async with connected(server) as (reader, writer):
        writer.write(get())
        began = time.monotonic()
        pieces = 0
        while pieces < 4:
            assert len(await reader.read(65_536)) < 10_000
            pieces += 1
        assert time.monotonic() - began >= 2 * STEP


# What the fetcher makes of it


@pytest.mark.parametrize(
    ("answer", "reason", "retryable", "http_status"),
    [
        (partial_chunk(BODY), Reason.TRUNCATED, True, None),
        (partial_chunk(BODY, "rst"), Reason.TRUNCATED, True, None),
        (no_last_chunk(BODY), Reason.TRUNCATED, True, None),
        *((bad_chunk_size(BODY, size), Reason.PROTOCOL, False, None) for size in (b"xyz", b"-5", b"", b"f" * 17)),
        (header_flood(), Reason.PROTOCOL, False, None),
        (endless_header_line(), Reason.PROTOCOL, False, None),
        (endless_body(), Reason.TOO_LARGE, False, 200),
        (endless_body("chunked"), Reason.TOO_LARGE, False, 200),
        (endless_body("length"), Reason.TOO_LARGE, False, 200),
        (several_lengths(BODY, 5, len(BODY)), Reason.PROTOCOL, False, None),
        (Answer(BODY, framing="chunked", declared_length=5), Reason.PROTOCOL, False, None),
        (partial_content(BODY), Reason.HTTP_OTHER, False, 206),
    ],
    ids=str,
)
async def test_the_fetcher_names_the_fault(
    server: ImageServer, tmp_path: Path, answer: Answer, reason: Reason, retryable: bool, http_status: int | None
) -> None:
    server.add("/x", answer)
    error = await fate(server.url("/x"), tmp_path, SMALL)
    assert isinstance(error, FetchError)
    assert (error.reason, error.retryable, error.http_status) == (reason, retryable, http_status), error
    await soon(lambda: server.audit.in_flight() == server.audit.connections_open == 0)


@pytest.mark.parametrize(
    "answer",
    [
        no_last_chunk(BODY, keep_alive=True),
        header_flood(STEP),
        endless_header_line(STEP),
        endless_body(seconds=STEP),
        endless_body("chunked", STEP),
        interim_flood(100, 2 * STEP),
    ],
    ids=str,
)
async def test_the_fetcher_ends_within_its_deadline(server: ImageServer, tmp_path: Path, answer: Answer) -> None:
    server.add("/x", answer)
    error = await fate(server.url("/x"), tmp_path, SMALL, seconds=0.2)
    assert isinstance(error, FetchError) and (error.reason, error.retryable) == (Reason.TIMEOUT, True)
    await soon(lambda: server.audit.in_flight() == server.audit.connections_open == 0)


@pytest.mark.parametrize("code", [100, 102, 103])
async def test_the_fetcher_reads_on_behind_interim_responses(server: ImageServer, tmp_path: Path, code: int) -> None:
    server.add("/x", after_interims(BODY, 5, code))
    got = await fate(server.url("/x"), tmp_path)
    assert isinstance(got, Response) and got.data == BODY and got.framed


@pytest.mark.parametrize("cut", ["fin", "rst"])
async def test_the_fetcher_marks_a_body_whose_end_nobody_told(server: ImageServer, tmp_path: Path, cut: Any) -> None:
    server.add("/x", cut_unframed(BODY, cut=cut))
    got = await fate(server.url("/x"), tmp_path)
    if cut == "fin":
        assert isinstance(got, Response) and not got.framed
    else:
        assert isinstance(got, FetchError) and (got.reason, got.retryable) == (Reason.TRUNCATED, True)


@pytest.mark.parametrize("answer", [false_encoding(BODY), gzipped(BODY)])
async def test_the_fetcher_undoes_an_encoding_where_there_is_one(
    server: ImageServer, tmp_path: Path, answer: Answer
) -> None:
    server.add("/x", answer)
    got = await fate(server.url("/x"), tmp_path)
    assert isinstance(got, Response) and got.data == BODY


@pytest.mark.parametrize("after", [0.0, STEP])
@pytest.mark.parametrize(
    "first", [raw(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", keep_alive=True), Answer(b"", 404), Answer(b"body")]
)
async def test_what_is_pushed_on_an_idle_connection_is_no_answer(
    server: ImageServer, tmp_path: Path, after: float, first: Answer
) -> None:
    pushing = pushed_response(b"first", b"pushed", after)
    server.add("/pushing", pushing)
    server.add("/first", first)
    for n in range(3):
        server.add(f"/{n}", b"right %d" % n)
    fetcher = await HttpFetcher.open(LOOPBACK, tmp_path)
    await outcome(fetcher, server.url("/first"))
    await outcome(fetcher, server.url("/pushing"))
    await soon(lambda: server.audit.in_flight() == 0)
    await asyncio.sleep(STEP)  # what was pushed has arrived
    for n in range(3):
        got = await outcome(fetcher, server.url(f"/{n}"))
        assert isinstance(got, Response) and got.data == b"right %d" % n
    await fetcher.aclose()


# Slow lines


async def test_latency_comes_before_each_answer_of_a_host(server: ImageServer) -> None:
    server.set_link(Link(latency=3 * STEP), "127.0.0.2")
    server.add("/", Answer(BODY), Answer(BODY, delay=STEP))
    async with connected(server, "127.0.0.2") as streams:
        for least in (3 * STEP, 4 * STEP):
            began = time.monotonic()
            assert (await exchange(*streams, get(host="127.0.0.2")))[1] == BODY
            assert time.monotonic() - began >= least
    assert server.audit.max_in_flight("127.0.0.2") == 1


async def test_bytes_are_paced_by_connection(server: ImageServer) -> None:
    server.set_link(Link(connection_rate=100_000))
    server.add("/", Answer(BODY * 4))

    async def fetch() -> bytes:
        async with connected(server) as streams:
            return (await exchange(*streams, get()))[1]

    began = time.monotonic()
    with Lived() as lived:
        assert await asyncio.gather(*(fetch() for _ in range(4))) == [BODY * 4] * 4
        # Each has a connection to itself: together they take as long as one.
        assert lived.seconds < 4 * 8192 / 100_000
    assert time.monotonic() - began >= 8192 / 100_000 - 0.02


@pytest.mark.parametrize("connections", [1, 4])
async def test_bytes_are_paced_by_host_over_all_its_connections(connections: int) -> None:
    async with ImageServer(hosts=2, link=Link(host_rate=200_000)) as server:
        server.set_link(Link(), "127.0.0.2")
        server.add("/", Answer(BODY * 4))

        async def fetch(address: str, times: int) -> None:
            async with connected(server, address) as streams:
                for _ in range(times):
                    assert (await exchange(*streams, get(host=address)))[1] == BODY * 4

        began = time.monotonic()
        await asyncio.gather(*(fetch("127.0.0.1", 4 // connections) for _ in range(connections)))
        assert time.monotonic() - began >= 4 * 8192 / 200_000 - 0.02
        began = time.monotonic()
        await fetch("127.0.0.2", 1)
        assert server.audit.count() == 5


async def test_a_paced_flood_stays_paced_and_ends(server: ImageServer) -> None:
    server.set_link(Link(connection_rate=50_000, host_rate=100_000))
    server.add("/", endless_body())
    async with connected(server) as (reader, writer):
        began = time.monotonic()
        writer.write(get())
        received = 0
        while received < 5_000:
            received += len(await reader.read(65_536))
        assert received <= 50_000 * (time.monotonic() - began + 0.02)
        assert server.audit.in_flight() == 1
    await soon(lambda: server.audit.in_flight() == 0)


def test_a_meter_never_goes_faster_than_its_rate() -> None:
    meter, now, sent = Meter(), 1000.0, 0
    for step in range(1, 2000):
        due = meter.reserve(100, 10_000, now)
        sent += 100
        now = max(now, due) + (0.05 if step % 7 == 0 else 0.003)  # who sleeps wakes late
        assert sent <= 10_000 * (now - 1000.0 + 0.02)
    assert meter.reserve(1, None, now) == now
    assert sent > 10_000 * (now - 1000.0) * 0.6, "small delays are caught up"


def test_links_are_checked_when_made() -> None:
    for values in (
        {"latency": -1}, {"latency": float("inf")}, {"connection_rate": 0}, {"host_rate": -5},
        {"host_rate": float("nan")},
    ):  # fmt: skip
        with pytest.raises(ValueError):
            Link(**values)


@BOTH_LOOPS
def test_a_server_ends_with_slow_lines_at_once(loop_factory: Any) -> None:
    async def run() -> None:
        async with asyncio.timeout(30):
            await _stuck()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(run())


async def _stuck() -> None:
    async with ImageServer(link=Link(latency=60)) as server:
        server.set_link(Link(host_rate=1), "slow.example")
        for path, answer in (("/a", Answer(BODY)), ("/b", dripping(BODY, 1)), ("/c", silent())):
            server.add(path, answer)
        async with connected(server) as (_, one), connected(server) as (_, two):
            one.write(get("/a") + get("/c"))
            two.write(get("/b", "slow.example"))
            await soon(lambda: server.audit.in_flight() == 3)
            await server.aclose()
            assert server.audit.in_flight() == 0
