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
    """

    def __init__(self, audit: Audit, meeting: Meeting, peers: set[Peer], make: Callable[[], Connection]) -> None:
        self._audit = audit
        self._meeting = meeting
        self._peers = peers
        self._make = make
        self._early = bytearray()
        self._handshake: asyncio.Task[None] | None = None
        self._lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin. Called by the event loop."""
        self._transport = cast(asyncio.Transport, transport)
        self._peers.add(self)
        if isinstance(self._meeting, ssl.SSLContext):
            self._transport.pause_reading()
            self._handshake = asyncio.create_task(self._shake(self._meeting), name="asynccrawl-testing-handshake")

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone before HTTP began. Called by the event loop."""
        self._fail()

    def data_received(self, data: bytes) -> None:
        """A ClientHello, or a request that came right after the handshake. Called by the event loop."""
        match self._meeting:
            case "plain_text":
                self._transport.write(_IN_CLEAR)
                self._transport.close()
            case "close":
                self._transport.close()
            case ssl.SSLContext():
                self._early += data

    async def aclose(self) -> None:
        """End the connection at once."""
        if self._handshake is not None:
            self._handshake.cancel()
            await asyncio.gather(self._handshake, return_exceptions=True)
        self._transport.abort()
        self._fail()

    async def _shake(self, context: ssl.SSLContext) -> None:
        loop = asyncio.get_running_loop()
        try:
            secured = await loop.start_tls(self._transport, self, context, server_side=True)
        except (OSError, RuntimeError):  # of ssl and sockets; RuntimeError of asyncio for a transport that is gone
            self._transport.abort()
            self._fail()
            return
        if secured is None or self._lost.is_set():
            self._fail()
            return
        self._peers.discard(self)
        connection = self._make()
        secured.set_protocol(connection)
        connection.connection_made(secured)
        if self._early:
            connection.data_received(bytes(self._early))

    def _fail(self) -> None:
        if not self._lost.is_set():
            self._lost.set()
            self._audit.failed_handshakes += 1
            self._peers.discard(self)
