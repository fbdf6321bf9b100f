"""What the server saw: every request and connection, for a test to assert on.

A request is in flight from its arrival until the last piece of its answer is handed to the transport, or until the
connection is lost. That is never after the client has seen the answer's end, so a client that keeps to its limits
is never reported above them.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

from .http_request import HttpRequest


@dataclass(slots=True)
class Entry:
    """One request that arrived.

    `at` is when, in seconds of `time.monotonic`; `ended` when it left flight, or None. `connection` numbers the
    connections from 1. `status` is the one that was sent: None before that, for a raw answer and when none came.
    """

    request: HttpRequest
    connection: int
    at: float
    ended: float | None = None
    status: int | None = None

    @property
    def host(self) -> str:
        """The virtual host: the Host header's name without its port."""
        return self.request.host

    @property
    def path(self) -> str:
        """The request target as sent, query included."""
        return self.request.path


@dataclass(slots=True)
class _Flight:
    now: int = 0
    most: int = 0


@dataclass(frozen=True, slots=True)
class Summary:
    """An audit in numbers. `statuses` counts the statuses sent; `max_in_flight` is the most of any one host."""

    requests: int
    connections: int
    max_in_flight: int
    statuses: dict[int, int] = field(default_factory=dict)


class Audit:
    """The requests and connections of one server. Hosts are named as in `Entry.host`; None stands for all hosts.

    `connections` counts those accepted, under TLS once the handshake is done, `connections_open` those that are open
    now, `failed_handshakes` those that ended before, `bad_requests` what arrived and was no HTTP request.
    """

    def __init__(self) -> None:
        self.connections = 0
        self.connections_open = 0
        self.bad_requests = 0
        self.failed_handshakes = 0
        self._all: list[Entry] = []
        self._by_host: dict[str, list[Entry]] = {}
        self._flights: dict[str | None, _Flight] = {None: _Flight()}

    def __repr__(self) -> str:
        return (
            f"<Audit {len(self._all)} requests to {len(self._by_host)} hosts, {self.in_flight()} in flight, "
            f"{self.connections_open} of {self.connections} connections open>"
        )

    @property
    def hosts(self) -> list[str]:
        """The hosts that were asked for anything, in order of their first request."""
        return list(self._by_host)

    def requests(self, host: str | None = None, path: str | None = None) -> list[Entry]:
        """The requests to `host` for `path`, or for any, in order of arrival."""
        entries = self._all if host is None else self._by_host.get(host, [])
        return [entry for entry in entries if path is None or entry.path == path]

    def count(self, host: str | None = None, path: str | None = None) -> int:
        """How many requests came to `host` for `path`, or for any."""
        return len(self.requests(host, path))

    def starts(self, host: str | None = None) -> list[float]:
        """When each request to `host` arrived, in seconds of `time.monotonic`."""
        return [entry.at for entry in self.requests(host)]

    def gaps(self, host: str | None = None) -> list[float]:
        """Seconds between each two successive requests to `host`."""
        return [later - earlier for earlier, later in pairwise(self.starts(host))]

    def statuses(self, host: str | None = None) -> Counter[int]:
        """How often each status was sent by `host`."""
        return Counter(entry.status for entry in self.requests(host) if entry.status is not None)

    def in_flight(self, host: str | None = None) -> int:
        """Requests to `host` that are in flight now."""
        return self._flights.get(host, _Flight()).now

    def max_in_flight(self, host: str | None = None) -> int:
        """The most requests to `host` that were in flight at once; without a host, over all hosts together."""
        return self._flights.get(host, _Flight()).most

    def summary(self) -> Summary:
        """The audit in numbers."""
        busiest = max((self.max_in_flight(host) for host in self._by_host), default=0)
        return Summary(len(self._all), self.connections, busiest, dict(self.statuses()))

    def connected(self) -> int:
        """Note that a connection was accepted; returns its number. For the server."""
        self.connections += 1
        self.connections_open += 1
        return self.connections

    def arrived(self, request: HttpRequest, connection: int) -> Entry:
        """Note a request. For the server."""
        entry = Entry(request, connection, time.monotonic())
        self._all.append(entry)
        if request.host not in self._by_host:
            self._by_host[request.host] = []
            self._flights[request.host] = _Flight()
        self._by_host[request.host].append(entry)
        for flight in (self._flights[None], self._flights[request.host]):
            flight.now += 1
            flight.most = max(flight.most, flight.now)
        return entry

    def ended(self, entry: Entry) -> None:
        """Note that a request has left flight; a second time changes nothing. For the server."""
        if entry.ended is None:
            entry.ended = time.monotonic()
            for host in (None, entry.host):
                self._flights[host].now -= 1
