"""What the values of settings must be. Each check raises ValueError with the name and what is wrong."""

from __future__ import annotations

import ipaddress
from typing import Any

from .urls import BadURL, parse

ENDLESS = 2**62
"""Numbers from here on are refused: no crawl would end, and the ledger's 64 bits could not hold them."""


def at_least(group: object, least: float, *names: str) -> None:
    """Numbers, `least` or more."""
    for name in names:
        value = getattr(group, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < ENDLESS:
            raise ValueError(f"{name} is {value!r:.40}; it must be a number of at least {least}, and below 2^62")


def whole(group: object, least: int, *names: str) -> None:
    """Whole numbers, `least` or more."""
    for name in names:
        if not isinstance(getattr(group, name), int):
            raise ValueError(f"{name} is {getattr(group, name)!r:.40}; it must be a whole number")
    at_least(group, least, *names)


def one_of(group: object, name: str, choices: tuple[str, ...]) -> None:
    """One of `choices`."""
    if getattr(group, name) not in choices:
        raise ValueError(f"{name} is {getattr(group, name)!r}; it must be one of {', '.join(choices)}")


def networks(cidrs: Any) -> None:
    """Networks in CIDR form, as `allow_net` has them."""
    if isinstance(cidrs, str):
        raise ValueError(f"allow_net is the text {cidrs!r:.60}; it must be a tuple of texts")
    for cidr in cidrs:
        _network(cidr)


def _network(cidr: str) -> None:
    if not isinstance(cidr, str):
        raise ValueError(f"allow_net names {cidr!r:.60}; it must be a text in CIDR form (127.0.0.0/8)")
    try:
        if "%" in cidr:
            raise ValueError("a zone is no part of a network")
        whole = ipaddress.ip_network(cidr, strict=False)
        alone = ipaddress.ip_network(cidr.partition("/")[0])
        if alone.network_address != whole.network_address:
            raise ValueError(f"write {whole} for the whole network, or {alone} for that address alone")
    except ValueError as error:
        raise ValueError(
            f"allow_net names {cidr!r}, which is no network in CIDR form (127.0.0.0/8): {error}"
        ) from error


def host_of(name: str) -> str | None:
    """The host of which `name` is the name, as URLs have it; None for what is none."""
    try:
        return parse(f"http://{name}/").host
    except BadURL:
        return None


def name_servers(servers: Any) -> None:
    """Name servers, as `nameserver` has them."""
    if isinstance(servers, str):
        raise ValueError(f"nameserver is the text {servers!r:.60}; it must be a tuple of texts")
    for server in servers:
        text = server if isinstance(server, str) else ""
        ported = text.count(":") == 1 or text.startswith("[")
        address, _, port = text.rpartition(":") if ported else (text, "", "53")
        bracketed = address.startswith("[") and address.endswith("]")
        try:
            version = ipaddress.ip_address(address[1:-1] if bracketed else address).version
            good = (
                not (ported and "%" in text)  # c-ares has no form for both
                and port.isascii()
                and port.isdigit()
                and 0 < int(port[:6]) < 65_536
                and bracketed == (ported and version == 6)
            )
        except ValueError:
            good = False
        if not good:
            raise ValueError(f"nameserver names {server!r:.60}; it must be an address, IP:PORT or [IPv6]:PORT")
