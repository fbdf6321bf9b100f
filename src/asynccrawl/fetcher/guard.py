"""Where we may connect: public addresses, and networks that were opened on purpose; of the low ports 80 and 443.

Addresses are judged in the connector's socket factory, which sees the final address of every connection, whether it was
written in the URL, resolved, or redirected to. A check of host names or look-ups alone would miss some of them. What a
URL says itself is judged before every request too: its port, an address in it, a name of this machine.
"""

from __future__ import annotations

import functools
import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

BLOCKED = 1_000_001
"""The errno of a refused address: no real one, so that it survives where several errors are folded into one."""

LOW_PORTS = (80, 443)
"""The ports below 1024 that are requested. Behind the others are mail, files and logins, not pictures."""
_FIRST_FREE_PORT = 1024
_REMEMBERED = 1_000

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# IANA special-purpose registries (RFC 6890 and successors), multicast, and all IPv6 outside of 2000::/3, of which
# nothing is given out as global unicast. Own table: `is_global` of the standard library calls multicast and the
# translated ranges global, and has changed between versions.
_CLOSED_V4 = """
    0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
    192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24
    203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
"""
_CLOSED_V6 = """
    ::/3 4000::/2 8000::/1 2001::/23 2001:db8::/32 2620:4f:8000::/48 3fff::/20
"""
_CLOSED = [ipaddress.ip_network(cidr) for cidr in (_CLOSED_V4 + _CLOSED_V6).split()]
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")
_ISATAP = (0x00005EFE, 0x02005EFE)
"""Upper half of an interface identifier whose lower half is an IPv4 address to tunnel to (RFC 5214, 6.1)."""
_LOOPBACKS: tuple[Address, ...] = (ipaddress.IPv4Address("127.0.0.1"), ipaddress.IPv6Address("::1"))


class BlockedAddress(OSError):
    """A connection to an address that is neither public nor opened, or to a port that is not requested."""

    def __init__(self, why: str) -> None:
        super().__init__(BLOCKED, why)

    def __str__(self) -> str:
        return str(self.strerror)  # without the number, which means nothing to anybody


class Guard:
    """Makes sockets for allowed addresses only.

    `allow_net`: networks (CIDR) that are open although not public: exactly those addresses. An IPv4 address that is
    written as a mapped IPv6 one is the same address; one that a gateway would translate or tunnel to is not.
    """

    def __init__(self, allow_net: Iterable[str] = ()) -> None:
        self._open = [_unmapped_network(ipaddress.ip_network(cidr)) for cidr in allow_net]
        self._verdict = functools.lru_cache(_REMEMBERED)(self._judged)  # a few hosts have most of a list's URLs

    def allows(self, address: Address) -> bool:
        """Whether a connection to `address` may be made, whichever way an IPv4 address is wrapped in it."""
        address = _unmapped(address)
        if _among(address, self._open):
            return True
        inner = _translated(address)
        if inner is None:
            return not _among(address, _CLOSED)
        return not _among(inner, _CLOSED) and (address in _NAT64 or not _among(address, _CLOSED))

    def check(self, host: str, port: int) -> None:
        """Refuse what a URL shows before any look-up. `host` and `port` as in `urls.Parts`. Raises BlockedAddress."""
        if port < _FIRST_FREE_PORT and port not in LOW_PORTS:
            raise BlockedAddress(f"port {port} is not requested: of the ports below 1024 only 80 and 443 are")
        if host == "localhost" or host.endswith(".localhost"):
            if not any(map(self.allows, _LOOPBACKS)):  # RFC 6761, 6.3: whatever a name server may say
                raise BlockedAddress(f"{host} is this machine{_HINT}")
        elif host.startswith("[") or host.rpartition(".")[2].isdigit():  # as names never end (`urls.parse`)
            self._check_address(host.strip("[]"))

    def socket(self, addr_info: tuple[Any, ...]) -> socket.socket:
        """A socket for an entry of `getaddrinfo`. Raises BlockedAddress."""
        family, kind, proto, _, sockaddr = addr_info
        self._check_address(sockaddr[0])
        return socket.socket(family=family, type=kind, proto=proto)

    def _check_address(self, text: str) -> None:
        if refusal := self._verdict(text):
            raise BlockedAddress(refusal)

    def _judged(self, text: str) -> str | None:
        """Why there may be no connection to the address that is written so; None where there may."""
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            # Nothing that could be told from an address may go on to a system that might read one in it.
            return f"{text[:60]!r} is no address that could be judged"
        return None if self.allows(address) else f"{address} is no public address{_HINT}"


_HINT = "; open it with allow_net if it is yours"


def _among(address: Address, networks: Iterable[_Network]) -> bool:
    return any(address in network for network in networks if network.version == address.version)


def _unmapped(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def _unmapped_network(network: _Network) -> _Network:
    """A network of mapped addresses is the IPv4 network that it means; others are themselves."""
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        return ipaddress.IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - 96))
    return network


def _translated(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a gateway makes of an IPv6 one (NAT64, 6to4, ISATAP), if any."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    number = int(address)
    if address in _SIX_TO_FOUR:
        return ipaddress.IPv4Address((number >> 80) & 0xFFFFFFFF)
    if address in _NAT64 or (number >> 32) & 0xFFFFFFFF in _ISATAP:
        return ipaddress.IPv4Address(number & 0xFFFFFFFF)
    return None
