"""URLs as lists write them: which host they name, and how they go on the wire. Pure; no I/O.

What a list says is sent byte for byte where it is legal (RFC 3986); only bytes that may not stand in a
request line are percent-escaped, since re-quoting legal ones breaks signed URLs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urljoin

import idna

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_ILLEGAL = re.compile(r"[^!$%&'()*+,\-./0-9:;=?@A-Z_a-z~]")
_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.\-]*[a-z0-9_])?\.?|\[[0-9a-f:.]+(?:%25[a-z0-9_.\-~]+)?\]")
MAX_URL_CHARS = 32_768
"""A longer URL is refused. No server accepts it: common request-line limits are 4 to 16 KiB."""

SCHEMES = {"http": 80, "https": 443}
"""The schemes that are fetched, with their default ports."""


class BadURL(ValueError):
    """The text is no URL that can be fetched; `scheme` is set when only its scheme is the reason."""

    def __init__(self, message: str, scheme: str | None = None) -> None:
        super().__init__(message)
        self.scheme = scheme


@dataclass(frozen=True, slots=True)
class Parts:
    """A URL taken apart: `scheme` and `host` in lower case, `port` as a number, `target` (path and query) as sent."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def wire(self) -> str:
        """The URL as it is requested, without user-info and fragment."""
        port = "" if self.port == SCHEMES[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}{self.target}"


def parse(url: str) -> Parts:
    """Take `url` apart and make it fit for the wire.

    Raises BadURL for what cannot be fetched: no scheme or another than http and https, no host, a bad port,
    a host name that IDNA refuses, more than MAX_URL_CHARS characters.
    """
    if len(url) > MAX_URL_CHARS:
        raise BadURL(f"{len(url)} characters; the most is {MAX_URL_CHARS}")
    found = _SCHEME.match(url)
    scheme = found[1].lower() if found else None
    if found is None or scheme is None:
        raise BadURL("no scheme: a URL begins with http:// or https://")
    if scheme not in SCHEMES:
        raise BadURL(f"the scheme is {scheme[:40]}; only http and https are fetched", scheme=scheme)
    rest = url[found.end() :]
    if not rest.startswith("//"):
        raise BadURL(f"{scheme}: is not followed by //")
    authority, target = _split_authority(rest[2:])
    host, port = _split_port(authority.rpartition("@")[2])
    return Parts(scheme, _host(host), SCHEMES[scheme] if port is None else port, _target(target))


def join(base: str, location: str) -> str:
    """The absolute URL that a Location header names, relative to the URL that answered with it (RFC 3986, 5.2)."""
    return location if _SCHEME.match(location) else urljoin(base, location)


def _split_authority(rest: str) -> tuple[str, str]:
    end = min((i for i in (rest.find(c) for c in "/?#\\") if i >= 0), default=len(rest))
    return rest[:end], rest[end:]


def _split_port(authority: str) -> tuple[str, int | None]:
    host, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        return authority, None
    if not port:
        return host, None
    if not (port.isascii() and port.isdigit()) or not 0 < int(port[:6]) < 65_536:
        raise BadURL(f"the port is {port[:20]!r}; it must be a number from 1 to 65535")
    return host, int(port)


def _host(host: str) -> str:
    if not host:
        raise BadURL("no host")
    if not host.isascii():
        host = _idna(host)
    host = host.lower()
    if not _HOST.fullmatch(host) or ".." in host or len(host) > 253:
        raise BadURL(f"the host is {host[:60]!r}; that is no host name or address")
    return host.rstrip(".")


def _idna(host: str) -> str:
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        raise BadURL(f"the host {host[:60]!r} is no international domain name: {error}") from error


def _target(target: str) -> str:
    target = target.partition("#")[0]
    if not target.startswith("/"):
        target = "/" + target
    target = _BARE_PERCENT.sub("%25", target)
    try:
        return _ILLEGAL.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), target)
    except UnicodeEncodeError as error:
        raise BadURL("it holds half a surrogate pair, which no encoding can send") from error
