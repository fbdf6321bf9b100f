"""Requests and their answers, on connections that are kept in between.

aiohttp's own session would decide much by itself (cookies, redirects, requests made again), and costs three times as
much as its parser (`benchmarks/fetch.py`). Names, connections, TLS, tunnels and the parser of what comes are aiohttp's.
"""

from __future__ import annotations

import aiohttp
from multidict import CIMultiDictProxy

from .. import urls
from ..errors import NO_DESCRIPTOR
from ..settings import Settings
from .connector import Connector
from .phases import Phase
from .pool import Pool
from .request import RequestForm
from .wire import Head, Wire


class Answer:
    """The head of an answer, and its body as it comes. Close it in any case."""

    def __init__(self, head: Head, wire: Wire, pool: Pool) -> None:
        message, self.content = head
        self.status = message.code
        self.headers: CIMultiDictProxy[str] = message.headers
        self._wire: Wire | None = wire
        self._pool = pool

    @property
    def length(self) -> int | None:
        """Content-Length in bytes, if it is told. The parser has seen to it that it is a number."""
        told = self.headers.get("Content-Length")
        return None if told is None else int(told)

    @property
    def framed(self) -> bool:
        """Whether it is told where the body ends, other than by the connection's end."""
        if self.length is not None:
            return True
        codings = ",".join(self.headers.getall("Transfer-Encoding", ()))
        return codings.rpartition(",")[2].strip().lower() == "chunked"

    def close(self) -> None:
        """The connection is kept for the next request if the answer has come to its end, and closed if not."""
        if self._wire is not None:
            wire, self._wire = self._wire, None
            self._pool.give_back(wire, whole=self.content.is_eof())


class Client:
    """Asks for URLs: GET over HTTP/1.1, one request at a time on a connection, nothing asked for twice.

    Make one with `await Client.open(...)`, and close it.
    """

    def __init__(self, connector: Connector, settings: Settings) -> None:
        self._connector = connector
        self._pool = Pool()
        self._form = RequestForm(settings.network)

    @classmethod
    async def open(cls, settings: Settings) -> Client:
        """A client for these settings. Raises SettingsError when `ca_file` holds no certificates."""
        return cls(await Connector.open(settings), settings)

    async def get(self, url: str, parts: urls.Parts, phase: Phase) -> Answer:
        """The answer to a request for `url`, whose parts are `parts`.

        Raises what aiohttp raises where there is no connection, and what the parser raises where there is no answer.
        """
        wire = await self._wire(parts, phase)
        phase.name, phase.doubt = "head", wire.doubt
        try:
            return Answer(await wire.ask(self._form.written(url, parts)), wire, self._pool)
        except BaseException:
            self._pool.give_back(wire, whole=False)
            raise

    async def aclose(self) -> None:
        """Close all connections."""
        self._pool.close()
        await self._connector.close_all()

    async def _wire(self, parts: urls.Parts, phase: Phase) -> Wire:
        origin = f"{parts.scheme}://{parts.authority}"
        wire = self._pool.take(origin)
        if wire is not None:  # it is a queue, too, and false while it is empty
            return wire
        phase.fresh = True
        try:
            wire = await self._connector.wire(parts)
        except aiohttp.ClientConnectorError as error:
            if error.os_error.errno in NO_DESCRIPTOR:
                self._pool.drop_idle()
            raise
        wire.origin = origin
        return wire
