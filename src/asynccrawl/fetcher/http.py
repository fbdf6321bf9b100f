"""The real fetcher: one hop over aiohttp. The only importer of aiohttp outside of the test kit."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from aiohttp.resolver import AsyncResolver
from yarl import URL

from .. import urls
from ..errors import CrawlError, FetchError, SettingsError
from ..models import Hop, Reason, Response
from ..settings import Network, Settings
from .body import check_length, read_body
from .connector import CleanConnector
from .guard import Guard
from .translate import refused, translate

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEEPALIVE = 5.0
"""Seconds an idle connection is kept. Short, since lists name many hosts once and every connection is a descriptor."""


class HttpFetcher:
    """Makes hops over HTTP/1.1. Make one with `await HttpFetcher.open(...)` inside the running loop.

    No cookies, no netrc, no proxies from the environment, no redirects followed, no encodings accepted.
    """

    def __init__(self, session: aiohttp.ClientSession, settings: Settings, spool: Path) -> None:
        self._session = session
        self._settings = settings
        self._guard = Guard(settings.network.allow_net)
        self._spool = spool

    @classmethod
    async def open(cls, settings: Settings, spool: Path) -> HttpFetcher:
        """A fetcher that spools large bodies to the directory `spool`, made when first needed."""
        network = settings.network
        connector = CleanConnector(
            limit=0,  # the frontier and the engine's slots are the limits
            resolver=AsyncResolver(timeout=5.0, tries=2),
            ssl=await asyncio.to_thread(_tls, network),
            socket_factory=Guard(network.allow_net).socket,
            keepalive_timeout=_KEEPALIVE,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": network.user_agent, "Accept": "image/*,*/*;q=0.1", "Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # the hop's own deadline bounds it all
            auto_decompress=False,
            trust_env=False,
            read_bufsize=2**18,
        )
        # aiohttp would repeat a request by itself when a kept connection breaks: behind the frontier's back, so that a
        # host could see more requests than its limits allow. Private, hence pinned by a test.
        session._retry_connection = False
        return cls(session, settings, spool)

    async def fetch(self, hop: Hop, heard: Callable[[], None] = lambda: None) -> Response:
        """Make one hop within its deadline. Raises FetchError, and StorageError when a large body cannot be kept.

        `heard` is called as soon as the head of an answer has come.
        """
        try:
            async with asyncio.timeout(hop.seconds_left):
                return await self._exchange(hop, heard)
        except (FetchError, CrawlError):
            raise
        except TimeoutError:
            limit = self._settings.limits.timeout
            raise FetchError(Reason.TIMEOUT, True, f"no complete answer within {limit:g} s of fetching") from None
        except Exception as error:
            raise translate(error) from error

    async def aclose(self) -> None:
        """Close all connections."""
        connector = self._session.connector
        await self._session.close()
        if isinstance(connector, aiohttp.TCPConnector):
            await connector._resolver.close()  # a resolver that was passed in is not closed by its connector

    async def _exchange(self, hop: Hop, heard: Callable[[], None]) -> Response:
        try:
            parts = urls.parse(hop.url)
        except urls.BadURL as error:
            raise FetchError(Reason.BLOCKED_SCHEME if error.scheme else Reason.BAD_URL, False, str(error)) from error
        self._guard.check(parts.host, parts.port)
        url = parts.wire
        async with self._session.get(_as_written(parts), allow_redirects=False) as answer:
            heard()
            if answer.status in _REDIRECTS:
                return _redirect(url, answer)
            if answer.status != 200:
                raise refused(answer.status, answer.headers, datetime.now(UTC))
            return await self._read(url, answer)

    async def _read(self, url: str, answer: aiohttp.ClientResponse) -> Response:
        limits = self._settings.limits
        check_length(answer.content_length, limits)
        body = await read_body(answer.content.iter_any(), limits, self._spool)
        headers = answer.headers
        chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
        return Response(
            url,
            answer.status,
            data=body.data,
            path=body.path,
            size=body.size,
            content_type=headers.get("Content-Type"),
            etag=headers.get("ETag"),
            framed=chunked or answer.content_length is not None,
        )


def _as_written(parts: urls.Parts) -> URL:
    # The query is told as a part of the path: yarl would drop the mark of an empty one.
    return URL.build(scheme=parts.scheme, authority=parts.authority, path=parts.target, encoded=True)


def _redirect(url: str, answer: aiohttp.ClientResponse) -> Response:
    location = answer.headers.get("Location", "").strip(" \t")
    if not location:
        text = f"the server answered {answer.status} without saying where to"
        raise FetchError(Reason.BAD_REDIRECT, False, text, http_status=answer.status)
    return Response(url, answer.status, location=location)


def _tls(network: Network) -> ssl.SSLContext | bool:
    """What certificates are checked against: True is the system's own store."""
    if network.insecure:
        return False
    if not network.ca_file:
        return True
    try:
        return ssl.create_default_context(cafile=network.ca_file)
    except OSError as error:  # ssl.SSLError is one too
        raise SettingsError(f"ca_file {network.ca_file}: no certificates could be read: {error}") from error
