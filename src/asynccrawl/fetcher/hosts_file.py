"""The names that this machine gives addresses to itself, in /etc/hosts."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from .dns_cache import Answer

HOSTS_FILE = Path("/etc/hosts")


def read_hosts(path: Path = HOSTS_FILE) -> dict[str, Answer]:
    """The answer of each name in the file, in lower case; none when there is no file that can be read."""
    try:
        return parse_hosts(path.read_text(errors="replace"))
    except OSError:
        return {}


def parse_hosts(text: str) -> dict[str, Answer]:
    """The answer of each name in a text in the form of hosts(5). Lines that are none are passed over, as by the system.

    A name on several lines has all their addresses, IPv4 first.
    """
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if _is_address(address):
            for name in names:
                found.setdefault(name.lower().rstrip("."), []).append(address)
    return {name: Answer(_in_order(addresses)) for name, addresses in found.items()}


def _in_order(addresses: list[str]) -> tuple[str, ...]:
    return tuple(sorted(dict.fromkeys(addresses), key=lambda address: ":" in address))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
