"""The kit's TLS: certificates good and bad and broken handshakes, seen by a TLS client and by the fetcher."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvloop

from asynccrawl.errors import FetchError
from asynccrawl.models import Reason, Response
from asynccrawl.settings import Network, Settings
from asynccrawl.testing import Answer, ImageServer, MissingExtra, Tls, reset, silent, truncated

from .conftest import LOOPBACK
from .fetching import fate
from .raw_client import STEP, Streams, connected, exchange, get, read_head, soon, stays_open

BODY = bytes(range(256)) * 8
LARGE = BODY * 500
BOTH_LOOPS = pytest.mark.parametrize(
    "loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
BAD = {
    "expired": "certificate has expired",
    "not_yet_valid": "certificate is not yet valid",
    "self_signed": "self-signed certificate",
    "wrong_name": "IP address mismatch",
    "untrusted": "unable to get local issuer certificate",
}


def strict(server: ImageServer) -> ssl.SSLContext:
    """A client's context as Python makes it from 3.13 on."""
    context = ssl.create_default_context(cafile=server.ca_file)
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


@asynccontextmanager
async def secured(server: ImageServer, name: str = "127.0.0.1", address: str = "127.0.0.1") -> AsyncIterator[Streams]:
    streams = await asyncio.open_connection(address, server.port, ssl=strict(server), server_hostname=name)
    try:
        yield streams
    finally:
        streams[1].transport.abort()


def trusting(server: ImageServer) -> Settings:
    return replace(LOOPBACK, network=Network(allow_net=("127.0.0.0/8",), ca_file=server.ca_file))


# Good certificates


@BOTH_LOOPS
def test_the_good_certificate_holds_for_every_address_and_name(loop_factory: Any) -> None:
    async def run() -> None:
        async with ImageServer(hosts=300, tls=Tls(names=("cats.example", "*.dogs.example"))) as server:
            server.add("/", LARGE)
            for name, address in [
                ("127.0.0.1", "127.0.0.1"), ("127.0.1.44", "127.0.1.44"), ("cats.example", "127.0.0.2"),
                ("old.dogs.example", "127.0.0.3"),
            ]:  # fmt: skip
                async with secured(server, name, address) as streams:
                    for _ in range(2):
                        assert await exchange(*streams, get(host=name)) == ("HTTP/1.1 200 OK", LARGE)
            assert server.audit.connections == 4
            with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
                async with secured(server, "birds.example"):
                    pass
            await soon(lambda: server.audit.failed_handshakes == 1)
        assert server.audit.connections_open == server.audit.in_flight() == 0

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(run())


async def test_the_fetcher_trusts_the_file_of_the_authority_and_nothing_else(tmp_path: Path) -> None:
    async with ImageServer(tls="good") as server:
        server.add("/a", BODY)
        got = await fate(server.url("/a"), tmp_path, trusting(server))
        assert isinstance(got, Response) and got.data == BODY and got.url.startswith("https://127.0.0.1:")
        error = await fate(server.url("/a"), tmp_path, LOOPBACK)
        assert isinstance(error, FetchError) and (error.reason, error.retryable) == (Reason.TLS, False)
        loose = replace(LOOPBACK, network=Network(allow_net=("127.0.0.0/8",), insecure=True))
        assert isinstance(await fate(server.url("/a"), tmp_path, loose), Response)
        assert server.audit.count() == 2


async def test_two_servers_may_share_an_authority_and_files_end_with_their_server() -> None:
    tls = Tls(names=("cats.example",))
    async with ImageServer(tls=tls) as one, ImageServer(tls=tls) as two:
        certificates = [Path(server.ca_file) for server in (one, two)]
        assert certificates[0] != certificates[1]
        assert certificates[0].read_bytes() == certificates[1].read_bytes()
        assert b"PRIVATE" not in certificates[0].read_bytes()
        assert [file.name for file in certificates[0].parent.iterdir()] == ["ca.pem"]
    assert not certificates[0].parent.exists() and not certificates[1].parent.exists()


# Bad certificates


@pytest.mark.parametrize(("kind", "message"), BAD.items())
async def test_a_bad_certificate_is_refused(tmp_path: Path, kind: Any, message: str) -> None:
    async with ImageServer(hosts=2, tls=Tls(hosts={"127.0.0.2": kind})) as server:
        server.add("/", BODY)
        with pytest.raises(ssl.SSLCertVerificationError, match=message):
            async with secured(server, "127.0.0.2", "127.0.0.2"):
                pass
        async with secured(server) as streams:
            assert (await exchange(*streams, get()))[1] == BODY, "the other address keeps its good one"
        error = await fate(server.url("/", 1), tmp_path, trusting(server))
        assert isinstance(error, FetchError) and (error.reason, error.retryable) == (Reason.TLS, False)
        assert message in error.detail
        await soon(lambda: server.audit.failed_handshakes == 2)
        assert server.audit.hosts == ["127.0.0.1"]


# Handshakes that come to nothing


async def _plain_text(server: ImageServer) -> None:
    async with connected(server) as (reader, writer):
        writer.write(b"\x16\x03\x01")
        assert (await reader.read()).startswith(b"HTTP/1.1 400 Bad Request\r\n")
    with pytest.raises(ssl.SSLError, match=r"(?i)wrong.version.number|record"):
        await asyncio.open_connection("127.0.0.1", server.port, ssl=ssl.create_default_context())


