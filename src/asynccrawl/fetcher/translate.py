"""The border: foreign exceptions and HTTP status codes become FetchErrors here, and nowhere else."""

from __future__ import annotations

import errno
import itertools
import re
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from ..errors import NO_DESCRIPTOR, FetchError, OutOfDescriptors
from ..models import Reason
from ..urls import redacted
from .guard import BLOCKED, BlockedAddress
from .resolver import NotResolved

_STATUS = {403: Reason.HTTP_403, 404: Reason.HTTP_404, 410: Reason.HTTP_410, 429: Reason.HTTP_429}
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
_NOTHING_THERE = {404, 410}
LONGEST = 999_999_999_999.0
"""The longest wait (seconds) that Retry-After can mean; far beyond any that is kept to."""
_MOST_WAITS = 8
_NUMBER = re.compile(r"[+\-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_RESET = {errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED}


def refused(status: int, headers: Mapping[str, str], now: datetime) -> FetchError:
    """The error of an answer whose status is no success. 5xx that may pass are retryable, and so is being too fast.

    An answer that says when to come back may pass too (GitHub's 403, a 202 while a picture is being made), unless it
    says that there is nothing. Whatever its status, its host is left alone for as long as it asks.
    """
    reason = _STATUS.get(status) or (
        Reason.HTTP_4XX if 400 <= status < 500 else Reason.HTTP_5XX if 500 <= status < 600 else Reason.HTTP_OTHER
    )
    wait = retry_after(headers, now)
    passing = status in _TRANSIENT or 520 <= status < 600
    retryable = passing or (wait is not None and status not in _NOTHING_THERE)
    return FetchError(reason, retryable, f"the server answered {status}", http_status=status, retry_after=wait)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that Retry-After asks for (RFC 9110, 10.2.3), from 0 to LONGEST; None where it says nothing sensible.

    A number, with a fraction if need be, or a date in any of the three forms of HTTP, which is relative to the
    answer's own Date, or to `now` where that has none. Negative numbers and dates in the past are 0: the wait is over.
    Of several the longest counts, whether they come in one header or in more.
    """
    getall = getattr(headers, "getall", None)
    values = getall("Retry-After", ()) if getall else (headers.get("Retry-After", ""),)
    asked = [
        seconds
        for value in values
        for part in _parts(value)
        if (seconds := _seconds(part, headers.get("Date", ""), now)) is not None
    ]
    return max(asked, default=None)


def _parts(value: str) -> list[str]:
    """A value, and what it is a list of. A date may hold a comma itself."""
    if "," not in value:
        return [value]
    parts = value.split(",", _MOST_WAITS)
    return [*parts, *map(", ".join, itertools.pairwise(parts))]


def _seconds(text: str, date: str, now: datetime) -> float | None:
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return min(max(float(text), 0.0), LONGEST)
    until = _date(text)
    if until is None:
        return None
    return min(max((until - (_date(date) or now)).total_seconds(), 0.0), LONGEST)


def _date(text: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def translate(error: Exception, *, secure: bool = False) -> FetchError:
    """The FetchError of an exception that aiohttp, its resolver or the operating system has raised.

    `secure`: the connection was to use TLS.
    """
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return _dns(error)
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        return FetchError(Reason.TLS, False, f"the certificate is not trusted: {_cause(error)}")
    if isinstance(error, aiohttp.ClientConnectorSSLError | ssl.SSLError):
        return FetchError(Reason.TLS, True, f"no TLS connection: {_cause(error)}")
    if isinstance(error, aiohttp.ClientConnectorError):
        return _connect(error, secure)
    if isinstance(error, aiohttp.ClientPayloadError):
        return FetchError(Reason.TRUNCATED, True, f"the body was cut short: {_short(error)}")
    if isinstance(error, aiohttp.ClientResponseError | HttpProcessingError):
        return FetchError(Reason.PROTOCOL, False, f"the answer is no valid HTTP: {_short(error.message)}")
    if isinstance(error, aiohttp.InvalidURL):
        return FetchError(Reason.BAD_URL, False, f"the URL cannot be requested: {_short(error)}")
    if isinstance(error, TimeoutError):
        return FetchError(Reason.TIMEOUT, True, "a time limit of the connection has passed")
    return _broken(error)


def _dns(error: aiohttp.ClientConnectorDNSError) -> FetchError:
    cause = error.os_error
    if cause.errno in NO_DESCRIPTOR:
        return OutOfDescriptors()
    permanent = isinstance(cause, NotResolved) and cause.permanent
    text = _short(cause.strerror or cause)
    return FetchError(Reason.DNS, not permanent, f"the name {error.host} was not resolved: {text}")


def _connect(error: aiohttp.ClientConnectorError, secure: bool) -> FetchError:
    if error.os_error.errno in NO_DESCRIPTOR:
        return OutOfDescriptors()
    if error.os_error.errno == BLOCKED:
        return FetchError(Reason.BLOCKED_ADDRESS, False, str(error.os_error.strerror))
    if secure and isinstance(error.os_error, ConnectionResetError | ConnectionAbortedError | BrokenPipeError):
        return FetchError(Reason.TLS, True, "the server closed the connection in the middle of the TLS handshake")
    return FetchError(Reason.CONNECT, True, f"no connection: {_cause(error) or type(error.os_error).__name__}")


def _broken(error: Exception) -> FetchError:
    if isinstance(error, BlockedAddress):
        return FetchError(Reason.BLOCKED_ADDRESS, False, str(error))
    if isinstance(error.__cause__, ssl.SSLError):
        return FetchError(Reason.TLS, True, f"the TLS connection broke: {_cause(error.__cause__)}")
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return FetchError(Reason.RESET, True, "the server closed the connection without an answer")
    if isinstance(error, ConnectionError) or getattr(error, "errno", None) in _RESET:
        return FetchError(Reason.RESET, True, f"the connection broke: {_short(error)}")
    if isinstance(error, OSError) and error.errno in NO_DESCRIPTOR:
        return OutOfDescriptors()
    if isinstance(error, OSError):
        return FetchError(Reason.CONNECT, True, f"the connection failed: {_short(error)}")
    if isinstance(error, MemoryError | RuntimeError):  # such as that no thread can be started: no fault of the server
        return FetchError(Reason.INTERNAL, True, f"this machine could not go on: {_short(repr(error))}")
    return FetchError(Reason.PROTOCOL, False, f"the answer could not be read: {_short(repr(error))}")


def _cause(error: BaseException) -> str:
    inner = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error
    return _short(getattr(inner, "strerror", None) or inner)


def _short(text: object) -> str:
    return redacted(" ".join(str(text).split()))[:200]
