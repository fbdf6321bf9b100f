"""Who we are in requests: headers of our own, the proxy, names and passwords. Pure; no I/O."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import urls

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""A header's name (RFC 9110, 5.6.2)."""
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_PRODUCT_END = re.compile(r"[/\s]")
_REFUSED = {
    "host": "it follows from the URL",
    "content-length": "requests have no body",
    "transfer-encoding": "requests have no body",
    "connection": "connections are ours to keep",
    "proxy-authorization": "write user:password@ into the proxy's URL",
    "user-agent": "set user_agent",
}
_PROXY_FORM = "it must be http://host:port or http://user:password@host:port"


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy. `url` and `shown` hold no credentials; `authorization` is the header that carries them."""

    url: str
    shown: str
    authorization: str | None = field(default=None, repr=False)


def check_headers(headers: Any) -> None:
    """Raise ValueError for headers that cannot or may not be sent. Values are never shown: they may be secrets."""
    if not isinstance(headers, Mapping):
        raise ValueError(f"headers is a {type(headers).__name__}; it must be a mapping from names to values")
    seen = set()
    for name, value in headers.items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise ValueError(f"headers names {name!r:.60}, which is no name of a header")
        lower = name.lower()
        if lower in _REFUSED:
            raise ValueError(f"headers may not set {name}: {_REFUSED[lower]}")
        if lower in seen:
            raise ValueError(f"headers has {name} twice; join its values with a comma")
        seen.add(lower)
        if not isinstance(value, str) or _CONTROL.search(value) or not encodes(value):
            raise ValueError(f"the value of {name} in headers must be a text on one line, without control characters")
        if lower == "accept-encoding" and value.strip().lower() != "identity":
            raise ValueError(
                "headers may not ask for an Accept-Encoding other than identity: bodies are kept as served"
            )


def proxy_of(text: Any) -> Proxy:
    """The proxy that a setting names. Raises ValueError, without the text where it may hold a password."""
    shown = "" if not isinstance(text, str) or "@" in text else f" {text[:80]!r}"
    if not isinstance(text, str):
        raise ValueError(f"proxy is a {type(text).__name__}; {_PROXY_FORM}")
    try:
        parts = urls.parse(text)
        credentials = urls.user_info(text)
    except urls.BadURL as error:
        why = f" ({error})" if shown else "; percent-encode what is special in user and password"
        raise ValueError(f"the proxy{shown} is no URL of a proxy: {_PROXY_FORM}{why}") from None
    if parts.scheme != "http" or parts.target != "/":
        raise ValueError(f"the proxy{shown} is no URL of an HTTP proxy: {_PROXY_FORM}")
    url = f"http://{parts.host}:{parts.port}"
    return Proxy(url, f"{parts.host}:{parts.port}", basic(*credentials) if credentials else None)


def product_token(user_agent: str) -> str:
    """How servers address us: what is before the first `/` or blank of the User-Agent, in lower case."""
    return _PRODUCT_END.split(user_agent.strip(), maxsplit=1)[0].lower()


def basic(user: str, password: str) -> str:
    """The value of an Authorization header (RFC 7617), in UTF-8; `surrogateescape` stands for other bytes."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode("utf-8", "surrogateescape")).decode("ascii")


def encodes(value: str) -> bool:
    """Whether UTF-8 can hold a text."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