async def _silence(server: ImageServer) -> None:
    async with connected(server) as (reader, writer):
        writer.write(b"\x16\x03\x01")
        assert await stays_open(reader)


async def _close(server: ImageServer) -> None:
    async with connected(server) as (reader, writer):
        writer.write(b"\x16\x03\x01")
        assert await reader.read() == b""


@BOTH_LOOPS
@pytest.mark.parametrize(("kind", "seen"), [("plain_text", _plain_text), ("silence", _silence), ("close", _close)])
def test_a_broken_handshake(loop_factory: Any, kind: Any, seen: Any) -> None:
    async def run() -> None:
        async with ImageServer(tls=kind) as server:
            await seen(server)
            await soon(lambda: server.audit.failed_handshakes > 0)
            assert server.audit.connections == server.audit.count() == 0
            with pytest.raises(RuntimeError, match="no certificate"):
                assert server.ca_file

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(run())


@pytest.mark.parametrize(
    ("kind", "reasons", "seconds"),
    [
        ("plain_text", {Reason.TLS}, 5.0),
        ("silence", {Reason.TLS}, 0.2),
        ("close", {Reason.TLS}, 5.0),
    ],
)
async def test_the_fetcher_survives_a_broken_handshake(
    tmp_path: Path, kind: Any, reasons: set[Reason], seconds: float
) -> None:
    async with ImageServer(tls=kind) as server:
        error = await fate(server.url("/"), tmp_path, LOOPBACK, seconds)
        assert isinstance(error, FetchError) and error.reason in reasons and error.retryable
        await soon(lambda: server.audit.failed_handshakes == 1)


@BOTH_LOOPS
def test_a_server_ends_with_handshakes_that_are_stuck(loop_factory: Any) -> None:
    async def run() -> None:
        async with asyncio.timeout(30):
            for kind in ("good", "silence"):
                others = asyncio.all_tasks()
                async with ImageServer(tls=kind) as server:  # type: ignore[arg-type]
                    streams = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2)]
                    streams[0][1].write(b"\x16\x03\x01")  # a ClientHello that never comes to its end
                    await soon(lambda server=server: len(server._connections) == 2)  # type: ignore[misc]
                assert server.audit.failed_handshakes == 2
                assert asyncio.all_tasks() == others
                for _, writer in streams:
                    writer.transport.abort()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(run())


async def test_who_speaks_no_tls_is_counted() -> None:
    async with ImageServer(tls="good") as server:
        async with connected(server) as (reader, writer):
            writer.write(get())
            assert b"HTTP" not in await reader.read()
        await soon(lambda: server.audit.failed_handshakes == 1)
        assert server.audit.bad_requests == 0


# What answers do is done under TLS too


@BOTH_LOOPS
def test_lies_are_told_under_tls_too(loop_factory: Any) -> None:
    async def run() -> None:
        async with ImageServer(tls="good") as server:
            server.add("/reset", reset())
            server.add("/cut", truncated(LARGE, 600_000, "rst"))
            server.add("/silent", silent())
            server.add("/drip", Answer(b"abcd", body_drip=STEP, chunk_bytes=2, keep_alive=False))
            async with secured(server) as (reader, writer):
                writer.write(get("/reset"))
                with pytest.raises(ConnectionResetError):
                    await reader.read()
            received = bytearray()
            async with secured(server) as (reader, writer):
                writer.write(get("/cut"))
                with pytest.raises(ConnectionResetError):
                    while data := await reader.read(65_536):
                        received += data
            assert received.partition(b"\r\n\r\n")[2] == LARGE[:600_000]
            async with secured(server) as (reader, writer):
                writer.write(get("/drip"))
                await read_head(reader)
                assert await reader.read() == b"abcd"
            async with secured(server) as (reader, writer):
                writer.write(get("/silent"))
                assert await stays_open(reader)
                assert server.audit.in_flight() == 1
            await soon(lambda: server.audit.in_flight() == server.audit.connections_open == 0)

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(run())


# What is needed for it


async def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="'Good' is none of good, expired"):
        ImageServer(tls="Good")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"127\.0\.0\.9, which is not among 127\.0\.0\.1"):
        async with ImageServer(tls=Tls(hosts={"127.0.0.9": "expired"})):
            pass
    with pytest.raises(RuntimeError, match="not running"):
        assert ImageServer(tls="good").ca_file
    async with ImageServer() as server:
        with pytest.raises(RuntimeError, match="no tls"):
            assert server.ca_file
        assert server.url("/").startswith("http://")
    assert issubclass(MissingExtra, ImportError)


WITHOUT_EXTRAS = """
import asyncio, sys
sys.modules["cryptography"] = sys.modules["PIL"] = None
from asynccrawl.testing import DnsServer, ImageServer, Link, MissingExtra, Tls, header_flood

async def main():
    async with ImageServer(link=Link(latency=0.01)) as server, ImageServer(tls="silence"), DnsServer() as dns:
        server.add("/", header_flood())
        print(server.port != dns.port)
    try:
        async with ImageServer(tls=Tls("expired")):
            pass
    except MissingExtra as error:
        print(error)

asyncio.run(main())
"""


@pytest.mark.slow  # starts an interpreter
def test_servers_alone_need_neither_pillow_nor_cryptography() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_EXTRAS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("True\na server with TLS needs certificates: pip install 'asynccrawl[testing]'")
