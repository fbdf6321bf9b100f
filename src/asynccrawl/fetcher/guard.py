"""Where we may connect: public addresses, and networks that were opened on purpose.

The guard sits in the connector's socket factory, which sees the final address of every connection, whether it was
written in the URL, resolved, or redirected to. A check of host names or look-ups alone would miss some of them.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

BLOCKED = 1_000_001
"""The errno of a refused address: no real one, so that it survives where several errors are folded into one."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# IANA special-purpose registries (RFC 6890 and successors) and multicast. Own table: `is_global` of the standard
# library calls multicast and the translated ranges global, and has changed between versions.
_CLOSED_V4 = """
    0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
    192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24
    203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
"""
_CLOSED_V6 = """
    ::/96 100::/64 2001::/23 2001:db8::/32 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8
"""
_CLOSED = [ipaddress.ip_network(cidr) for cidr in (_CLOSED_V4 + _CLOSED_V6).split()]
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")


class BlockedAddress(OSError):
    """A connection to an address that is neither public nor opened."""

    def __init__(self, address: Address) -> None:
        super().__init__(BLOCKED, f"{address} is no public address")


class Guard:
    """Makes sockets for allowed addresses only. `allow_net`: networks (CIDR) that are open although not public."""

    def __init__(self, allow_net: Iterable[str] = ()) -> None:
        self._open = [ipaddress.ip_network(cidr) for cidr in allow_net]

    def allows(self, address: Address) -> bool:
        """Whether a connection to `address` may be made, whichever way an IPv4 address is wrapped in it."""
        inner = _unwrapped(address)
        if any(a in network for network in self._open for a in (address, inner) if a.version == network.version):
            return True
        return not any(a in network for network in _CLOSED for a in (address, inner) if a.version == network.version)

    def socket(self, addr_info: tuple[Any, ...]) -> socket.socket:
        """A socket for an entry of `getaddrinfo`. Raises BlockedAddress."""
        family, kind, proto, _, sockaddr = addr_info
        address = ipaddress.ip_address(sockaddr[0].partition("%")[0])
        if not self.allows(address):
            raise BlockedAddress(address)
        return socket.socket(family=family, type=kind, proto=proto)


def _unwrapped(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one (mapped, NAT64, 6to4), or the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped:
        return address.ipv4_mapped
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _SIX_TO_FOUR:
        return ipaddress.IPv4Address((int(address) >> 80) & 0xFFFFFFFF)
    return address
