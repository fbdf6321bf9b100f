"""What a request carries besides what all requests of a session do: headers, credentials, the way through a proxy."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from .. import urls
from ..identity import basic, proxy_of
from ..settings import Network

_NONE: Mapping[str, Any] = MappingProxyType({})


class RequestOptions:
    """Options of aiohttp for single requests.

    They are not the session's own defaults, since aiohttp would tell those to a proxy too, in clear, when it asks for
    a tunnel.
    """

    def __init__(self, network: Network) -> None:
        self._headers = dict(network.headers)
        self._user_info = network.user_info
        self.proxy = proxy_of(network.proxy) if network.proxy is not None else None

    def of(self, url: str, scheme: str) -> Mapping[str, Any]:
        """The options of a request for `url`, as the list or a redirect has it, of that scheme.

        A name and password in the URL win over an Authorization among the settings' headers.
        """
        if not (self._headers or self._user_info or self.proxy):
            return _NONE
        headers = dict(self._headers)
        credentials = urls.user_info(url) if self._user_info else None
        if credentials:
            headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
            headers["Authorization"] = basic(*credentials)
        options: dict[str, Any] = {"headers": headers}
        if self.proxy:
            options["proxy"] = self.proxy.url
            if self.proxy.authorization:
                carrier = options.setdefault("proxy_headers", {}) if scheme == "https" else headers
                carrier["Proxy-Authorization"] = self.proxy.authorization
        return options
