"""Crawls that ask the kit's name server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from unittest.mock import patch

from asynccrawl.fetcher import http
from asynccrawl.settings import Network
from asynccrawl.testing import DnsServer


@contextmanager
def asking(dns: DnsServer, network: Network) -> Iterator[Network]:
    """The network settings with which names are asked of `dns`; to be used inside."""
    theirs = getattr(http, "AsyncResolver", None)
    if theirs is None:
        yield replace(network, nameserver=(dns.nameserver,))
        return
    # As long as the setting is not obeyed.
    with patch.object(http, "AsyncResolver", partial(theirs, nameservers=[dns.nameserver])):
        yield network
