"""Each behaviour of an Answer over real sockets, seen by a client that reads raw bytes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import aiohttp
import pytest
import uvloop

from asynccrawl.testing import (
    Answer,
    ImageServer,
    chunked,
    dripping,
    hang_up,
    html_as_jpeg,
    lying_length,
    raw,
    redirect,
    reset,
    silent,
    status,
    too_many_requests,
    truncated,
    unframed,
)

from .raw_client import STEP, connected, exchange, get, heard, read_head, soon, stays_open, until_end

BODY = bytes(range(256)) * 8
LARGE = BODY * 2_000  # 4 MB: more than the sockets of a client that does not read will hold


@pytest.fixture
async def server() -> AsyncIterator[ImageServer]:
    async with ImageServer() as started:
        yield started


# Honest answers


async def test_an_honest_answer_is_understood_by_an_http_client(server: ImageServer) -> None:
    server.add("/a.jpg?x=1", Answer(BODY, headers=(("ETag", '"é"'), ("X-Two", "1"), ("X-Two", "2"))))
    async with aiohttp.ClientSession() as session, session.get(server.url("/a.jpg?x=1")) as response:
        assert (response.status, response.reason, response.content_type) == (200, "OK", "image/jpeg")
        assert await response.read() == BODY
        assert response.headers["ETag"] == '"é"'
        assert response.headers.getall("X-Two") == ["1", "2"]
        assert response.content_length == len(BODY)


async def test_chunked_unframed_and_redirected_bodies_are_understood_by_an_http_client(server: ImageServer) -> None:
    server.add("/chunked", chunked(BODY, 100))
    server.add("/unframed", unframed(BODY))
    server.add("/redirect", redirect("/chunked", 301))
    async with aiohttp.ClientSession() as session:
        for path in ("/chunked", "/unframed", "/redirect"):
            async with session.get(server.url(path)) as response:
                assert await response.read() == BODY
                assert response.content_length is None
                assert response.url.path in ("/chunked", "/unframed")
    assert server.audit.statuses() == {200: 3, 301: 1}


async def test_one_connection_serves_many_requests(server: ImageServer) -> None:
    server.add("/", Answer(BODY))
    async with connected(server) as streams:
        for _ in range(3):
            assert await exchange(*streams, get()) == ("HTTP/1.1 200 OK", BODY)
    assert server.audit.connections == 1
    assert [entry.connection for entry in server.audit.requests()] == [1, 1, 1]


async def test_pipelined_requests_are_answered_in_order_however_they_are_cut(server: ImageServer) -> None:
    server.add("/slow", Answer(b"slow", delay=20 * STEP))  # all three are there before it is over
    server.add("/fast", Answer(b"fast"))
    stream = get("/slow") + get("/fast", method="POST", extra="Content-Length: 4\r\n") + b"GET " + get("/fast")
    async with connected(server) as (reader, writer):
        for at in range(0, len(stream), 17):
            writer.write(stream[at : at + 17])
            await asyncio.sleep(0)
        for expected in (b"slow", b"fast", b"fast"):
            _, headers = await read_head(reader)
            assert await reader.readexactly(int(headers["content-length"])) == expected
    assert [entry.path for entry in server.audit.requests()] == ["/slow", "/fast", "/fast"]
    assert server.audit.max_in_flight("127.0.0.1") == 3


async def test_a_head_request_gets_the_length_and_no_body(server: ImageServer) -> None:
    server.add("/", Answer(BODY))
    async with connected(server) as (reader, writer):
        writer.write(get(method="HEAD"))
        _, headers = await read_head(reader)
        assert headers["content-length"] == str(len(BODY))
        assert await exchange(reader, writer, get()) == ("HTTP/1.1 200 OK", BODY)


@pytest.mark.parametrize("ending", ["HTTP/1.1\r\nHost: a\r\nConnection: close", "HTTP/1.0"])
async def test_a_client_that_wants_the_connection_closed_gets_its_wish(server: ImageServer, ending: str) -> None:
    server.add("/", Answer(BODY))
    answer = await until_end(server, f"GET / {ending}\r\n\r\n".encode())
    assert b"Connection: close" in answer
    assert answer.endswith(BODY)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/3\r\n\r\n",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET /" + b"a" * 70_000,
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
async def test_what_is_no_request_is_refused_and_counted(server: ImageServer, request_bytes: bytes) -> None:
    assert (await until_end(server, request_bytes)).startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert server.audit.bad_requests == 1
    assert server.audit.count() == 0


# Headers


async def head_of(server: ImageServer, answer: Answer) -> tuple[str, dict[str, str]]:
    server.add("/", answer)
    async with connected(server) as (reader, writer):
        writer.write(get())
        return await read_head(reader)


async def test_headers_are_sent_as_asked(server: ImageServer) -> None:
    first, headers = await head_of(server, redirect("http://exämple/ a", 307))
    assert first == "HTTP/1.1 307 Temporary Redirect"
    assert headers == {"location": "http://exämple/ a", "content-length": "0"}
    first, headers = await head_of(server, too_many_requests("soon"))
    assert first == "HTTP/1.1 429 Too Many Requests"
    assert headers["retry-after"] == "soon"
    first, headers = await head_of(server, html_as_jpeg())
    assert (first, headers["content-type"]) == ("HTTP/1.1 200 OK", "image/jpeg")
    assert "content-type" not in (await head_of(server, Answer(BODY, content_type=None)))[1]


@pytest.mark.parametrize(("code", "phrase"), [(404, "Not Found"), (503, "Service Unavailable"), (799, "")])
async def test_a_status_comes_with_its_phrase_and_is_audited(server: ImageServer, code: int, phrase: str) -> None:
    assert (await head_of(server, status(code)))[0] == f"HTTP/1.1 {code} {phrase}"
    assert server.audit.statuses("127.0.0.1") == {code: 1}


@pytest.mark.parametrize("code", [204, 304])
async def test_a_status_without_a_body_has_no_length(server: ImageServer, code: int) -> None:
    assert "content-length" not in (await head_of(server, Answer(status=code)))[1]


# Time


async def timed(server: ImageServer, answer: Answer) -> tuple[list[float], bytes]:
    """The seconds after the request at which anything arrived, and what arrived."""
    server.add("/", answer)
    times, received = [], bytearray()
    async with connected(server) as (reader, writer):
        begin = time.monotonic()
        writer.write(get(extra="Connection: close\r\n"))
        while data := await reader.read(65_536):
            times.append(time.monotonic() - begin)
            received += data
    return times, bytes(received)


async def test_delay_comes_before_the_first_byte(server: ImageServer) -> None:
    times, received = await timed(server, Answer(BODY, delay=3 * STEP))
    assert times[0] >= 3 * STEP
    assert received.endswith(BODY)


async def test_dripping_headers_come_byte_by_byte_and_the_body_at_once(server: ImageServer) -> None:
    times, received = await timed(server, Answer(BODY, content_type=None, header_drip=0.0005))
    head = received.index(b"\r\n\r\n") + 4
    assert times[-1] >= 0.0005 * (head - 1)
    assert len(times) >= head / 2
    assert received.endswith(BODY)


@pytest.mark.parametrize("framing", ["length", "chunked", "none"])
async def test_a_dripping_body_comes_in_pieces(server: ImageServer, framing: Any) -> None:
    times, received = await timed(server, Answer(b"abcdef", body_drip=STEP, chunk_bytes=2, framing=framing))
    assert times[-1] >= 2 * STEP
    assert len(times) >= 3
    body = received.partition(b"\r\n\r\n")[2]
    assert body == (b"2\r\nab\r\n2\r\ncd\r\n2\r\nef\r\n0\r\n\r\n" if framing == "chunked" else b"abcdef")


async def test_dripping_is_bytewise_by_default_and_raw_bytes_drip_too(server: ImageServer) -> None:
    assert dripping(b"abc", STEP) == Answer(b"abc", body_drip=STEP, chunk_bytes=1)
    times, received = await timed(server, Answer(raw=b"abc", body_drip=STEP, chunk_bytes=1))
    assert (times[-1] >= 2 * STEP, received) == (True, b"abc")


# Lies about the body


async def test_a_truncated_body_ends_early_in_good_order(server: ImageServer) -> None:
    server.add("/", truncated(BODY))
    head, _, body = (await until_end(server)).partition(b"\r\n\r\n")
    assert b"Content-Length: 2048" in head
    assert b"Connection" not in head
    assert body == BODY[:1024]


async def test_a_cut_chunked_body_lacks_its_last_chunk(server: ImageServer) -> None:
    server.add("/", Answer(b"abcdef", framing="chunked", chunk_bytes=4, cut_after=6))
    assert (await until_end(server)).endswith(b"\r\n\r\n4\r\nabcd\r\n2\r\nef\r\n")


async def test_a_cut_after_the_whole_body_is_an_unannounced_close(server: ImageServer) -> None:
    server.add("/", Answer(BODY, cut_after=len(BODY)))
    answer = await until_end(server)
    assert b"Connection" not in answer
    assert answer.endswith(BODY)


async def test_a_length_that_is_too_large_hangs_or_ends(server: ImageServer) -> None:
    server.add("/ends", lying_length(b"abc", 5))
    server.add("/hangs", lying_length(b"abc", 5, keep_alive=True))
    assert b"Content-Length: 5\r\n" in await until_end(server, get("/ends"))
    async with connected(server) as (reader, writer):
        writer.write(get("/hangs"))
        await read_head(reader)
        assert await reader.readexactly(3) == b"abc"
        assert await stays_open(reader)


async def test_a_length_that_is_too_small_leaves_its_rest_before_the_next_answer(server: ImageServer) -> None:
    server.add("/", lying_length(b"abcde", 3, keep_alive=True))
    async with connected(server) as (reader, writer):
        assert (await exchange(reader, writer, get()))[1] == b"abc"
        writer.write(get())
        assert (await reader.readuntil(b"\r\n")).startswith(b"deHTTP/1.1 200")


async def test_an_unframed_body_has_no_framing_and_is_ended_by_closing(server: ImageServer) -> None:
    server.add("/", unframed(BODY))
    head, _, body = (await until_end(server)).partition(b"\r\n\r\n")
    assert b"Content-Length" not in head
    assert b"Transfer-Encoding" not in head
    assert body == BODY


async def test_raw_bytes_are_sent_verbatim(server: ImageServer) -> None:
    server.add("/", raw(b"ICY 200 OK\nno HTTP"))
    server.add("/open", raw(b"HTTP/1.1 200 OK\r\n", keep_alive=True))
    server.add("/cut", Answer(raw=b"HTTP/1.1 200 OK\r\n", cut_after=8))
    assert await until_end(server) == b"ICY 200 OK\nno HTTP"
    assert await until_end(server, get("/cut")) == b"HTTP/1.1"
    async with connected(server) as (reader, writer):
        writer.write(get("/open"))
        await reader.readuntil(b"\r\n")
        assert await stays_open(reader)
    assert server.audit.statuses() == {}


async def test_an_answer_without_keep_alive_says_so_and_closes(server: ImageServer) -> None:
    server.add("/", Answer(BODY, keep_alive=False))
    assert b"Connection: close\r\n" in await until_end(server)


# The ends of connections, under both event loops, since their transports differ in what they hold back


async def _resets(server: ImageServer) -> None:
    server.add("/", reset(), Answer(instead="reset", delay=STEP))
    for _ in range(2):
        received, error = await heard(server)
        assert received == b""
        assert isinstance(error, ConnectionResetError)
    await soon(lambda: server.audit.in_flight() == 0)


async def _hangs_up(server: ImageServer) -> None:
    server.add("/", hang_up())
    assert await heard(server) == (b"", None)


async def _stays_silent(server: ImageServer) -> None:
    server.add("/", silent())
    async with connected(server) as (reader, writer):
        writer.write(get() + get())
        assert await stays_open(reader)
        assert server.audit.in_flight("127.0.0.1") == 2
    await soon(lambda: server.audit.in_flight("127.0.0.1") == server.audit.connections_open == 0)
    assert server.audit.statuses() == {}


async def _cuts_by_reset(server: ImageServer) -> None:
    for body, after in ((BODY, 1000), (LARGE, 3_000_000)):
        server.add("/", truncated(body, after, "rst"))
        received, error = await heard(server)
        assert received.partition(b"\r\n\r\n")[2] == body[:after]
        assert isinstance(error, ConnectionResetError)


async def _sends_large_bodies_whole(server: ImageServer) -> None:
    for answer in (Answer(LARGE, keep_alive=False), unframed(LARGE)):
        server.add("/", answer)
        received, error = await heard(server)
        assert (received.endswith(LARGE), error) == (True, None)


async def _waits_for_a_slow_reader(server: ImageServer) -> None:
    server.add("/", Answer(LARGE))
    async with connected(server) as (reader, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(get())
        await soon(lambda: server.audit.count() == 1)
        await asyncio.sleep(2 * STEP)
        assert server.audit.in_flight("127.0.0.1") == 1
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        _, headers = await read_head(reader)
        assert await reader.readexactly(int(headers["content-length"])) == LARGE
        await soon(lambda: server.audit.in_flight("127.0.0.1") == 0)


async def _closes_what_is_stuck(server: ImageServer) -> None:
    server.add("/silent", silent())
    server.add("/late", Answer(delay=60))
    server.add("/drip", dripping(BODY, 60))
    server.add("/large", Answer(LARGE))
    others = asyncio.all_tasks()
    async with asyncio.timeout(30):
        streams = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(5)]
        for path, (_, writer) in zip(["/silent", "/late", "/drip", "/large"], streams, strict=False):
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(get(path))
        await soon(lambda: server.audit.count() == 4 and server.audit.connections_open == 5)
        await server.aclose()
    assert server.audit.in_flight() == server.audit.connections_open == 0
    assert asyncio.all_tasks() == others
    for _, writer in streams:
        writer.transport.abort()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", server.port)


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize(
    "scenario",
    [
        _resets, _hangs_up, _stays_silent, _cuts_by_reset, _sends_large_bodies_whole, _waits_for_a_slow_reader,
        _closes_what_is_stuck,
    ],
)  # fmt: skip
def test_ends_of_connections(loop_factory: Any, scenario: Callable[[ImageServer], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        async with ImageServer() as server:
            await scenario(server)

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(run())
