"""The real fetcher against a real server that lies: every cause gets its own Reason."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest

from asynccrawl.errors import FetchError, SettingsError, StorageError
from asynccrawl.fetcher import HttpFetcher
from asynccrawl.fetcher.guard import BlockedAddress, Guard
from asynccrawl.fetcher.translate import retry_after
from asynccrawl.models import Hop, Reason, Record, Request, Response
from asynccrawl.settings import Limits, Network, Settings
from asynccrawl.testing import (
    Answer,
    ImageServer,
    chunked,
    dripping,
    hang_up,
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
from asynccrawl.testing.fakes import FakeFetcher
from asynccrawl.urls import parse

from .conftest import LOOPBACK
from .lived import Lived
from .raw_client import soon

BODY = b"\xff\xd8 not looked at here" * 100


def hop(url: str, seconds: float = 5.0) -> Hop:
    return Hop.first(Record(0, 1, "x", None, Request(url), parse(url).host), seconds)


@pytest.fixture
async def fetcher(tmp_path: Path) -> AsyncIterator[HttpFetcher]:
    fetcher = await HttpFetcher.open(LOOPBACK, tmp_path / "spool")
    yield fetcher
    await fetcher.aclose()


async def failure(fetcher: HttpFetcher | FakeFetcher, url: str, seconds: float = 5.0) -> FetchError:
    with pytest.raises(FetchError) as caught:
        await fetcher.fetch(hop(url, seconds))
    return caught.value


async def test_a_body_comes_with_what_its_server_said(server: ImageServer, fetcher: HttpFetcher):
    server.add("/a b.jpg", Answer(BODY, headers=(("ETag", '"tag"'),)))
    server.add("/a%20b.jpg", Answer(BODY, headers=(("ETag", '"tag"'),)))
    got = await fetcher.fetch(hop(server.url("/a b.jpg#part")))
    assert (got.data, got.size, got.http_status, got.content_type, got.etag, got.framed) == (
        BODY, len(BODY), 200, "image/jpeg", '"tag"', True,
    )  # fmt: skip
    assert got.url == server.url("/a%20b.jpg")


@pytest.mark.parametrize("answer", [chunked(BODY), Answer(BODY, keep_alive=False), Answer(BODY, body_drip=0.001)])
async def test_framed_bodies(server: ImageServer, fetcher: HttpFetcher, answer: Answer):
    server.add("/x", answer)
    got = await fetcher.fetch(hop(server.url("/x")))
    assert got.data == BODY and got.framed


@pytest.mark.parametrize(
    "coding",
    [b"", b"Transfer-Encoding: chunked, x\r\n", b"Transfer-Encoding: xchunked\r\n"],
    ids=["none", "x", "xchunked"],
)
async def test_a_coding_that_is_not_chunked_marks_no_end(server: ImageServer, fetcher: HttpFetcher, coding: bytes):
    server.add("/x", raw(b"HTTP/1.1 200 OK\r\n" + coding + b"\r\n" + BODY))
    found = await fetcher.fetch(hop(server.url("/x")))
    assert (found.data, found.framed) == (BODY, False)


async def test_a_body_that_only_the_connection_ends_is_marked(server: ImageServer, fetcher: HttpFetcher):
    server.add("/x", unframed(BODY))
    got = await fetcher.fetch(hop(server.url("/x")))
    assert got.data == BODY and not got.framed


async def test_requests_are_plain_and_honest(
    server: ImageServer, fetcher: HttpFetcher, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    server.add("/x", Answer(BODY, headers=(("Set-Cookie", "a=b"),)))
    for _ in range(2):
        await fetcher.fetch(hop(server.url("/x").replace("http://", "http://user:secret@")))
    for entry in server.audit.requests():
        headers = entry.request.headers
        assert headers["user-agent"] == LOOPBACK.network.user_agent and headers["accept-encoding"] == "identity"
        assert not {"cookie", "authorization", "referer"} & set(headers)


@pytest.mark.parametrize(
    ("answer", "reason", "retryable", "http_status"),
    [
        (status(403), Reason.HTTP_403, False, 403),
        (status(404), Reason.HTTP_404, False, 404),
        (status(410), Reason.HTTP_410, False, 410),
        (status(418), Reason.HTTP_4XX, False, 418),
        (status(408), Reason.HTTP_4XX, True, 408),
        (too_many_requests(), Reason.HTTP_429, True, 429),
        (status(500), Reason.HTTP_5XX, True, 500),
        (status(501), Reason.HTTP_5XX, False, 501),
        (status(503), Reason.HTTP_5XX, True, 503),
        (Answer(BODY, 206), Reason.HTTP_OTHER, False, 206),
        (Answer(BODY, 201), Reason.HTTP_OTHER, False, 201),
        (Answer(b"", 204), Reason.HTTP_OTHER, False, 204),
        (Answer(b"", 304), Reason.HTTP_OTHER, False, 304),
        (Answer(b"", 302), Reason.BAD_REDIRECT, False, 302),
        (Answer(b""), Reason.EMPTY, False, 200),
        (reset(), Reason.RESET, True, None),
        (hang_up(), Reason.RESET, True, None),
        (truncated(BODY), Reason.TRUNCATED, True, None),
        (truncated(BODY, cut="rst"), Reason.TRUNCATED, True, None),
        (lying_length(BODY, len(BODY) + 5), Reason.TRUNCATED, True, None),
        (Answer(BODY, framing="chunked", cut_after=100), Reason.TRUNCATED, True, None),
        (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), Reason.PROTOCOL, False, None),
    ],
    ids=str,
)
async def test_every_fate_has_its_reason(
    server: ImageServer, fetcher: HttpFetcher, answer: Answer, reason: Reason, retryable: bool, http_status: int | None
):
    server.add("/x", answer)
    error = await failure(fetcher, server.url("/x"))
    assert (error.reason, error.retryable, error.http_status) == (reason, retryable, http_status), error
    assert error.detail


@pytest.mark.parametrize(
    "answer", [silent(), Answer(BODY, delay=9), dripping(BODY, 0.05), Answer(BODY, header_drip=0.05)], ids=str
)
async def test_it_always_ends_within_its_deadline(server: ImageServer, fetcher: HttpFetcher, answer: Answer):
    server.add("/x", answer)
    with Lived() as lived:
        error = await failure(fetcher, server.url("/x"), seconds=0.2)
        assert lived.seconds < 1.2
    assert (error.reason, error.retryable) == (Reason.TIMEOUT, True)


async def test_no_request_is_repeated_behind_the_frontiers_back(server: ImageServer, fetcher: HttpFetcher):
    server.add("/x", Answer(BODY), reset(), Answer(BODY))
    await fetcher.fetch(hop(server.url("/x")))
    assert (await failure(fetcher, server.url("/x"))).reason is Reason.RESET
    assert server.audit.count() == 2


async def test_a_connection_that_received_something_unasked_is_not_used_again(
    server: ImageServer, fetcher: HttpFetcher
):
    def answer(body: bytes) -> bytes:
        return b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    first, pushed = answer(b"first"), answer(b"pushed")
    server.add("/a", Answer(raw=first + pushed, keep_alive=True, body_drip=0.05, chunk_bytes=len(first)))
    server.add("/b", Answer(b"second"))
    server.add("/c", Answer(b"third"))
    assert (await fetcher.fetch(hop(server.url("/a")))).data == b"first"
    await soon(lambda: not server.audit.connections_open)
    assert (await fetcher.fetch(hop(server.url("/b")))).data == b"second"
    assert (await fetcher.fetch(hop(server.url("/c")))).data == b"third"
    assert server.audit.connections == 3, "and its host gets no connection twice any more"


async def test_a_redirect_is_told_and_not_followed(server: ImageServer, fetcher: HttpFetcher):
    server.add("/x", redirect("/ü y"))
    got = await fetcher.fetch(hop(server.url("/x")))
    assert (got.location, got.data, got.http_status) == ("/ü y", None, 302)
    assert server.audit.count() == 1


async def test_a_port_where_nobody_listens(fetcher: HttpFetcher):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        error = await failure(fetcher, f"http://127.0.0.1:{bound.getsockname()[1]}/")
    assert (error.reason, error.retryable) == (Reason.CONNECT, True)


async def test_tls_where_there_is_none(fetcher: HttpFetcher):
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as plain_server:
        port = plain_server.sockets[0].getsockname()[1]
        assert (await failure(fetcher, f"https://127.0.0.1:{port}/x")).reason is Reason.TLS


@pytest.mark.parametrize(("url", "reason"), [("ftp://h/x", Reason.BLOCKED_SCHEME), ("http:///x", Reason.BAD_URL)])
async def test_what_cannot_be_requested(fetcher: HttpFetcher, url: str, reason: Reason):
    with pytest.raises(FetchError) as caught:
        await fetcher.fetch(Hop(Record(0, 1, "x", None, Request(url), "h"), url, "h", 5.0))
    assert caught.value.reason is reason


async def test_loopback_is_closed_unless_opened(server: ImageServer, tmp_path: Path):
    server.add("/x", BODY)
    for allowed, spelling in [((), "127.0.0.1"), (("127.0.0.2/32",), "127.0.0.1"), ((), "localhost")]:
        closed = await HttpFetcher.open(replace(LOOPBACK, network=Network(allow_net=allowed)), tmp_path)
        error = await failure(closed, server.url("/x", host=spelling))
        await closed.aclose()
        assert (error.reason, error.retryable) == (Reason.BLOCKED_ADDRESS, False), error
    assert server.audit.count() == 0


CLOSED = """
    0.0.0.0 10.1.2.3 127.0.0.1 169.254.169.254 172.16.0.1 192.168.1.1 100.64.0.1 224.0.0.1 255.255.255.255 240.0.0.1
    198.18.0.1 192.0.2.1 :: ::1 fe80::1 fec0::1 fc00::1 ff02::1 2001:db8::1 ::ffff:127.0.0.1 64:ff9b::7f00:1
    2002:7f00:1:: 2002:c0a8:101::
