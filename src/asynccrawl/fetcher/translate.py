"""The border: foreign exceptions and HTTP status codes become FetchErrors here, and nowhere else."""

from __future__ import annotations

import errno
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp

from ..errors import FetchError
from ..models import Reason
from .guard import BLOCKED, BlockedAddress
from .resolver import NotResolved

_STATUS = {403: Reason.HTTP_403, 404: Reason.HTTP_404, 410: Reason.HTTP_410, 429: Reason.HTTP_429}
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
_RESET = {errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED}


def refused(status: int, headers: Mapping[str, str], now: datetime) -> FetchError:
    """The error of an answer whose status is no success. 5xx that may pass are retryable, and so is being too fast."""
    reason = _STATUS.get(status) or (
        Reason.HTTP_4XX if 400 <= status < 500 else Reason.HTTP_5XX if 500 <= status < 600 else Reason.HTTP_OTHER
    )
    retryable = status in _TRANSIENT or status >= 520
    wait = retry_after(headers, now) if status in (429, 503) else None
    return FetchError(reason, retryable, f"the server answered {status}", http_status=status, retry_after=wait)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that Retry-After asks for (RFC 9110, 10.2.3): a number, or a date relative to the answer's own Date."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:12])
    until = _date(value)
    if until is None:
        return None
    return max(0.0, (until - (_date(headers.get("Date", "")) or now)).total_seconds())


def _date(text: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(text)
    except (TypeError, ValueError):
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
    if isinstance(error, aiohttp.ClientResponseError):
        return FetchError(Reason.PROTOCOL, False, f"the answer is no valid HTTP: {_short(error.message)}")
    if isinstance(error, aiohttp.InvalidURL):
        return FetchError(Reason.BAD_URL, False, f"the URL cannot be requested: {_short(error)}")
    if isinstance(error, TimeoutError):
        return FetchError(Reason.TIMEOUT, True, "a time limit of the connection has passed")
    return _broken(error)


def _dns(error: aiohttp.ClientConnectorDNSError) -> FetchError:
    cause = error.os_error
    permanent = isinstance(cause, NotResolved) and cause.permanent
    text = _short(cause.strerror or cause)
    return FetchError(Reason.DNS, not permanent, f"the name {error.host} was not resolved: {text}")


def _connect(error: aiohttp.ClientConnectorError, secure: bool) -> FetchError:
    if error.os_error.errno == BLOCKED:
        return FetchError(Reason.BLOCKED_ADDRESS, False, str(error.os_error.strerror))
    if secure and isinstance(error.os_error, ConnectionResetError | ConnectionAbortedError | BrokenPipeError):
        return FetchError(Reason.TLS, True, "the server closed the connection in the middle of the TLS handshake")
    return FetchError(Reason.CONNECT, True, f"no connection: {_cause(error) or type(error.os_error).__name__}")


def _broken(error: Exception) -> FetchError:
    if isinstance(error, BlockedAddress):
        return FetchError(Reason.BLOCKED_ADDRESS, False, str(error))
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return FetchError(Reason.RESET, True, "the server closed the connection without an answer")
    if isinstance(error, ConnectionError) or getattr(error, "errno", None) in _RESET:
        return FetchError(Reason.RESET, True, f"the connection broke: {_short(error)}")
    if isinstance(error, OSError):
        return FetchError(Reason.CONNECT, True, f"the connection failed: {_short(error)}")
    return FetchError(Reason.PROTOCOL, False, f"the answer could not be read: {_short(repr(error))}")


def _cause(error: BaseException) -> str:
    inner = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error
    return _short(getattr(inner, "strerror", None) or inner)


def _short(text: object) -> str:
    return " ".join(str(text).split())[:200]
