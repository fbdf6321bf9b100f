"""What the name server says to a question, and what it saw: one DnsAnswer each, and the audit."""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Literal, get_args

from .dns_transport import Transport
from .dns_wire import RCODES, encode_name

DnsLie = Literal["silence", "wrong_id", "wrong_name", "garbage"]
"""What may come in place of an answer.

Nothing; a right answer under another message's id; the answer to another name's question; bytes that are no DNS.
"""

_MAX_TTL = 2**31 - 1  # RFC 2181, section 8


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """One answer of the name server.

    addresses: IPv4 and IPv6 addresses; a question of type A gets the former, AAAA the latter, any other none. No
    address and no cname make an empty answer (NODATA). cname: the name that this one is an alias of; its own script
    is followed in the same response, up to 16 names or until a name comes again. rcode: NOERROR (default), FORMERR,
    SERVFAIL, NXDOMAIN, NOTIMP or REFUSED. ttl: seconds that the answer may be kept (default 0, so that the next
    look-up asks again). delay: seconds before it is sent. truncated: over UDP only the TC bit is sent, and over TCP
    the whole. lie: what comes in place of it.

    Raises ValueError for a value out of range.
    """

    addresses: Sequence[str] = ()
    _: KW_ONLY
    cname: str | None = None
    rcode: str = "NOERROR"
    ttl: int = 0
    delay: float = 0.0
    truncated: bool = False
    lie: DnsLie | None = None

    def __post_init__(self) -> None:
        if isinstance(self.addresses, str):
            raise ValueError(f"addresses is a text; write ({self.addresses!r},)")
        for address in self.addresses:
            ipaddress.ip_address(address)
        if self.cname is not None:
            encode_name(self.cname)
        if self.rcode not in RCODES:
            raise ValueError(f"rcode is {self.rcode!r}; it must be one of {', '.join(RCODES)}")
        if not 0 <= self.ttl <= _MAX_TTL or not 0 <= self.delay < math.inf:
            raise ValueError(f"ttl {self.ttl} or delay {self.delay} is no number of seconds")
        if self.lie is not None and self.lie not in get_args(DnsLie):
            raise ValueError(f"lie is {self.lie!r}; it must be one of {', '.join(get_args(DnsLie))}")


def dns_answer(short: DnsAnswer | str) -> DnsAnswer:
    """An answer from its short form: an address, or the name of a response code. Raises ValueError."""
    if isinstance(short, DnsAnswer):
        return short
    return DnsAnswer(rcode=short) if short in RCODES else DnsAnswer((short,))


@dataclass(slots=True)
class DnsQuery:
    """One question that arrived. `type` is `A`, `AAAA`, ... or `TYPE65`; `at` when, in seconds of `time.monotonic`;
    `ended` when it left flight, or None.
    """

    name: str
    type: str
    transport: Transport
    at: float
    ended: float | None = None


class DnsAudit:
    """The questions to one name server.

    A question is in flight from its arrival until its answer is sent, or for no time at all when it gets none. A
    client that repeats itself is counted every time. `queries` has all of them in order, `bad_queries` counts what
    was no question.
    """

    def __init__(self) -> None:
        self.queries: list[DnsQuery] = []
        self.bad_queries = 0
        self.in_flight = 0
        self.max_in_flight = 0

    def __repr__(self) -> str:
        return f"<DnsAudit {len(self.queries)} queries, {self.in_flight} in flight, at most {self.max_in_flight}>"

    def count(self, name: str | None = None, type: str | None = None) -> int:
        """How many questions came for `name` (lower case, no last dot) of that type, or for any."""
        return sum(name in (None, query.name) and type in (None, query.type) for query in self.queries)

    def arrived(self, name: str, type: str, transport: Transport) -> DnsQuery:
        """Note a question. For the server."""
        query = DnsQuery(name, type, transport, time.monotonic())
        self.queries.append(query)
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        return query

    def ended(self, query: DnsQuery) -> None:
        """Note that a question has left flight; a second time changes nothing. For the server."""
        if query.ended is None:
            query.ended = time.monotonic()
            self.in_flight -= 1
