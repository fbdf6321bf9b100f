"""Slow lines: latency before every answer, and a number of bytes a second."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

SLICE_SECONDS = 0.02
"""How long the bytes take that are sent at once on a paced line; also by how much a late sender may catch up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """How slow the way to a host is.

    latency: seconds before each answer, on top of its own `delay` (default 0). It comes once a request, not with the
    TCP or TLS handshake, and answers to pipelined requests wait one after another. connection_rate, host_rate: bytes
    a second (default None: no limit) on one connection, and on all connections of one virtual host together, which
    take turns. What counts are the bytes of status line, headers and body, not those of TCP or TLS; requests and
    connecting are not slowed.

    In any span of t seconds no more than rate x (t + 0.02) bytes are handed to the kernel, in slices of about 20 ms.
    An event loop that is busy elsewhere for longer than that makes it slower than asked, never faster.

    Raises ValueError for a latency below 0 or a rate that is not above 0.
    """

    latency: float = 0.0
    connection_rate: float | None = None
    host_rate: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.latency < math.inf:
            raise ValueError(f"latency is {self.latency}; it must be a number of seconds from 0 on")
        for rate in self.rates:
            if not 0 < rate < math.inf:
                raise ValueError(f"a rate is {rate}; it must be a number of bytes a second above 0, or None")

    @property
    def rates(self) -> list[float]:
        """The limits that are set, in bytes a second."""
        return [rate for rate in (self.connection_rate, self.host_rate) if rate is not None]


class Meter:
    """Knows until when a line is taken by what was sent."""

    def __init__(self) -> None:
        self._free = 0.0

    def reserve(self, size: int, rate: float | None, now: float) -> float:
        """Take the line for `size` bytes after all that was reserved before; returns until when (monotonic seconds)."""
        if rate is None:
            return now
        # A sleep ends late rather than early; without catching up, every slice would add its lateness.
        self._free = max(self._free, now - SLICE_SECONDS) + size / rate
        return self._free


class Line:
    """A Link in use by one host: what the connections to it share."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self._shared = Meter()

    @property
    def fast(self) -> bool:
        """Whether nothing is slowed."""
        return not (self.link.latency or self.link.rates)

    def slices(self, data: bytes) -> Iterator[bytes]:
        """`data` in the portions that are sent at once."""
        rates = self.link.rates
        size = max(1, int(min(rates) * SLICE_SECONDS)) if rates else max(1, len(data))
        for start in range(0, len(data), size):
            yield data[start : start + size]

    def wait(self, size: int, own: Meter) -> float:
        """Seconds until `size` bytes may be sent on the connection whose meter is `own`."""
        now = time.monotonic()
        link = self.link
        due = max(self._shared.reserve(size, link.host_rate, now), own.reserve(size, link.connection_rate, now))
        return max(0.0, due - now)
