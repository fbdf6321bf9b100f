"""The first moments of a connection under TLS, up to where HTTP begins or never does."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

from .audit import Audit
from .connection import Connection, Peer
from .tls import Meeting

_IN_CLEAR = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 20\r\nConnection: close\r\n\r\n"
    b"There is no TLS here"
)


class Greeter(asyncio.Protocol):
    """Makes the TLS handshake, or spoils it, and hands the connection over to the Connection that `make` makes.

    asyncio could do the handshake by itself, but then nobody would know of the connections that are stuck in one.
    `make` is given the transport that TLS runs over.
    """

    def __init__(
        self, audit: Audit, meeting: Meeting, peers: set[Peer], make: Callable[[asyncio.Transport], Connection]
    ) -> None:
        self._audit = audit
        self._meeting = meeting
        self._peers = peers
        self._make = make
        self._early = bytearray()
        self._handshake: asyncio.Task[None] | None = None
        self._lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the client's first words. Called by the event loop."""
        self._transport = cast(asyncio.Transport, transport)
        self._peers.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone before HTTP began. Called by the event loop."""
        self._fail()

    def data_received(self, data: bytes) -> None:
        """A ClientHello, or a request that came right after the handshake. Called by the event loop."""
        if isinstance(self._meeting, ssl.SSLContext):
            if self._handshake is None:
                self._transport.pause_reading()
                shake = self._shake(self._meeting, data)
                self._handshake = asyncio.create_task(shake, name="asynccrawl-testing-handshake")
            else:
                self._early += data
        elif self._meeting != "silence":
            if self._meeting == "plain_text":
                self._transport.write(_IN_CLEAR)
            self._transport.close()

    async def aclose(self) -> None:
        """End the connection at once."""
        if self._handshake is not None:
            self._handshake.cancel()
            await asyncio.gather(self._handshake, return_exceptions=True)
        self._transport.abort()
        self._fail()

    async def _shake(self, context: ssl.SSLContext, hello: bytes) -> None:
        loop = asyncio.get_running_loop()
        upgrade = asyncio.create_task(loop.start_tls(self._transport, self, context, server_side=True))
        try:
            await asyncio.sleep(0)
            # By now TLS has its protocol in place, and will begin in the next turn; it has yet to hear what was said.
            loop.call_soon(_feed, self._transport.get_protocol(), hello)
            secured = await upgrade
        except (OSError, RuntimeError):  # of ssl and sockets; RuntimeError of asyncio for a transport that is gone
            secured = None
        finally:
            upgrade.cancel()
        if secured is None or self._lost:
            self._transport.abort()
            self._fail()
            return
        self._peers.discard(self)
        connection = self._make(self._transport)
        secured.set_protocol(connection)
        connection.connection_made(secured)
        if self._early:
            connection.data_received(bytes(self._early))

    def _fail(self) -> None:
        if not self._lost:
            self._lost = True
            self._audit.failed_handshakes += 1
            self._peers.discard(self)


def _feed(protocol: asyncio.BaseProtocol, data: bytes) -> None:
    """Give a buffered protocol, as that of TLS is, bytes that were received before it was there."""
    buffered = cast(asyncio.BufferedProtocol, protocol)
    while data:
        room = memoryview(buffered.get_buffer(len(data)))
        size = min(len(room), len(data))
        room[:size] = data[:size]
        buffered.buffer_updated(size)
        data = data[size:]
