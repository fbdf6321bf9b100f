"""One connection of the server: requests in, answers out, in order, however badly they were asked to be."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import sys
import termios
from collections import deque
from collections.abc import Callable
from typing import Protocol, cast

from .audit import Audit, Entry
from .behaviour import Answer
from .behaviour import status as answer_of_status
from .http_request import BadRequest, HttpRequest, take
from .link import Line, Meter
from .script import Ending, ending, pieces, whole

_LINGER_NOT = struct.pack("ii", 1, 0)  # SO_LINGER on, for no time: closing resets
_POLL_SECONDS = 0.001


Choose = Callable[[HttpRequest], tuple[Answer, Line]]
"""Gives the answer to a request, and the line it is sent on."""


class Peer(Protocol):
    """Whatever holds an open connection."""

    async def aclose(self) -> None:
        """End the connection at once."""


class Connection(asyncio.Protocol):
    """Takes requests as they come, pipelined or not, and plays the answers that `choose` gives, one after another.

    `peers` is the set of open connections, which it enters and leaves. `carrier` is the transport that TLS runs over.
    An answer that takes time is played by a task, any other one at once.
    """

    def __init__(
        self, audit: Audit, choose: Choose, peers: set[Peer], carrier: asyncio.Transport | None = None
    ) -> None:
        self._audit = audit
        self._choose = choose
        self._peers = peers
        self._carrier = carrier
        self._buffer = bytearray()
        self._waiting: deque[tuple[Entry, Answer, Line]] = deque()
        self._meter = Meter()
        self._playing: asyncio.Task[None] | None = None
        self._entry: Entry | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Enter the audit. Called by the event loop."""
        # Not an isinstance check: uvloop's transports are asyncio's in behaviour only.
        self._transport = cast(asyncio.Transport, transport)
        self._address: str = transport.get_extra_info("sockname")[0]
        self._number = self._audit.connected()
        self._peers.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the audit, and give up what is unanswered. Called by the event loop."""
        self._audit.connections_open -= 1
        if self._playing is None:
            self._peers.discard(self)
        else:
            # It stays among the peers until its task has ended, so that the server waits for that.
            self._playing.add_done_callback(lambda _: self._peers.discard(self))
            self._playing.cancel()
        if self._entry is not None:
            self._audit.ended(self._entry)
        for entry, *_ in self._waiting:
            self._audit.ended(entry)
        self._waiting.clear()
        self._lost.set()

    def pause_writing(self) -> None:
        """The client reads slower than the answer is written. Called by the event loop."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The client has caught up. Called by the event loop."""
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Take the requests that are complete, and answer. Called by the event loop."""
        self._buffer += data
        try:
            while (request := take(self._buffer, self._address)) is not None:
                self._waiting.append((self._audit.arrived(request, self._number), *self._choose(request)))
        except BadRequest:
            self._refuse()
        self._answer()

    async def aclose(self) -> None:
        """End the connection at once, whatever it is doing, and the task of its answer."""
        self._transport.abort()
        await self._lost.wait()
        if self._playing is not None:
            await asyncio.gather(self._playing, return_exceptions=True)
        self._peers.discard(self)

    def _refuse(self) -> None:
        self._audit.bad_requests += 1
        if self._playing is None:
            self._transport.write(whole(answer_of_status(400), keep_alive=False, bodiless=False) or b"")
        self._transport.close()

    def _answer(self) -> None:
        while self._waiting and self._playing is None and not self._transport.is_closing():
            self._entry, answer, line = self._waiting.popleft()
            request = self._entry.request
            at_once = line.fast and self._writable.is_set()
            data = whole(answer, request.keep_alive, request.method == "HEAD") if at_once else None
            if data is None:
                playing = self._play(self._entry, answer, line)
                self._playing = asyncio.create_task(playing, name="asynccrawl-testing-answer")
            else:
                self._transport.write(data)
                self._finish(self._entry, answer)
                self._end(ending(answer, request.keep_alive))

    async def _play(self, entry: Entry, answer: Answer, line: Line) -> None:
        request = entry.request
        await asyncio.sleep(answer.delay + line.link.latency)
        for seconds, data in pieces(answer, keep_alive=request.keep_alive, bodiless=request.method == "HEAD"):
            if seconds:
                await asyncio.sleep(seconds)
            for part in line.slices(data):
                # Also where nothing is paced it lets others run, since an answer may be endless and its reader fast.
                await asyncio.sleep(line.wait(len(part), self._meter))
                await self._writable.wait()
                self._transport.write(part)
        how = ending(answer, request.keep_alive)
        if how == "silence":
            await self._lost.wait()
        if how == "rst":
            await self._flush()
        self._finish(entry, answer)
        self._playing = None
        self._end(how)
        self._answer()

    def _finish(self, entry: Entry, answer: Answer) -> None:
        if answer.instead is None and answer.raw is None:
            entry.status = answer.status
        self._audit.ended(entry)

    def _end(self, how: Ending) -> None:
        if how == "rst":
            # The transport's own abort would end the connection in good order when nothing is unread.
            self._socket().setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            self._transport.abort()
        elif how == "fin":
            self._transport.close()

    async def _flush(self) -> None:
        """Wait until the client's side has all that was written, since a reset drops what is on its way."""
        # One turn of the loop first: uvloop collects small writes and counts them only when it sends them.
        await asyncio.sleep(0)
        transports = (self._transport, self._carrier or self._transport)
        while any(t.get_write_buffer_size() for t in transports) or _unacknowledged(self._socket()):  # noqa: ASYNC110  # the kernel reports no event for it
            await asyncio.sleep(_POLL_SECONDS)

    def _socket(self) -> socket.socket:
        # Declared as what it offers: each loop has a class of its own for it.
        return cast(socket.socket, self._transport.get_extra_info("socket"))


def _unacknowledged(sock: socket.socket) -> int:
    """Bytes in the kernel that the client's side has not taken; 0 where the system does not count them."""
    try:
        return int.from_bytes(fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except OSError:
        return 0
