"""Sockets that listen on several addresses under one port."""

from __future__ import annotations

import errno
import socket

BACKLOG = 1_024
_PORT_TRIES = 50


def listeners(addresses: list[str]) -> list[socket.socket]:
    """A listening socket an address, all on one port. Raises OSError when an address or a port is not free."""
    for _ in range(_PORT_TRIES):
        sockets: list[socket.socket] = []
        try:
            for address in addresses:
                port = sockets[0].getsockname()[1] if sockets else 0
                sockets.append(listener(address, port))
        except OSError as error:
            for made in sockets:
                made.close()
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return sockets
    raise OSError(errno.EADDRINUSE, f"no port is free on all of {len(addresses)} addresses")


def listener(address: str, port: int) -> socket.socket:
    """One listening IPv4 socket. Raises OSError."""
    # With the protocol named, asyncio turns Nagle's algorithm off, which would bunch what is meant to drip.
    return _bound(socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP), address, port)


def datagram_pair(address: str) -> tuple[socket.socket, socket.socket]:
    """A UDP socket and a listening TCP socket on one free port of `address`. Raises OSError."""
    for _ in range(_PORT_TRIES):
        stream = listener(address, 0)
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            return _bound(datagrams, address, stream.getsockname()[1]), stream
        except OSError as error:
            stream.close()
            if error.errno != errno.EADDRINUSE:
                raise
    raise OSError(errno.EADDRINUSE, f"no port of {address} is free for UDP and TCP")


def _bound(made: socket.socket, address: str, port: int) -> socket.socket:
    try:
        made.bind((address, port))
        if made.type == socket.SOCK_STREAM:
            made.listen(BACKLOG)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made
