"""What is known of names, and for how long. Pure: no I/O, and the time is told."""

from __future__ import annotations

from dataclasses import dataclass

SHORTEST = 30.0
"""Seconds that an address is kept at least. A TTL of 0 allows for one transaction only (RFC 1035, 3.2.1), and a crawl's
dealings with a host are one: thousands of pictures in a row. Sites that balance load by names say 20 to 60."""
LONGEST = 3600.0
"""Seconds that an address is kept at most, so that a crawl of days follows a site that moves. RFC 8767, section 4,
would allow for days; an hour costs one question a host."""
NEGATIVE = 300.0
"""Seconds that a name without addresses is left alone. RFC 2308, section 5, leaves it to the zone, up to three hours,
which c-ares does not tell; this is less than most zones say."""
NAMES = 100_000
"""Names that are kept: some 50 MB. Beyond it the one that was asked for longest ago goes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a look-up came to: addresses, IPv4 first, or what stood in the way.

    ttl: seconds that the name server allows for keeping the addresses. failure: in words, empty when there are
    addresses. permanent: the name has no address, and asking again will not help.
    """

    addresses: tuple[str, ...] = ()
    ttl: float = 0.0
    failure: str = ""
    permanent: bool = False


class DnsCache:
    """Keeps addresses for their TTL, within SHORTEST and LONGEST, and the lack of any for NEGATIVE seconds.

    Failures that may pass are not kept: the name server keeps them itself (RFC 9520, 3.2), and those who ask together
    share one look-up. `names`: how many are kept.
    """

    def __init__(self, names: int = NAMES) -> None:
        self._names = names
        self._kept: dict[str, tuple[Answer, float]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, name: str, now: float) -> Answer | None:
        """What is known of `name` at the time `now` (seconds of any clock), or None."""
        answer, until = self._kept.get(name, (None, 0.0))
        if answer is not None and now >= until:
            del self._kept[name]
            return None
        return answer

    def put(self, name: str, answer: Answer, now: float) -> None:
        """Keep an answer that came at the time `now`."""
        if answer.failure and not answer.permanent:
            return
        self._kept.pop(name, None)  # so that it goes to the end, and what is first is oldest
        if len(self._kept) >= self._names:
            del self._kept[next(iter(self._kept))]
        seconds = NEGATIVE if answer.failure else min(max(answer.ttl, SHORTEST), LONGEST)
        self._kept[name] = answer, now + seconds