"""


@pytest.mark.parametrize("address", CLOSED.split())
def test_addresses_that_are_not_public(address: str):
    assert not Guard().allows(ip_address(address))
    with pytest.raises(BlockedAddress, match="no public address"):
        Guard().socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 80)))
    Guard(["0.0.0.0/0", "::/0"]).socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 80))).close()


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::"])
def test_addresses_that_are_public(address: str):
    assert Guard().allows(ip_address(address))


async def test_large_bodies_are_spooled_and_larger_ones_refused(server: ImageServer, tmp_path: Path):
    spool = tmp_path / "spool"
    limits = Limits(max_bytes=300_000, spool_above=10_000)
    fetcher = await HttpFetcher.open(replace(LOOPBACK, limits=limits), spool)
    big = BODY * 100
    server.add("/big", Answer(big))
    got = await fetcher.fetch(hop(server.url("/big")))
    assert got.path is not None and got.data is None and got.path.read_bytes() == big and got.size == len(big)
    got.path.unlink()
    server.add("/huge", Answer(big * 2))
    server.add("/unsaid", Answer(big * 2, framing="chunked"))
    for path in ("/huge", "/unsaid"):
        error = await failure(fetcher, server.url(path))
        assert (error.reason, error.retryable) == (Reason.TOO_LARGE, False)
    server.add("/cut", truncated(big))
    assert (await failure(fetcher, server.url("/cut"))).reason is Reason.TRUNCATED
    assert list(spool.iterdir()) == [], "what came to nothing is removed"
    await fetcher.aclose()


async def test_a_spool_that_cannot_be_written_ends_the_crawl(server: ImageServer, tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    fetcher = await HttpFetcher.open(replace(LOOPBACK, limits=Limits(spool_above=10)), tmp_path / "file" / "spool")
    server.add("/big", Answer(BODY))
    with pytest.raises(StorageError, match="could not be spooled"):
        await fetcher.fetch(hop(server.url("/big")))
    await fetcher.aclose()


async def test_a_file_without_certificates_is_named(tmp_path: Path):
    (tmp_path / "empty.pem").write_text("no certificate")
    for name in ("none.pem", "empty.pem"):
        with pytest.raises(SettingsError, match=f"{name}: no certificates"):
            await HttpFetcher.open(Settings(network=Network(ca_file=str(tmp_path / name))), tmp_path)


NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("120", None, 120.0),
        (" 0 ", None, 0.0),
        ("Thu, 01 Jan 2026 00:02:00 GMT", None, 120.0),
        ("Thu, 01 Jan 2026 00:02:00 GMT", "Thu, 01 Jan 2026 00:01:30 GMT", 30.0),
        ("Wed, 31 Dec 2025 00:00:00 GMT", None, 0.0),
        ("-5", None, 0.0),
        ("soon", None, None),
        ("", None, None),
        ("9" * 40, None, 999_999_999_999.0),
    ],
)
def test_retry_after_in_its_forms(value: str, date: str | None, seconds: float | None):
    headers = {"Retry-After": value} | ({"Date": date} if date else {})
    assert retry_after(headers, NOW) == seconds


@pytest.mark.slow  # half a second of silence, in which a connection is made on a busy machine, too
async def test_the_fake_fetcher_behaves_like_the_real_one(server: ImageServer, fetcher: HttpFetcher):
    """The same script, told to the server and to the fake, brings the same answers."""
    server.add("/ok", BODY)
    server.add("/moved", redirect("/ok"))
    server.add("/twice", status(500), Answer(BODY))
    script = {
        server.url("/ok"): BODY,
        server.url("/moved"): "/ok",
        server.url("/twice"): [FetchError(Reason.HTTP_5XX, True, "the server answered 500", http_status=500), BODY],
    }
    fake = FakeFetcher(script)
    for path in ("/ok", "/moved", "/twice", "/twice", "/twice", "/unknown"):
        ends = []
        for one in (fetcher, fake):
            try:
                got: Response = await one.fetch(hop(server.url(path)))
                ends.append((got.url, got.http_status, got.data, got.location, got.size, got.framed))
            except FetchError as error:
                ends.append((error.reason, error.retryable, error.detail, error.http_status))
        assert ends[0] == ends[1], path
    gate = asyncio.Event()
    server.add("/silent", silent())
    for one in (fetcher, FakeFetcher({}, gate)):
        assert (await failure(one, server.url("/silent"), seconds=0.5)).reason is Reason.TIMEOUT
