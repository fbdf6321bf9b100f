"""Requests as they arrive: found in a buffer of received bytes and taken apart. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

HEAD_BYTES = 65_536
"""The longest request line and headers that are taken."""


class BadRequest(ValueError):
    """What came is no HTTP request that this server takes."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request.

    `path` is the request target as sent, query included. `host` is the host name of the Host header in lower case
    and without its port, or the address that was connected to when there is none. `headers` has lower-case names;
    a repeated header's values are joined by a comma. `keep_alive` is the client's wish.
    """

    method: str
    path: str
    host: str
    headers: Mapping[str, str]
    keep_alive: bool = True


def take(buffer: bytearray, address: str) -> HttpRequest | None:
    """Remove the first request from `buffer`, body included, or return None while it is not all there.

    `address` is the address that was connected to. Raises BadRequest.
    """
    end = buffer.find(b"\r\n\r\n")
    if end < 0 and len(buffer) <= HEAD_BYTES:
        return None
    if not 0 <= end <= HEAD_BYTES:
        raise BadRequest("the headers are too long")
    request = _parse(buffer[:end].decode("latin-1"), address)
    after = end + 4 + _body_bytes(request)
    if len(buffer) < after:
        return None
    del buffer[:after]
    return request


def _parse(head: str, address: str) -> HttpRequest:
    first, *lines = head.split("\r\n")
    try:
        method, path, version = first.split(" ")
    except ValueError:
        raise BadRequest(f"the request line is {first[:60]!r}") from None
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise BadRequest(f"the version is {version[:20]!r}")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    host = _without_port(headers["host"]).lower() if "host" in headers else address
    connection = headers.get("connection", "").lower()
    keep_alive = "close" not in connection if version == "HTTP/1.1" else "keep-alive" in connection
    return HttpRequest(method, path, host, headers, keep_alive)


def _without_port(authority: str) -> str:
    host, colon, port = authority.rpartition(":")
    return host if colon and "]" not in port else authority


def _body_bytes(request: HttpRequest) -> int:
    if "transfer-encoding" in request.headers:
        raise BadRequest("a request body in chunks is not taken")
    length = request.headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise BadRequest(f"the Content-Length is {length[:20]!r}")
    return int(length)
