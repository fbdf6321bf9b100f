"""What a request says: the bytes of a GET, with the headers of the settings, credentials, and what a proxy wants."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from yarl import URL

from .. import urls
from ..identity import basic
from ..settings import Network
from .proxy import proxy_in


def own_headers(network: Network) -> dict[str, str]:
    """Who asks, and for what: all that a proxy learns, too, when it is asked for a tunnel."""
    return {"User-Agent": network.user_agent, "Accept": "image/*,*/*;q=0.1", "Accept-Encoding": "identity"}


class RequestForm:
    """Writes requests as the settings want them.

    A header of the settings takes the place of our own of that name; a name and password in the URL, if they are to be
    sent, that of an Authorization among those.
    """

    def __init__(self, network: Network) -> None:
        proxy = proxy_in(network)
        self._headers = _merged(own_headers(network), network.headers)
        self._plain = _lines(self._headers)
        self._user_info = network.user_info
        self._proxied = proxy is not None
        self._authorization = proxy.authorization if proxy else None

    def written(self, url: str, parts: urls.Parts) -> bytes:
        """The request for `url`, as the list or a redirect has it; `parts` are its own."""
        credentials = urls.user_info(url) if self._user_info else None
        lines = _lines(_merged(self._headers, {"Authorization": basic(*credentials)})) if credentials else self._plain
        target = parts.target
        if self._proxied and parts.scheme == "http":  # with TLS the proxy only gives the tunnel
            target = parts.wire
            if self._authorization:
                lines += _lines({"Proxy-Authorization": self._authorization})
        return f"GET {target} HTTP/1.1\r\nHost: {_host(parts.scheme, parts.authority)}\r\n{lines}\r\n".encode()


def _merged(headers: Mapping[str, str], others: Mapping[str, str]) -> dict[str, str]:
    names = {name.lower() for name in others}
    return {name: value for name, value in headers.items() if name.lower() not in names} | dict(others)


def _lines(headers: Mapping[str, str]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


@functools.lru_cache(1_024)
def _host(scheme: str, authority: str) -> str:
    """The Host header: no dot at a name's end."""
    return URL.build(scheme=scheme, authority=authority, encoded=True).host_port_subcomponent or authority
