"""What the address guard refuses, against the registries and against Python's own idea of them. No connections here."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asynccrawl.fetcher.guard import BLOCKED, Address, BlockedAddress, Guard
from asynccrawl.fetcher.translate import translate
from asynccrawl.models import Reason
from asynccrawl.settings import Network
from asynccrawl.urls import parse

REGISTERED = """
    0.0.0.0/8 0.0.0.0/32 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.0.0/29
    192.0.0.8/32 192.0.0.9/32 192.0.0.10/32 192.0.0.170/32 192.0.0.171/32 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24
    192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4
    255.255.255.255/32 ::1/128 ::/128 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001::/32 2001:1::1/128
    2001:1::2/128 2001:1::3/128 2001:2::/48 2001:3::/32 2001:4:112::/48 2001:10::/28 2001:20::/28 2001:30::/28
    2001:db8::/32 2620:4f:8000::/48 3fff::/20 5f00::/16 fc00::/7 fe80::/10
"""
"""The IANA registries of special-purpose addresses, without the prefixes that hold an IPv4 address."""
SPECIAL = [ip_network(cidr) for cidr in REGISTERED.split()]

_v4 = st.one_of(
    st.integers(0, 2**32 - 1).map(IPv4Address),
    st.sampled_from([n for n in SPECIAL if isinstance(n, IPv4Network)]).flatmap(lambda n: st.ip_addresses(network=n)),
    st.sampled_from(["8.8.8.8", "1.1.1.1", "192.167.255.255", "128.0.0.0", "126.255.255.255"]).map(IPv4Address),
)
_v6 = st.one_of(
    st.integers(0, 2**128 - 1).map(IPv6Address),
    st.integers(0, 2**125 - 1).map(lambda n: IPv6Address((1 << 125) + n)),
    st.sampled_from([n for n in SPECIAL if isinstance(n, IPv6Network)]).flatmap(lambda n: st.ip_addresses(network=n)),
    _v4.map(lambda a: IPv6Address(f"::ffff:{a}")),
    _v4.map(lambda a: IPv6Address(f"::{a}")),
    _v4.map(lambda a: IPv6Address(f"::ffff:0:{a}")),
    _v4.map(lambda a: IPv6Address(f"64:ff9b::{a}")),
    _v4.map(lambda a: IPv6Address(f"64:ff9b:1::{a}")),
    _v4.map(lambda a: IPv6Address(f"2606:4700::5efe:{a}")),
    _v4.map(lambda a: IPv6Address(f"2606:4700::200:5efe:{a}")),
    st.tuples(_v4, st.binary(min_size=10, max_size=10)).map(lambda t: IPv6Address(b"\x20\x02" + t[0].packed + t[1])),
)
_addresses = st.one_of(_v4, _v6)


def is_public(address: Address) -> bool:
    """The same question put another way: by the flags of the standard library and the whole registries."""
    if isinstance(address, IPv6Address):
        packed = address.packed
        if packed[:12] in (bytes(10) + b"\xff\xff", bytes.fromhex("0064ff9b") + bytes(8)):
            return is_public(IPv4Address(packed[12:]))
        if packed[8:12].hex() in ("00005efe", "02005efe") and not is_public(IPv4Address(packed[12:])):
            return False
        if packed[:2] == b"\x20\x02":
            return is_public(IPv4Address(packed[2:6]))
        if packed[0] >> 5 != 1 or address.is_site_local or address.teredo:
            return False
    flags = address.is_private, address.is_multicast, address.is_reserved, address.is_link_local
    if any(flags) or address.is_loopback or address.is_unspecified or not address.is_global:
        return False
    return not any(address in network for network in SPECIAL if network.version == address.version)


@given(_addresses)
@example(ip_address("64:ff9b:1::808:808"))
@example(ip_address("2002:808:808::"))
@example(ip_address("::ffff:0:8.8.8.8"))
def test_what_is_not_public_is_refused_and_nothing_else(address: Address):
    assert Guard().allows(address) == is_public(address)


def same(address: Address) -> Address:
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


@given(_addresses, _addresses, st.integers(0, 128), st.integers(-2, 2))
def test_an_opened_network_opens_its_addresses_and_nothing_else(near: Address, far: Address, bits: int, step: int):
    size = min(bits, near.max_prefixlen)
    network = ip_network((near, size), strict=False)
    guard = Guard([str(network)])
    if isinstance(network, IPv6Network) and size >= 96 and network.network_address.ipv4_mapped:
        network = ip_network((network.network_address.ipv4_mapped, size - 96))
    beside = (
        type(near)((int(network.broadcast_address) + step) % 2**network.max_prefixlen) if same(near) is near else far
    )
    for address in (near, far, beside):
        meant = same(address)
        within = meant.version == network.version and meant in network
        assert guard.allows(address) == (within or is_public(address)), (address, network)


@pytest.mark.parametrize("opened", ["127.0.0.5/32", "127.0.0.5", "::ffff:127.0.0.5/128", "::ffff:7f00:5"])
def test_one_address_is_one_address_in_both_spellings(opened: str):
    guard = Guard([opened])
    assert guard.allows(ip_address("127.0.0.5")) and guard.allows(ip_address("::ffff:127.0.0.5"))
    for other in ("127.0.0.4", "::ffff:127.0.0.6", "::127.0.0.5", "64:ff9b::7f00:5", "2002:7f00:5::", "::1"):
        assert not guard.allows(ip_address(other)), other


def test_ipv6_as_a_whole_does_not_open_ipv4():
    assert not Guard(["::/0"]).allows(ip_address("::ffff:127.0.0.1"))
    assert Guard(["::/0"]).allows(ip_address("64:ff9b::7f00:1"))


@pytest.mark.parametrize("allow_net", [(), ("0.0.0.0/0", "::/0")], ids=["closed", "open"])
def test_of_the_low_ports_only_two_are_requested(allow_net: tuple[str, ...]):
    guard = Guard(allow_net)
    for host in ("cats.example", "8.8.8.8", "[2606:4700::1111]"):
        for port in (80, 443, *range(1024, 65_536, 97)):
            guard.check(host, port)
        for port in {*range(1, 1024)} - {80, 443}:
            with pytest.raises(BlockedAddress, match=f"^port {port} is not requested"):
                guard.check(host, port)


@pytest.mark.parametrize("host", ["127.1", "0x7f.1", "localhost.", "A.LOCALHOST", "[::1]", "[fe80::1%25eth0]", "[::]"])
def test_what_a_url_shows_is_refused_before_any_look_up(host: str):
    parts = parse(f"http://{host}/")
    with pytest.raises(BlockedAddress, match="open it with allow_net") as caught:
        Guard().check(parts.host, parts.port)
    error = translate(caught.value)
    assert (error.reason, error.retryable, error.detail) == (Reason.BLOCKED_ADDRESS, False, str(caught.value))
    Guard(["0.0.0.0/0", "::/0"]).check(parts.host, parts.port)


def test_names_are_left_to_the_resolver():
    for host in ("cats.example", "localhost.example", "notlocalhost", "127.example", "2.pool", "node7", "img.node7"):
        Guard().check(host, 80)
    for opened in ("127.0.0.1/32", "::1/128"):
        Guard([opened]).check("localhost", 80)
    with pytest.raises(BlockedAddress):
        Guard(["127.0.0.2/32"]).check("localhost", 80)


@pytest.mark.parametrize("text", ["127.1", "2130706433", "localhost", "cats.example", "", "0177.0.0.1", "::1%lo%lo/8"])
def test_no_socket_is_made_for_what_cannot_be_judged(text: str):
    with pytest.raises(BlockedAddress) as caught:
        Guard().socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", (text, 80)))
    assert caught.value.errno == BLOCKED


@pytest.mark.parametrize(
    ("allow_net", "why"),
    [
        (("10.0.0.1/8",), "write 10.0.0.0/8 for the whole network, or 10.0.0.1/32 for that address alone"),
        (("127.0.0.1/255.0.0.0",), "write 127.0.0.0/8 "),
        (("fd00:7::5/64",), "write fd00:7::/64 for the whole network, or fd00:7::5/128"),
        (("127.0.0.0/8", "127.0.0.0/33"), "'127.0.0.0/33', which is no network in CIDR form"),
        (("localhost",), "'localhost', which is no network"),
        (("127.1/8",), "'127.1/8', which is no network"),
        (("",), "'', which is no network"),
        ((2130706433,), "2130706433; it must be a text"),
        (("fe80::%eth0/10",), "which is no network"),
        ("127.0.0.0/8", "must be a tuple"),
    ],
)
def test_networks_that_are_none_are_told_with_what_to_write(allow_net: Any, why: str):
    with pytest.raises(ValueError) as caught:
        Network(allow_net=allow_net)
    assert "allow_net" in str(caught.value) and why in str(caught.value)


@pytest.mark.parametrize("cidr", ["127.0.0.0/8", "127.0.0.5", "127.0.0.5/32", "::1", "fd00::/8", "0.0.0.0/0", "::/0"])
def test_networks_that_are_some(cidr: str):
    assert Network(allow_net=(cidr,)).allow_net == (cidr,)
