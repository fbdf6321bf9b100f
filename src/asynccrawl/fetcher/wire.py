"""The connection's protocol, with more suspicion than aiohttp's own.

aiohttp takes what arrives on an idle connection for the answer to the next request, and from then on every answer on
it belongs to the request before: pictures under other records' names (aio-libs/aiohttp#13656). It also takes a body
without length for whole when the connection was reset. Everything overridden here is private, hence pinned by tests.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.helpers import set_exception
from aiohttp.http_exceptions import HttpProcessingError

MAX_INTERIMS = 100
"""Interim answers (1xx) to one request. Servers send one or two; more is an endless stream of them."""
_SLICE = 2_048


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
    """One connection. While it rests in the pool nothing may arrive; what does calls `on_unasked` and closes it."""

    on_unasked: Callable[[], None] | None = None
    doubt: Doubt | None = None
    waited = 0.0  # seconds until the last answer began
    _asked = 0.0
    _interims = 0
    _headed = False

    def rest(self, on_unasked: Callable[[], None]) -> bool:
        """The answer was read and the connection goes to the pool; False if something came behind the answer."""
        if self._buffer or self._tail or self._begun():
            on_unasked()
            return False
        self.on_unasked = on_unasked
        return True

    def resume(self) -> bool:
        """The connection leaves the pool for another request; False if it may not be used for one."""
        self.on_unasked = None
        self.doubt = Doubt()
        return self.is_connected() and not self.should_close

    def data_received(self, data: bytes) -> None:
        """Bytes from the server."""
        if self.on_unasked is not None and data:
            unasked, self.on_unasked = self.on_unasked, None
            self.force_close()
            self.close()
            if self.doubt:
                self.doubt.justify()
            unasked()
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
        else:
            self._headed = True
            self.waited = monotonic() - self._asked
        super().feed_data(data, size)

    def set_response_params(self, **params: Any) -> None:
        """A request begins. What has come before it answers nothing."""
        self._interims = 0
        self._headed = False
        self._asked = monotonic()
        if self._tail or (not self.doubt and not _encrypted(self.transport) and _readable(self.transport)):
            self._tail = b""
            self.set_exception(HttpProcessingError(code=400, message="it came before anything was asked"))
        super().set_response_params(**params)

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


def _readable(transport: Any) -> bool:
    """Whether bytes, or the connection's end, wait in the socket although the loop has not come to read them yet."""
    number = transport.get_extra_info("socket").fileno()
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return bool(poll.poll(0))
