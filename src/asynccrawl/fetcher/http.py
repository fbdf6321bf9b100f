"""The real fetcher: one hop over HTTP/1.1."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from .. import urls
from ..errors import CrawlError, FetchError
from ..identity import product_token
from ..models import ROBOTS_BYTES, Hop, Purpose, Reason, Response
from ..settings import Settings
from ..threads import obtained
from .body import Body, check_length, read_body
from .client import Answer, Client
from .consent import opt_out
from .encoding import coding_of, undo, undo_beginning
from .guard import Guard
from .phases import Phase, current
from .proxy import proxy_in, through_proxy
from .translate import refused, retry_after, translate
from .watch import Meter, Watch

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_DRAINED_BYTES = 65_536
"""The body of an answer that is no picture is read up to here, so that its connection can be used again."""
_DRAIN_SECONDS = 1.0


class HttpFetcher:
    """Makes hops over HTTP/1.1. Make one with `await HttpFetcher.open(...)` inside the running loop.

    No cookies, no netrc, no proxies from the environment, no redirects followed, no encodings asked for. Retry-After
    on a picture and X-Robots-Tag on anything else are passed over.
    """

    def __init__(self, client: Client, settings: Settings, spool: Path, meter: Meter | None) -> None:
        self._client = client
        self._settings = settings
        self._limits = settings.limits
        self._spool = spool
        self._meter = meter
        network = settings.network
        self._proxy = proxy_in(network)
        self._product = None if network.ignore_opt_out else product_token(network.user_agent)
        self._guard = Guard(network.allow_net)

    @classmethod
    async def open(cls, settings: Settings, spool: Path, meter: Meter | None = None) -> HttpFetcher:
        """A fetcher that spools large bodies to the directory `spool`, made when first needed.

        `meter` is told of all bytes of bodies, and says when to go on.
        """
        return cls(await Client.open(settings), settings, spool, meter)

    async def fetch(self, hop: Hop, heard: Callable[[], None] = lambda: None) -> Response:
        """Make one hop within its deadline. Raises FetchError, and StorageError when a large body cannot be kept.

        `heard` is called as soon as the head of an answer has come, and twice a second while its body comes.
        """
        phase = Phase()
        current.set(phase)
        try:
            async with asyncio.timeout(hop.seconds_left) as scope:
                return await self._exchange(hop, phase, Watch(scope, phase, self._limits, self._meter, heard))
        except FetchError as error:
            error.doubt = phase.doubt if error.http_status else None
            raise
        except CrawlError:
            raise
        except Exception as error:
            raise self._translated(error, hop, phase) from error

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    def _translated(self, error: Exception, hop: Hop, phase: Phase) -> FetchError:
        found = self._found(error, hop, phase)
        return through_proxy(found, error, phase, self._proxy.shown) if self._proxy else found

    def _found(self, error: Exception, hop: Hop, phase: Phase) -> FetchError:
        secure = hop.url[:6].lower() == "https:"
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return phase.timed_out(secure, min(self._limits.connect_timeout, hop.seconds_left))
        if isinstance(error, TimeoutError):
            return phase.timed_out(secure, hop.seconds_left)
        found = translate(error, secure=secure)
        if found.reason is Reason.PROTOCOL and not phase.fresh:
            # What made no sense may have been sent behind the answer before; a new connection will tell.
            return FetchError(found.reason, True, found.detail)
        return found

    async def _exchange(self, hop: Hop, phase: Phase, watch: Watch) -> Response:
        try:
            parts = urls.parse(hop.url)
        except urls.BadURL as error:
            raise FetchError(Reason.BLOCKED_SCHEME if error.scheme else Reason.BAD_URL, False, str(error)) from error
        self._guard.check(parts.host, parts.port)
        answer = await self._client.get(hop.url, parts, phase)
        try:
            watch.head()
            return await self._response(hop, parts.wire, answer, watch)
        finally:
            answer.close()

    async def _response(self, hop: Hop, url: str, answer: Answer, watch: Watch) -> Response:
        if answer.status == 200:
            if hop.purpose is Purpose.ROBOTS:
                return await self._read_robots(url, answer, watch)
            self._check_consent(answer)
            return await self._read(url, answer, watch)
        await _drain(answer, min(_DRAIN_SECONDS, watch.seconds_left / 2))
        if answer.status in _REDIRECTS:
            return _redirect(url, answer, watch)
        raise refused(answer.status, answer.headers, datetime.now(UTC))

    def _check_consent(self, answer: Answer) -> None:
        if self._product is None:
            return
        if found := opt_out(answer.headers.getall("X-Robots-Tag", ()), self._product):
            text = f"the server says {found.rule}, so the picture is not meant for datasets ({found.header})"
            raise FetchError(Reason.OPT_OUT, False, text, http_status=200)

    async def _read(self, url: str, answer: Answer, watch: Watch) -> Response:
        limits, headers = self._limits, answer.headers
        coding = coding_of(", ".join(headers.getall("Content-Encoding", ())))
        check_length(answer.length, limits)
        with watch.reading(answer.content) as read:
            body = await read_body(read, limits, self._spool)
        answer.close()  # before what takes time and no connection
        if coding:
            body = await self._undone(body, coding)
        return Response(
            url,
            answer.status,
            data=body.data,
            path=body.path,
            size=body.size,
            content_type=_text(headers.get("Content-Type")),
            etag=_text(headers.get("ETag")),
            framed=answer.framed,
            doubt=watch.doubt,
        )

    async def _read_robots(self, url: str, answer: Answer, watch: Watch) -> Response:
        """The beginning of a robots.txt: what is behind it does not matter, and `max_bytes` is about pictures."""
        coding = coding_of(", ".join(answer.headers.getall("Content-Encoding", ())))
        data = bytearray()
        with watch.reading(answer.content) as read:
            while chunk := await read():
                data += chunk
                if len(data) >= ROBOTS_BYTES:
                    break
        text = undo_beginning(bytes(data), coding, ROBOTS_BYTES) if coding else bytes(data[:ROBOTS_BYTES])
        return Response(url, answer.status, data=text, size=len(text), doubt=watch.doubt)

    async def _undone(self, body: Body, coding: str) -> Body:
        return await obtained(undo, body, coding, self._limits, self._spool, give_back=Body.remove)


def _text(value: str | None) -> str | None:
    """A header's value as text: aiohttp takes it for UTF-8, and RFC 9110 (5.5) knows of ISO 8859-1 else."""
    if value is None or value.isascii():
        return value
    data = value.encode("utf-8", "surrogateescape")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _redirect(url: str, answer: Answer, watch: Watch) -> Response:
    location = answer.headers.get("Location", "").strip(" \t")
    if not location:
        text = f"the server answered {answer.status} without saying where to"
        raise FetchError(Reason.BAD_REDIRECT, False, text, http_status=answer.status)
    wait = retry_after(answer.headers, datetime.now(UTC))
    return Response(url, answer.status, location=location, retry_after=wait, doubt=watch.doubt)


async def _drain(answer: Answer, seconds: float) -> None:
    """Read a small body to its end, so that its connection can be kept. Nothing depends on it: it may not take long."""
    length = answer.length
    ends = answer.framed and answer.status != 101 and (length is None or length <= _DRAINED_BYTES)
    if ends and not answer.content.is_eof():
        try:
            async with asyncio.timeout(seconds):
                await answer.content.readexactly(min(length or _DRAINED_BYTES, _DRAINED_BYTES))
        except (aiohttp.ClientError, asyncio.IncompleteReadError, TimeoutError):
            return  # the connection is closed instead
