"""A local image server that misbehaves on request: real sockets, loopback addresses only."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import traceback
from collections import Counter
from collections.abc import Callable

from .audit import Audit
from .behaviour import Answer, status
from .connection import Connection
from .http_request import HttpRequest

MAX_HOSTS = 1_000
"""The most addresses one server listens on."""

Route = Callable[[HttpRequest], Answer]
"""Gives the answer to a request for a path that was not added."""

_FIRST = ipaddress.IPv4Address("127.0.0.1")
_PORT_TRIES = 50
_BACKLOG = 1_024


class ImageServer:
    """Serves what a test adds to it, and keeps an audit of what was asked.

        async with ImageServer(hosts=2) as server:
            url = server.add("/a.jpg", status(503), picture())      # fails once, then works
            ...
            assert server.audit.count(path="/a.jpg") == 2

    It listens on `hosts` (1 to 1,000) addresses from 127.0.0.1 on, all with one port that is free; each is a virtual
    host, and so is any name that a Host header brings. Linux answers on all of them; elsewhere the addresses after
    the first may have to be configured. Starting raises OSError when an address cannot be had.
    """

    def __init__(self, hosts: int = 1) -> None:
        if not 1 <= hosts <= MAX_HOSTS:
            raise ValueError(f"hosts is {hosts}; it must be from 1 to {MAX_HOSTS}")
        self.hosts = [str(_FIRST + i) for i in range(hosts)]
        self.audit = Audit()
        self._port: int | None = None
        self._route: Route = _nothing
        self._added: dict[tuple[str | None, str], tuple[Answer, ...]] = {}
        self._asked: Counter[tuple[str, str]] = Counter()
        self._servers: list[asyncio.Server] = []
        self._connections: set[Connection] = set()

    def __repr__(self) -> str:
        return f"<ImageServer port={self._port} hosts={len(self.hosts)} paths={len(self._added)} {self.audit!r}>"

    async def __aenter__(self) -> ImageServer:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    @property
    def port(self) -> int:
        """The port it listens on, on every address. Raises RuntimeError before it was started."""
        if self._port is None:
            raise RuntimeError("the server was not started; use `async with`")
        return self._port

    def url(self, path: str, host: int | str = 0) -> str:
        """The URL of `path` on a host, given by its index in `hosts` or by a name that leads here."""
        name = self.hosts[host] if isinstance(host, int) else host
        return f"http://{name}:{self.port}{path}"

    def add(self, path: str, *answers: bytes | Answer, host: str | None = None) -> None:
        """Answer requests for `path`, query included, on `host` or on all hosts.

        The first request gets the first answer, and so on; the last one repeats. Requests are counted per host and
        path. Bytes are an honest JPEG's. What is added for one host comes before what is added for all; a path
        that is added again starts anew. Raises ValueError for a path that does not begin with `/`, or no answer.
        """
        if not path.startswith("/") or not answers:
            raise ValueError(f"add() needs a path that begins with '/' and an answer; the path is {path!r}")
        host = host and host.lower()
        self._added[host, path] = tuple(Answer(a) if isinstance(a, bytes) else a for a in answers)
        for asked in [key for key in self._asked if key[1] == path and host in (None, key[0])]:
            del self._asked[asked]

    def route(self, route: Route) -> None:
        """Let `route` answer requests for paths that were not added; without it they get a 404.

        It is called in the event loop and may not wait. When it raises, the answer is a 500 with the traceback.
        """
        self._route = route

    async def start(self) -> None:
        """Begin to listen."""
        loop = asyncio.get_running_loop()
        sockets = _listeners(self.hosts)
        self._port = sockets[0].getsockname()[1]
        for listener in sockets:
            self._servers.append(await loop.create_server(self._connection, sock=listener, backlog=_BACKLOG))

    async def aclose(self) -> None:
        """Stop listening and end every connection at once, also those that are stuck. May be called again."""
        for server in self._servers:
            server.close()
        # A connection that was accepted just now may still enter the set, hence the loop.
        while self._connections:
            for connection in tuple(self._connections):
                await connection.aclose()
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()

    def _connection(self) -> Connection:
        return Connection(self.audit, self._choose, self._connections)

    def _choose(self, request: HttpRequest) -> Answer:
        answers = self._added.get((request.host, request.path)) or self._added.get((None, request.path))
        if answers is None:
            return self._routed(request)
        key = request.host, request.path
        turn = self._asked[key]
        self._asked[key] += 1
        return answers[min(turn, len(answers) - 1)]

    def _routed(self, request: HttpRequest) -> Answer:
        try:
            return self._route(request)
        except Exception:
            return Answer(traceback.format_exc().encode(), 500, content_type="text/plain")


def _nothing(request: HttpRequest) -> Answer:
    return status(404)


def _listeners(addresses: list[str]) -> list[socket.socket]:
    """A listening socket an address, all on one port."""
    for _ in range(_PORT_TRIES):
        sockets: list[socket.socket] = []
        try:
            for address in addresses:
                port = sockets[0].getsockname()[1] if sockets else 0
                sockets.append(_listener(address, port))
        except OSError as error:
            for listener in sockets:
                listener.close()
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return sockets
    raise OSError(errno.EADDRINUSE, f"no port is free on all of {len(addresses)} addresses")


def _listener(address: str, port: int) -> socket.socket:
    # With the protocol named, asyncio turns Nagle's algorithm off, which would bunch what is meant to drip.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.bind((address, port))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener
