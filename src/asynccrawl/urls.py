"""URLs as lists write them: which host they name, and how they go on the wire. Pure; no I/O.

What a list says is sent byte for byte where it is legal (RFC 3986); only bytes that may not stand in a
request line are percent-escaped, since re-quoting legal ones breaks signed URLs. A host is what it means: in lower
case, international names in the form of DNS, IPv4 addresses as four decimal numbers and IPv6 ones compressed, however
they are spelled.
"""

from __future__ import annotations

import functools
import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

import idna

_SENT = "[!$&'-;=?@A-Z_a-z~]*"
_PLAIN = re.compile(
    r"(https?)://([a-z0-9][a-z0-9\-]{0,62}(?:\.[a-z0-9][a-z0-9\-]{0,61}[a-z0-9]){0,2}\.[a-z][a-z0-9\-]{0,61}[a-z0-9])(/"
    + _SENT
    + ")"
)
"""What most URLs of a list look like, and how they are sent: as they stand. No host of these is an address."""
_LEGAL = re.compile(rf"(https?)://([A-Za-z0-9.:\-]+)(/{_SENT}(?:%[0-9A-Fa-f]{{2}}{_SENT})*)")
"""What most of the others look like, such as those with a port or an escaped blank: sent as they stand, too."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_ILLEGAL = re.compile(r"[^!$%&'()*+,\-./0-9:;=?@A-Z_a-z~]")
_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST = re.compile(r"[a-z0-9_\-](?:[a-z0-9_.\-]*[a-z0-9_])?\.?|\[[0-9a-f:.]+(?:%25[a-z0-9_.\-~]+)?\]")
_BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_QUAD = re.compile(rf"(?:{_BYTE}\.){{3}}{_BYTE}")  # as `_decimal` writes it, and most lists do
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_RAW_BYTE = re.compile("[\udc80-\udcff]")
_AUTHORITY_END = re.compile(r"[/?#\\]")
_AUTHORITY = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://([^/?#\\]*@)?")
_USER_INFO = re.compile(r"//[^/?#\\]*@")
_MISPLACED = re.compile(r"(?<!\S)((?:https?:)?/{0,2})[^\s/?#\\@:\[]*:(?!\d*(?:[/?#\\\s]|$))\S*@")
"""What somebody may have meant for user and password in what is no URL, or one with a password that breaks it."""
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
    def authority(self) -> str:
        """Host, and port unless it is the scheme's own."""
        return self.host if self.port == SCHEMES[self.scheme] else f"{self.host}:{self.port}"

    @property
    def wire(self) -> str:
        """The URL as it is requested, without user-info and fragment."""
        return f"{self.scheme}://{self.authority}{self.target}"


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
    legal = _LEGAL.fullmatch(url)
    if legal is None:
        return _parse(url.strip(_BLANKS))
    host, port = _known(legal[2])
    return Parts(legal[1], host, SCHEMES[legal[1]] if port is None else port, legal[3])


def join(base: str, location: str) -> str:
    """The URL that a Location header names, relative to the URL that answered with it (RFC 3986, 5.2).

    An absolute one stays as it is written; of the others only dot segments are resolved. Bytes of the header that are
    no UTF-8, which come as `surrogateescape` has them, are percent-escaped. Raises BadURL when `base` is no URL.
    """
    reference = _RAW_BYTE.sub(lambda found: f"%{ord(found[0]) - 0xDC00:02X}", location.strip(_BLANKS))
    if _SCHEME.match(reference):
        return reference
    scheme, authority, target = _split(base.strip(_BLANKS))
    reference = reference.partition("#")[0]
    if not reference.startswith("//"):
        return f"{scheme}://{authority}{_resolved(reference, _target(target))}"
    authority, rest = _split_authority(reference[2:])
    path, mark, query = rest.partition("?")
    return f"{scheme}://{authority}{without_dots(path)}{mark}{query}"


def _resolved(reference: str, base: str) -> str:
    """The path and query of a reference that names no authority, relative to those of its base."""
    path, mark, query = reference.partition("?")
    base_path, base_mark, base_query = base.partition("?")
    if path:
        from_root = path if path.startswith("/") else base_path[: base_path.rfind("/") + 1] + path
        return f"{without_dots(from_root)}{mark}{query}"
    return f"{base_path}{mark}{query}" if mark else f"{base_path}{base_mark}{base_query}"


def _parse(url: str) -> Parts:
    scheme, authority, target = _split(url)
    host, port = _known(authority.rpartition("@")[2])
    return Parts(scheme, host, SCHEMES[scheme] if port is None else port, _target(target))


def _known(authority: str) -> tuple[str, int | None]:
    if len(authority) > _HOST_CHARS:
        return _host_and_port.__wrapped__(authority)  # kept, long ones would take memory without a bound
    return _host_and_port(authority)


@functools.lru_cache(1_000)  # a few hosts have most of a list's URLs
def _host_and_port(authority: str) -> tuple[str, int | None]:
    host, port = _split_port(authority)
    return _host(host), port


def _split(url: str) -> tuple[str, str, str]:
    """Scheme, authority, and the rest as it is written."""
    found = _SCHEME.match(url)
    scheme = found[1].lower() if found else None
    if found is None or scheme is None:
        raise BadURL("no scheme: a URL begins with http:// or https://")
    if scheme not in SCHEMES:
        raise BadURL(f"the scheme is {scheme[:40]}; only http and https are fetched", scheme=scheme)
    rest = url[found.end() :]
    if not rest.startswith("//"):
        raise BadURL(f"{scheme}: is not followed by //")
    return (scheme, *_split_authority(rest[2:]))


def without_dots(path: str) -> str:
    """The path without `.` and `..` segments (RFC 3986, 5.2.4). Empty segments are segments."""
    if not path.startswith("/"):
        return path
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


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
        # Not shown: it may be a piece of a password.
        raise BadURL("the port is none; it must be a number from 1 to 65535")
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
    return _compressed(host) if host.startswith("[") else _decimal(host.rstrip("."))


def _compressed(host: str) -> str:
    """The one spelling of an IPv6 address (RFC 5952), so that it is one host to the limits."""
    address, percent, zone = host[1:-1].partition("%")
    try:
        return f"[{ipaddress.IPv6Address(address)}{percent}{zone}]"
    except ValueError as error:
        raise BadURL(f"the host is {host[:60]!r}; that is no IPv6 address") from error


def _decimal(host: str) -> str:
    """The dotted quad of a host that ends in a number, which is an IPv4 address as inet_aton(3) reads it; or the host.

    Browsers do so too. Left as they are such spellings would be a matter of taste between us, the resolver and the
    system, and one address would be several hosts to the limits.
    """
    if _QUAD.fullmatch(host):
        return host
    parts = host.split(".")
    if not _NUMBER.fullmatch(parts[-1]):
        return host
    try:
        *most, last = map(_number, parts)
        if len(most) > 3 or max(most, default=0) > 255 or last >= 256 ** (4 - len(most)):
            raise ValueError
    except ValueError:
        raise BadURL(f"the host {host[:60]!r} ends in a number and is no IPv4 address") from None
    return str(ipaddress.IPv4Address(sum(part << 8 * (3 - n) for n, part in enumerate(most)) + last))


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError
    if text.startswith("0x"):
        return int(text[2:] or "0", 16)
    return int(text, 8 if text.startswith("0") else 10)


def _idna(host: str) -> str:
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        try:
            return ".".join(map(_label, idna.uts46_remap(host).split(".")))
        except (idna.IDNAError, UnicodeError):
            raise BadURL(f"the host {host[:60]!r} is no international domain name: {error}") from error


def _label(label: str) -> str:
    """A label in the form of DNS. Symbols are let in, emoji above all: IDNA 2008 has none, and DNS has such names."""
    rest = "".join(char for char in label if unicodedata.category(char) not in ("So", "Sk"))
    if rest:
        encoded = idna.encode(rest).decode("ascii")
        if rest == label:
            return encoded
    return "xn--" + label.encode("punycode").decode("ascii") if label else ""


def _target(target: str) -> str:
    target = target.partition("#")[0]
    if not target.startswith("/"):
        target = "/" + target
    target = _BARE_PERCENT.sub("%25", target)
    try:
        return _ILLEGAL.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), target)
    except UnicodeEncodeError as error:
        raise BadURL("it holds half a surrogate pair, which no encoding can send") from error


def user_info(url: str) -> tuple[str, str] | None:
    """User and password in front of the host, percent-decoded; None where there are none.

    Bytes that are no UTF-8 come as `surrogateescape` has them.
    """
    start = _AUTHORITY.match(url.strip(_BLANKS))
    if not start or not start[1]:
        return None
    user, _, password = start[1][:-1].partition(":")
    if not user and not password:
        return None
    return _decoded(user), _decoded(password)


def redacted(text: str) -> str:
    """A URL, or a text that may hold some, without user and password: for whatever is shown to somebody."""
    return _MISPLACED.sub(r"\1", _USER_INFO.sub("//", text)) if "@" in text else text


def carried(base: str, target: str) -> str:
    """`target`, with the user-info of `base` if both have the same origin and `target` has none of its own."""
    found, authority = _AUTHORITY.match(base.strip(_BLANKS)), _AUTHORITY.match(target.strip(_BLANKS))
    if not found or not found[1] or not authority or authority[1]:
        return target
    ours, theirs = parse(base), parse(target)
    if (ours.scheme, ours.host, ours.port) != (theirs.scheme, theirs.host, theirs.port):
        return target
    target = target.strip(_BLANKS)
    return f"{target[: authority.end()]}{found[1]}{target[authority.end() :]}"


def _decoded(text: str) -> str:
    return unquote_to_bytes(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogateescape")
