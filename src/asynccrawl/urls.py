"""URLs as lists write them: which host they name, and how they go on the wire. Pure; no I/O.

What a list says is sent byte for byte where it is legal (RFC 3986); only bytes that may not stand in a
request line are percent-escaped, since re-quoting legal ones breaks signed URLs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urljoin

import idna

_PLAIN = re.compile(
    r"(https?)://([a-z0-9][a-z0-9\-]{0,62}(?:\.[a-z0-9][a-z0-9\-]{0,61}[a-z0-9]){1,3})(/[!$&'-;=?@A-Z_a-z~]*)"
)
"""What most URLs of a list look like, and how they are sent: as they stand."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_ILLEGAL = re.compile(r"[^!$%&'()*+,\-./0-9:;=?@A-Z_a-z~]")
_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.\-]*[a-z0-9_])?\.?|\[[0-9a-f:.]+(?:%25[a-z0-9_.\-~]+)?\]")
_AUTHORITY_END = re.compile(r"[/?#\\]")
_BLANKS = " \t\n\r\f\v"
_LABEL_CHARS = 63
_HOST_CHARS = 253
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
    """Take `url` apart and make it fit for the wire. White space at its ends is no part of it.

    Raises BadURL for what cannot be fetched: no scheme or another than http and https, no host, a bad port, a host
    name that DNS or IDNA refuses, more than MAX_URL_CHARS characters, half a surrogate pair.
    """
    if len(url) > MAX_URL_CHARS:
        raise BadURL(f"{len(url)} characters; the most is {MAX_URL_CHARS}")
    plain = _PLAIN.fullmatch(url)
    if plain is not None and len(plain[2]) <= _HOST_CHARS:
        return Parts(plain[1], plain[2], SCHEMES[plain[1]], plain[3])
    return _parse(url.strip(_BLANKS))


def join(base: str, location: str) -> str:
    """The absolute URL that a Location header names, relative to the URL that answered with it (RFC 3986, 5.2).

    Raises ValueError for a location that cannot be taken apart.
    """
    return location if _SCHEME.match(location) else urljoin(base, location)


def _parse(url: str) -> Parts:
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


def _split_authority(rest: str) -> tuple[str, str]:
    end = _AUTHORITY_END.search(rest)
    return (rest[: end.start()], rest[end.start() :]) if end else (rest, "")


def _split_port(authority: str) -> tuple[str, int | None]:
    host, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        return authority, None
    if not port:
        return host, None
    digits = port.lstrip("0")
    if not (port.isascii() and port.isdigit()) or not 1 <= len(digits) <= 5 or int(digits) > 65_535:
        raise BadURL(f"the port is {port[:20]!r}; it must be a number from 1 to 65535")
    return host, int(digits)


def _host(host: str) -> str:
    if not host:
        raise BadURL("no host")
    if len(host) > _HOST_CHARS + 1:
        # Looked at before IDNA is: versions of `idna` before 3.7 take seconds for some ten thousand characters.
        raise BadURL(f"the host has {len(host)} characters; the most is {_HOST_CHARS}")
    if not host.isascii():
        host = _idna(host)
    host = host.lower()
    if not _HOST.fullmatch(host) or ".." in host or len(host.rstrip(".")) > _HOST_CHARS:
        raise BadURL(f"the host is {host[:60]!r}; that is no host name or address")
    if len(host) > _LABEL_CHARS and max(map(len, host.split("."))) > _LABEL_CHARS:
        raise BadURL(f"a part of the host {host[:60]!r} is longer than {_LABEL_CHARS} characters")
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
