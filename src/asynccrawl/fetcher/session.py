"""The aiohttp session of a fetcher: what is asked for, where it may connect, what is trusted."""

from __future__ import annotations

import asyncio
import errno
import functools
import os
import resource
import socket
import ssl
import sys
from typing import Any

import aiohttp

from ..errors import SettingsError
from ..settings import Network, Settings
from .connector import KEEPALIVE, CleanConnector
from .guard import Guard
from .phases import current
from .proxy import EVERYWHERE
from .resolver import Resolver

_BUFFER = 2**18
_PACED_BUFFER = 2**14
"""Bytes that a connection may receive before they are read; little where bytes a second are limited."""
_FOR_FILES = 64
"""Descriptors that connections leave: a sink holds up to 36, and c-ares and SQLite want a few. The system gives the
lowest free number, so that a new socket's number tells how many are in use.
"""


async def open_session(settings: Settings) -> aiohttp.ClientSession:
    """A session for these settings. Raises SettingsError when `ca_file` holds no certificates."""
    network, paced = settings.network, settings.limits.limit_rate is not None
    certificates = await asyncio.to_thread(_tls, network)
    # From here on nothing is awaited but the resolver itself: whatever ended us would leave it open.
    connector = CleanConnector(
        limit=0,  # the frontier and the engine's slots are the limits
        resolver=await Resolver.open(network.nameserver),
        use_dns_cache=False,  # the resolver keeps names itself
        ssl=certificates,
        socket_factory=functools.partial(
            _socket, Guard(network.allow_net if network.proxy is None else EVERYWHERE), paced
        ),
        keepalive_timeout=KEEPALIVE,
    )
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": network.user_agent, "Accept": "image/*,*/*;q=0.1", "Accept-Encoding": "identity"},
        auto_decompress=False,
        trust_env=False,
        read_bufsize=_PACED_BUFFER if paced else _BUFFER,
    )
    # aiohttp would repeat a request by itself when a kept connection breaks: behind the frontier's back, so that a
    # host could see more requests than its limits allow. Private, hence pinned by a test.
    session._retry_connection = False
    return session


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
