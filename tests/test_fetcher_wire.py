"""A picture is never taken for another's, and a cut body never for a whole one: over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
import ssl
import struct
import zlib
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import asynccrawl as ac
from asynccrawl.errors import FetchError
from asynccrawl.models import Reason, Response
from asynccrawl.testing import (
    Answer,
    ImageServer,
    cut_unframed,
    gzip_bomb,
    gzipped,
    identified,
    identifying_picture,
    interim_flood,
    lying_length,
    picture,
    raw,
    status,
    unframed,
)
from asynccrawl.testing.certificates import Authority

from .conftest import LOOPBACK
from .fetching import fate

BODY = picture()


def wired(url: str) -> bytes:
    """The whole answer that shows `url`, as bytes."""
    body = identifying_picture(url)
    return b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def poisoning(server: ImageServer, after: float, split: bool) -> Any:
    """A route whose every seventh answer is followed, `after` seconds later, by a picture of another URL."""
    asked = 0

    def route(request: Any) -> Answer:
        nonlocal asked
        asked += 1
        url = server.url(request.path, request.host)
        first = wired(url)
        if asked % 7:
            return Answer(raw=first, keep_alive=True)
        pushed = wired(server.url("/pushed.jpg", request.host))
        pieces = first + (pushed[: len(first) // 2] if split else pushed)
        if not after:
            return Answer(raw=pieces, keep_alive=True)
        return Answer(raw=pieces, keep_alive=True, body_drip=after, chunk_bytes=len(first))

    return route


@pytest.mark.slow  # 2,000 pictures are drawn, served and read back
@pytest.mark.may_block  # the test reads pictures back in the loop
@pytest.mark.parametrize("after", [0.0, 0.001, 0.005, 0.02])
@pytest.mark.parametrize("split", [False, True])
async def test_no_picture_lies_under_anothers_name(server: ImageServer, after: float, split: bool):
    server.route(poisoning(server, after, split))
    urls = [server.url(f"/{n}.jpg", host=n % 10) for n in range(250)]
    shown = {}
    async with aclosing(ac.stream(urls, settings=LOOPBACK)) as results:
        async for result in results:
            assert isinstance(result, ac.Sample), result
            shown[result.request.url] = identified(await result.read())
    assert shown == {url: url for url in urls}


@pytest.mark.slow  # a connection rests before it is reused
@pytest.mark.parametrize(
    "other",
    [
        wired("http://127.0.0.1/pushed.jpg"),
        wired("http://127.0.0.1/pushed.jpg").replace(b"\r\n", b"\r\nConnection: close\r\n", 1),
        b"HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_what_was_pushed_to_a_busy_connection_is_asked_for_again(dest: Path, other: bytes):
    """The push comes when the connection is in use again, and the true answer a little later."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pushed = b""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while path := (await reader.readuntil(b"\r\n\r\n")).split()[1].decode():
                asked.append(path)
                writer.write(pushed)
                await asyncio.sleep(0.04)
                writer.write(wired(f"{site}{path}"))
                pushed = other
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1") as server:
        site = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        settings = replace(LOOPBACK, hosts=ac.HostLimits(gap=0.3), retry=ac.RetryPolicy(retries=0))
        samples = [one async for one in ac.stream([f"{site}/{n}.jpg" for n in range(3)], settings=settings)]
    assert sorted(asked) == ["/0.jpg", "/1.jpg", "/1.jpg", "/2.jpg"], (
        "the doubtful one twice, at no cost to its retries"
    )
    shown = {s.request.url: identified(await s.read()) for s in samples if isinstance(s, ac.Sample)}
    assert shown == {f"{site}/{n}.jpg": f"{site}/{n}.jpg" for n in range(3)}


async def test_what_a_server_says_before_it_is_asked_answers_nothing(tmp_path: Path):
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(wired("http://pushed/"))
        await reader.readuntil(b"\r\n\r\n")
        writer.write(wired("http://asked/"))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1") as server:
        address = ("127.0.0.1", server.sockets[0].getsockname()[1])
        found = await fate("http://{}:{}/x".format(*address), tmp_path)
    assert isinstance(found, FetchError) and found.reason is Reason.PROTOCOL, found


@pytest.mark.parametrize("reset", [False, True])
async def test_a_connection_that_is_closed_before_it_is_asked_is_a_reset(tmp_path: Path, reset: bool):
    def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if reset:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    async with await asyncio.start_server(close, "127.0.0.1") as server:
        found = await fate("http://{}:{}/x".format(*server.sockets[0].getsockname()), tmp_path)
    assert isinstance(found, FetchError) and (found.reason, found.retryable) == (Reason.RESET, True), found


