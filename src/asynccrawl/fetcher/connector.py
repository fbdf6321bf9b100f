"""New connections: aiohttp makes them, resolves names, speaks TLS and asks proxies for tunnels. The pool keeps them."""

from __future__ import annotations

import asyncio
import errno
import functools
import math
import os
import resource
import socket
import ssl
import sys
from typing import Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from .. import urls
from ..errors import SettingsError
from ..settings import Network, Settings
from .guard import Guard
from .phases import current
from .proxy import EVERYWHERE, proxy_in
from .request import own_headers
from .resolver import Resolver
from .wire import Wire

_BUFFER = 2**18
_PACED_BUFFER = 2**14
"""Bytes that a connection may receive before they are read; little where bytes a second are limited."""
_FOR_FILES = 64
"""Descriptors that connections leave: a sink holds up to 36, and c-ares and SQLite want a few. The system gives the
lowest free number, so that a new socket's number tells how many are in use.
"""


class Connector(aiohttp.TCPConnector):
    """A TCPConnector of suspicious connections, which also notes how far each hop has come.

    Make one with `await Connector.open(...)`, and close it.
    """

    def __init__(self, settings: Settings, resolver: Resolver, certificates: ssl.SSLContext | bool) -> None:
        network, paced = settings.network, settings.limits.limit_rate is not None
        guard = Guard(network.allow_net if network.proxy is None else EVERYWHERE)
        super().__init__(
            limit=0,  # the frontier and the engine's slots are the limits
            resolver=resolver,
            use_dns_cache=False,  # the resolver keeps names itself
            ssl=certificates,
            socket_factory=functools.partial(_socket, guard, paced),
        )
        self._factory: Any = functools.partial(Wire, self._loop, _PACED_BUFFER if paced else _BUFFER)
        self._proxy = proxy_in(network)
        self._headers = own_headers(network)
        # aiohttp would round what is above the threshold up to whole seconds.
        connect = settings.limits.connect_timeout
        self._time_limits = aiohttp.ClientTimeout(total=None, connect=connect, ceil_threshold=math.inf)

    @classmethod
    async def open(cls, settings: Settings) -> Connector:
        """A connector for these settings. Raises SettingsError when `ca_file` holds no certificates."""
        certificates = await asyncio.to_thread(_tls, settings.network)
        # From here on nothing is awaited but the resolver itself: whatever ended us would leave it open.
        return cls(settings, await Resolver.open(settings.network.nameserver), certificates)

    async def wire(self, parts: urls.Parts) -> Wire:
        """A new connection to the origin of a URL, or to its proxy. Raises what aiohttp raises."""
        # The query is told as a part of the path: yarl would drop the mark of an empty one.
        url = URL.build(scheme=parts.scheme, authority=parts.authority, path=parts.target, encoded=True)
        request = aiohttp.ClientRequest("GET", url, loop=self._loop, **self._way(parts.scheme))
        try:
            connection = await self.connect(request, [], self._time_limits)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError from error
        wire = connection.protocol
        assert isinstance(wire, Wire)
        wire.connection = connection
        return wire

    async def close_all(self) -> None:
        """Close all connections, and the resolver, which aiohttp leaves to those who passed it in."""
        await self.close()
        await self._resolver.close()

    def _way(self, scheme: str) -> dict[str, Any]:
        """The proxy, as aiohttp wants it told. The headers are for the wish for a tunnel, which only https has."""
        if self._proxy is None:
            return {}
        headers = CIMultiDict(self._headers)
        if scheme == "https" and self._proxy.authorization:
            headers["Proxy-Authorization"] = self._proxy.authorization
        return {"proxy": URL(self._proxy.url), "proxy_headers": headers}

    async def _resolve_host(self, host: str, port: int, traces: Any = None) -> Any:
        phase = current.get()
        if phase:
            phase.name = "resolving"
        hosts = await super()._resolve_host(host, port, traces)
        if phase:
            phase.name = "connecting"
        return hosts


def _socket(guard: Guard, paced: bool, addr_info: tuple[Any, ...]) -> socket.socket:
    made = guard.socket(addr_info)
    if made.fileno() >= _for_connections(resource.getrlimit(resource.RLIMIT_NOFILE)[0]):
        made.close()
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    if paced:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * _PACED_BUFFER)
    if phase := current.get():
        phase.socket = made
    return made


def _for_connections(limit: int) -> int:
    """How many of all descriptors connections may take: those that are left are for files, the ledger and names."""
    return limit - min(_FOR_FILES, limit // 2) if limit >= 0 else sys.maxsize


def _tls(network: Network) -> ssl.SSLContext | bool:
    """What certificates are checked against: True is the system's own store."""
    if network.insecure:
        return False
    if not network.ca_file:
        return True
    try:
        return ssl.create_default_context(cafile=network.ca_file)
    except OSError as error:  # ssl.SSLError is one too
        raise SettingsError(f"ca_file {network.ca_file}: no certificates could be read: {error}") from error
