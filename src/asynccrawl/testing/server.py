"""A local image server that misbehaves on request: real sockets, loopback addresses only."""

from __future__ import annotations

import asyncio
import ipaddress
import traceback
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from .audit import Audit
from .behaviour import Answer, status
from .connection import Connection, Peer
from .handshake import Greeter
from .http_request import HttpRequest
from .link import Line, Link
from .listening import BACKLOG, listeners
from .tls import BROKEN, CA_FILE, Handshake, Meeting, Tls

MAX_HOSTS = 1_000
"""The most addresses one server listens on."""

Route = Callable[[HttpRequest], Answer]
"""Gives the answer to a request for a path that was not added."""

_FIRST = ipaddress.IPv4Address("127.0.0.1")


class ImageServer:
    """Serves what a test adds to it, and keeps an audit of what was asked.

        async with ImageServer(hosts=2) as server:
            url = server.add("/a.jpg", status(503), picture())      # fails once, then works
            ...
            assert server.audit.count(path="/a.jpg") == 2

    It listens on `hosts` (1 to 1,000) addresses from 127.0.0.1 on, all with one port that is free; each is a virtual
    host, and so is any name that a Host header brings. Linux answers on all of them; elsewhere the addresses after
    the first may have to be configured. `tls`, a Tls or the kind of its handshakes, makes it a server of https.
    `link` says how slow it is (default: not at all). Starting raises OSError when an address cannot be had, and
    MissingExtra when certificates cannot be made.
    """

    def __init__(self, hosts: int = 1, *, tls: Tls | Handshake | None = None, link: Link | None = None) -> None:
        if not 1 <= hosts <= MAX_HOSTS:
            raise ValueError(f"hosts is {hosts}; it must be from 1 to {MAX_HOSTS}")
        self.hosts = [str(_FIRST + i) for i in range(hosts)]
        self.audit = Audit()
        self._tls = Tls(tls) if isinstance(tls, str) else tls
        self._folder: TemporaryDirectory[str] | None = None
        self._links: dict[str | None, Link] = {None: link or Link()}
        self._lines: dict[str, Line] = {}
        self._port: int | None = None
        self._route: Route = _nothing
        self._added: dict[tuple[str | None, str], tuple[Answer, ...]] = {}
        self._asked: Counter[tuple[str, str]] = Counter()
        self._servers: list[asyncio.Server] = []
        self._connections: set[Peer] = set()

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
        return f"{'https' if self._tls else 'http'}://{name}:{self.port}{path}"

    @property
    def ca_file(self) -> str:
        """The path of the certificate that a client must trust, a file that is there while the server runs.

        Raises RuntimeError when the server is not running or makes no certificates.
        """
        if self._folder is None or not (self._tls and self._tls.kinds.difference(BROKEN)):
            raise RuntimeError("there is no certificate: the server is not running, or with no tls that has one")
        return str(Path(self._folder.name) / CA_FILE)

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

    def set_link(self, link: Link, host: str | None = None) -> None:
        """How slow `host` is from the next request on, or every host for which nothing else was said."""
        self._links[host and host.lower()] = link
        self._lines.clear()

    async def start(self) -> None:
        """Begin to listen."""
        loop = asyncio.get_running_loop()
        try:
            meetings = await asyncio.to_thread(self._prepare, self._tls) if self._tls else {}
            sockets = listeners(self.hosts)
        except BaseException:
            await self.aclose()
            raise
        self._port = sockets[0].getsockname()[1]
        for address, listener in zip(self.hosts, sockets, strict=True):
            accept = partial(self._accept, meetings.get(address))
            self._servers.append(await loop.create_server(accept, sock=listener, backlog=BACKLOG))

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
        if self._folder is not None:
            await asyncio.to_thread(self._folder.cleanup)
            self._folder = None

    def _prepare(self, tls: Tls) -> dict[str, Meeting]:
        self._folder = TemporaryDirectory(prefix="asynccrawl-testing-")
        return tls.prepare(self.hosts, Path(self._folder.name))

    def _accept(self, meeting: Meeting | None) -> asyncio.Protocol:
        if meeting is None:
            return self._connection()
        return Greeter(self.audit, meeting, self._connections, self._connection)

    def _connection(self, carrier: asyncio.Transport | None = None) -> Connection:
        return Connection(self.audit, self._choose, self._connections, carrier)

    def _choose(self, request: HttpRequest) -> tuple[Answer, Line]:
        if request.host not in self._lines:
            self._lines[request.host] = Line(self._links.get(request.host, self._links[None]))
        return self._answer(request), self._lines[request.host]

    def _answer(self, request: HttpRequest) -> Answer:
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