@pytest.mark.parametrize("extra", [b"x", b"HTTP/1.1 200 OK\r\nX-Pad: aaa", b"HTTP/1.1 200 OK\r\n\r\n"])
async def test_whatever_comes_behind_an_answer_costs_its_connection(server: ImageServer, dest: Path, extra: bytes):
    first = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
    server.add("/a.jpg", Answer(raw=first + extra, keep_alive=True, body_drip=0.02, chunk_bytes=len(first)))
    server.add("/b.jpg", Answer(BODY, delay=0.1))
    server.add("/c.jpg", BODY)
    urls = [server.url(path) for path in ("/a.jpg", "/b.jpg", "/c.jpg")]
    settings = replace(LOOPBACK, hosts=ac.HostLimits(per_host=1), retry=ac.RetryPolicy(retries=0))
    report = await ac.crawl(urls, dest, settings=settings)
    assert report.saved == 3
    assert server.audit.connections == 3


async def test_a_kept_connection_is_used_again_after_a_rest(server: ImageServer, dest: Path):
    server.route(lambda request: Answer(BODY, delay=0.06))
    server.add("/4.jpg", Answer(b"gone", 404, delay=0.06))
    urls = [server.url(f"/{n}.jpg") for n in range(30)]
    report = await ac.crawl(urls, dest, settings=replace(LOOPBACK, hosts=ac.HostLimits(per_host=1)))
    assert report.saved == 29, "small pages of errors are read to their end, too"
    assert server.audit.connections <= 12, (
        "some until the first has rested, half a second at most, then they take turns"
    )


@pytest.mark.parametrize(
    ("answer", "reason", "retryable", "http_status"),
    [
        (cut_unframed(BODY, cut="rst"), Reason.TRUNCATED, True, None),
        (Answer(raw=b"HTTP/1.1 101 Switching\r\n\r\npushed", keep_alive=True), Reason.HTTP_OTHER, False, 101),
        (raw(b"HTTP/1.1 204 No Content\r\n\r\n"), Reason.HTTP_OTHER, False, 204),
        (raw(b"HTTP/1.1 304 Not Modified\r\n\r\n"), Reason.HTTP_OTHER, False, 304),
        (status(204), Reason.PROTOCOL, False, None),  # with a body, which may not be
        (status(304), Reason.PROTOCOL, False, None),
        (status(205), Reason.HTTP_OTHER, False, 205),
        (raw(BODY), Reason.PROTOCOL, False, None),
        (raw(b"<html>no HTTP at all</html>"), Reason.PROTOCOL, False, None),
        (interim_flood(), Reason.PROTOCOL, False, None),
        (interim_flood(103), Reason.PROTOCOL, False, None),
        (lying_length(BODY, len(BODY) + 9), Reason.TRUNCATED, True, None),
    ],
    ids=lambda value: str(value) if isinstance(value, Reason) else None,
)
async def test_each_lie_has_its_reason(
    server: ImageServer, tmp_path: Path, answer: Answer, reason: Reason, retryable: bool, http_status: int | None
):
    server.add("/x", answer)
    error = await fate(server.url("/x"), tmp_path)
    assert isinstance(error, FetchError), error
    assert (error.reason, error.retryable, error.http_status) == (reason, retryable, http_status), error


@pytest.mark.parametrize("decode", ["full", "header", "none"])
async def test_an_unframed_body_is_kept_only_if_a_full_decode_shows_that_it_is_whole(
    server: ImageServer, dest: Path, decode: str
):
    server.add("/whole.jpg", unframed(BODY))
    server.add("/cut.jpg", cut_unframed(BODY))
    settings = replace(LOOPBACK, image=ac.ImagePolicy(decode=decode), retry=ac.RetryPolicy(retries=0))
    report = await ac.crawl([server.url("/whole.jpg"), server.url("/cut.jpg")], dest, settings=settings)
    assert report.saved == 1 and report.by_reason == {"truncated": 1} and report.retryable == {"truncated": 1}


def coded(body: bytes, coding: str) -> Answer:
    return Answer(body, headers=(("Content-Encoding", coding),))


RAW_DEFLATE = zlib.compressobj(wbits=-15)
GOOD = [
    gzipped(BODY),
    coded(gzip.compress(BODY), "X-GZIP"),
    coded(gzip.compress(BODY[:500]) + gzip.compress(BODY[500:]), "gzip"),
    coded(gzip.compress(BODY) + bytes(512), "gzip"),
    coded(zlib.compress(BODY), "deflate"),
    coded(RAW_DEFLATE.compress(BODY) + RAW_DEFLATE.flush(), "deflate"),
    coded(BODY, "gzip"),
    coded(BODY, "identity"),
    Answer(gzip.compress(BODY), headers=(("Content-Encoding", "gzip"),), framing="chunked"),
]


@pytest.mark.parametrize("answer", GOOD)
async def test_one_encoding_is_undone(server: ImageServer, tmp_path: Path, answer: Answer):
    server.add("/x", answer)
    found = await fate(server.url("/x"), tmp_path)
    assert isinstance(found, Response) and found.data == BODY and found.size == len(BODY)


async def test_large_bodies_are_decoded_too(server: ImageServer, tmp_path: Path):
    body = picture(size=(700, 700), seed=3)
    server.add("/x", gzipped(body))
    settings = replace(LOOPBACK, limits=replace(LOOPBACK.limits, spool_above=5_000))
    found = await fate(server.url("/x"), tmp_path / "spool", settings)
    assert isinstance(found, Response) and found.path and found.path.read_bytes() == body
    assert list((tmp_path / "spool").iterdir()) == [found.path]


@pytest.mark.parametrize(
    ("answer", "reason", "retryable"),
    [
        (coded(gzip.compress(BODY)[:-9], "gzip"), Reason.TRUNCATED, True),
        (coded(gzip.compress(BODY)[:-8] + bytes(8), "gzip"), Reason.PROTOCOL, False),
        (coded(gzip.compress(BODY) + b"more", "gzip"), Reason.PROTOCOL, False),
        (coded(zlib.compress(BODY) + b"more", "deflate"), Reason.PROTOCOL, False),
        (coded(BODY, "deflate"), Reason.PROTOCOL, False),
        (coded(gzip.compress(gzip.compress(BODY)), "gzip, gzip"), Reason.PROTOCOL, False),
        (coded(BODY, "br"), Reason.PROTOCOL, False),
        (gzip_bomb(80), Reason.TOO_LARGE, False),
        (coded(gzip.compress(b"") * 100_000, "gzip"), Reason.PROTOCOL, False),
    ],
)
async def test_an_encoding_must_be_whole_and_bounded(
    server: ImageServer, tmp_path: Path, answer: Answer, reason: Reason, retryable: bool
):
    server.add("/x", answer)
    error = await fate(server.url("/x"), tmp_path)
    assert isinstance(error, FetchError), error
    assert (error.reason, error.retryable) == (reason, retryable), error


@pytest.mark.parametrize("body", [BODY, b"<html>gone</html>"])
async def test_headers_that_are_no_utf8_end_no_crawl(server: ImageServer, dest: Path, body: bytes):
    """aiohttp gives their bytes as lone surrogates, which neither the ledger nor JSON can hold."""
    odd = "\udcff\udcfe"
    server.add("/x", Answer(body, content_type=odd, headers=(("ETag", odd), ("X-Odd", odd))))
    told: list[ac.Outcome] = []
    report = await ac.crawl([server.url("/x")], dest, settings=LOOPBACK, on_outcome=told.append)
    assert report.total == 1
    assert "\xff\xfe" in (told[0].detail or ""), "read as ISO 8859-1, since it is no UTF-8"


async def test_a_record_that_is_no_tls_is_a_failure_of_tls(tmp_path: Path):
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\nbeginning")
        await writer.drain()
        os.write(writer.get_extra_info("socket").fileno(), b"in clear, in the middle of the session")
        with suppress(OSError):
            await reader.read()
        writer.close()

    pem = tmp_path / "pem"
    pem.write_bytes(Authority().issue("good", ["127.0.0.1"]))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    settings = replace(LOOPBACK, network=replace(LOOPBACK.network, insecure=True))
    async with await asyncio.start_server(serve, "127.0.0.1", ssl=context) as server:
        error = await fate(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/x", tmp_path, settings)
    assert isinstance(error, FetchError) and (error.reason, error.retryable) == (Reason.TLS, True), error


async def test_a_handshake_that_is_closed_is_a_failure_of_tls(tmp_path: Path):
    async with ImageServer(tls="close") as server:
        error = await fate(server.url("/x"), tmp_path)
    assert isinstance(error, FetchError) and (error.reason, error.retryable) == (Reason.TLS, True)
    assert "handshake" in error.detail
