"""The connection's protocol, with more suspicion than aiohttp's own.

aiohttp takes what arrives on an idle connection for the answer to the next request, and from then on every answer on
it belongs to the request before: pictures under other records' names (aio-libs/aiohttp#13656). It also takes a body
without length for whole when the connection was reset. Everything overridden here is private, hence pinned by tests.
"""

from __future__ import annotations

import asyncio
import fcntl
import sys
import termios
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.helpers import set_exception
from aiohttp.http import RawResponseMessage
from aiohttp.http_exceptions import HttpProcessingError

MAX_INTERIMS = 100
"""Interim answers (1xx) to one request. Servers send one or two; more is an endless stream of them."""
_SLICE = 2_048
Head = tuple[RawResponseMessage, aiohttp.StreamReader]
"""Status and headers, and the body as it comes."""


@dataclass(slots=True)
class Doubt:
    """Whether what a reused connection brought was pushed before we asked. `justified`: it was, or may have been."""

    justified: bool = False
    watched: bool = False  # whether somebody will end it
    _over: bool = False
    _waiting: asyncio.Future[None] | None = None

    def justify(self) -> None:
        """Something came behind the answer."""
        self.justified = True
        self.end()

    def end(self) -> None:
        """Nothing that will come now can be the true answer."""
        self._over = True
        if self._waiting and not self._waiting.done():
            self._waiting.set_result(None)

    async def resolved(self) -> bool:
        """Whether the answer can be believed; waits as long as that is not known."""
        if self.watched and not self._over:
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        return not self.justified


class Wire(ResponseHandler):
    """One connection to `origin`. While it rests between two requests nothing may arrive; what does closes it.

    aiohttp's base is also the queue of the heads that have come (`read`, `feed_data`, `_buffer`), hence false while it
    is empty: compare with None.
    """

    origin = ""
    connection: aiohttp.connector.Connection | None = None
    doubt: Doubt | None = None
    asked = 0.0  # when the last request was sent, in seconds of `monotonic`
    waited = 0.0  # seconds until the last answer began
    resting_since = 0.0
    _on_unasked: Callable[[str], None] | None = None
    _interims = 0
    _headed = False

    def __init__(self, loop: asyncio.AbstractEventLoop, read_bufsize: int) -> None:
        super().__init__(loop)
        self._bufsize = read_bufsize

    async def ask(self, request: bytes) -> Head:
        """Send a request and wait for the head of its answer. Raises whatever ends the connection."""
        self._begin()
        if self.transport is None or self.transport.is_closing():
            raise aiohttp.ClientConnectionResetError("the connection was closed before the request")
        self.transport.write(request)
        while True:
            head = await self.read()
            if not 100 <= head[0].code < 200 or head[0].code == 101:
                return head

    def rest(self, on_unasked: Callable[[str], None]) -> None:
        """A request is over and the next not begun: what comes now calls `on_unasked` with the origin."""
        self.resting_since = monotonic()
        self._on_unasked = on_unasked

    def resume(self) -> bool:
        """The connection leaves the pool for another request; False if it may not be used for one."""
        self._on_unasked = None
        self.doubt = Doubt()
        return self.is_connected() and not self.should_close

    def end(self) -> None:
        """Close the connection at once, also a second time.

        TLS would say farewell, wait half a minute for that of the other side, and receive all that comes meanwhile.
        """
        self._on_unasked = None
        self.abort()
        if self.connection is not None:
            self.connection.close()

    def received_more(self) -> bool:
        """Whether something has come behind the answer, which was read to its end."""
        return bool(self._buffer or self._tail or isinstance(self.exception(), HttpProcessingError) or self._begun())

    def data_received(self, data: bytes) -> None:
        """Bytes from the server."""
        if self._on_unasked is not None and data:
            unasked = self._on_unasked
            self.force_close()
            self.end()
            if self.doubt:
                self.doubt.justify()
            unasked(self.origin)
            return
        if self._headed or (not self._interims and data[:5] == b"HTTP/" and data[9:10] != b"1"):
            super().data_received(data)
        else:
            self._receive_interims(data)

    def _receive_interims(self, data: bytes) -> None:
        """Interim answers in small pieces: a flood of them would be parsed to its last before one could be counted."""
        for at in range(0, len(data), _SLICE):
            if self._headed:
                super().data_received(data[at:])
                return
            if self._interims > MAX_INTERIMS:
                return
            super().data_received(data[at : at + _SLICE])

    def feed_data(self, data: Any, size: int = 0) -> None:
        """The head of an answer has come."""
        if 100 <= data[0].code < 200 and data[0].code != 101:
            self._interims += 1
            if self._interims > MAX_INTERIMS:
                self.set_exception(HttpProcessingError(code=400, message=f"more than {MAX_INTERIMS} interim answers"))
                if self.transport is not None:
                    self.transport.close()
                return
        elif self._headed:
            if self.transport is not None:
                self.transport.abort()  # one answer too many shows it: more would only take memory until it is seen
        else:
            self._headed = True
            self.waited = monotonic() - self.asked
        super().feed_data(data, size)

    def _begin(self) -> None:
        """A request begins. What has come before it answers nothing."""
        self._interims = 0
        self._headed = False
        self.asked = monotonic()
        if self._tail or (not self.doubt and not _encrypted(self.transport) and _waiting(self.transport)):
            self._tail = b""
            self.set_exception(HttpProcessingError(code=400, message="it came before anything was asked"))
        self.set_response_params(read_until_eof=True, auto_decompress=False, read_bufsize=self._bufsize)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection has ended. A reset is no end of a body, whatever its framing."""
        if exc is not None and self._payload is not None and not self._payload.is_eof():
            set_exception(self._payload, aiohttp.ClientPayloadError("the connection was reset"), exc)
        super().connection_lost(exc)

    def _begun(self) -> bool:
        """Whether the parser has seen the beginning of a further answer."""
        parser = self._parser
        if parser is None or self._payload is None:
            return False
        try:
            return parser.feed_eof() is not None
        except Exception:
            return True


def _encrypted(transport: Any) -> bool:
    """Whether the connection uses TLS, whose own messages come unasked too."""
    return transport is None or transport.get_extra_info("ssl_object") is not None


def _waiting(transport: Any) -> int:
    """How many bytes wait in the socket although the loop has not come to read them yet: none of a closed one."""
    number = transport.get_extra_info("socket").fileno()
    return int.from_bytes(fcntl.ioctl(number, termios.FIONREAD, bytes(4)), sys.byteorder)
