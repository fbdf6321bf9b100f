"""How DNS messages come and go: in datagrams, and in a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal, cast

Transport = Literal["udp", "tcp"]
Reply = Callable[[bytes], None]
Take = Callable[[bytes, Transport, Reply], None]
"""Takes a message, and a function that sends one back to where it came from."""


class Datagrams(asyncio.DatagramProtocol):
    """Messages over UDP, one a datagram."""

    def __init__(self, take: Take) -> None:
        self._take = take

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin. Called by the event loop."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Take one message. Called by the event loop."""
        self._take(data, "udp", lambda answer: self._transport.sendto(answer, addr))


class Stream(asyncio.Protocol):
    """Messages over TCP: each behind its length in two bytes (RFC 1035, 4.2.2)."""

    def __init__(self, take: Take, streams: set[asyncio.Transport]) -> None:
        self._take = take
        self._streams = streams
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin. Called by the event loop."""
        self._transport = cast(asyncio.Transport, transport)
        self._streams.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone. Called by the event loop."""
        self._streams.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        """Take the messages that are complete. Called by the event loop."""
        self._buffer += data
        while len(self._buffer) >= 2:
            end = 2 + int.from_bytes(self._buffer[:2], "big")
            if len(self._buffer) < end:
                return
            message = bytes(self._buffer[2:end])
            del self._buffer[:end]
            self._take(message, "tcp", self._reply)

    def _reply(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(len(answer).to_bytes(2, "big") + answer)
