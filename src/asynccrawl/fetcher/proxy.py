"""Requests through a proxy: whose fault it is when nothing comes back.

All our connections lead to the proxy, which resolves the names; so of the guard only what a URL shows is left.
"""

from __future__ import annotations

import aiohttp

from ..errors import FetchError
from ..identity import Proxy, proxy_of
from ..models import Reason
from ..settings import Network
from .phases import Phase

EVERYWHERE = ("0.0.0.0/0", "::/0")
"""The networks open to the connections themselves: the proxy was named on purpose, wherever it is."""


def proxy_in(network: Network) -> Proxy | None:
    """The proxy that the settings name, if they do."""
    return None if network.proxy is None else proxy_of(network.proxy)


def through_proxy(found: FetchError, error: Exception, phase: Phase, shown: str) -> FetchError:
    """What `found`, made of `error`, means when a proxy is in between. `shown`: its host and port."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return _no_tunnel(error, shown)
    if phase.name not in ("resolving", "connecting") or found.reason is Reason.BLOCKED_ADDRESS:
        return found
    if found.reason is Reason.TLS and not isinstance(error, TimeoutError | aiohttp.ClientProxyConnectionError):
        return found  # the server's own, at the other end of the tunnel
    # From here a tunnel that is never opened and a handshake in it that is never answered look the same.
    tunnel = "no tunnel, or " if found.reason is Reason.TLS else ""
    return FetchError(Reason.CONNECT, True, f"no connection through the proxy {shown}: {tunnel}{found.detail}")


def _no_tunnel(error: aiohttp.ClientHttpProxyError, shown: str) -> FetchError:
    text = f"the proxy {shown} answered {error.status} when asked for a connection"
    if 400 <= error.status < 500:
        return FetchError(Reason.HTTP_4XX, False, text, http_status=error.status)
    return FetchError(Reason.CONNECT, True, text)
