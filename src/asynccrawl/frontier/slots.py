"""Who may have the next slot: proven hosts first, the unknown and the doubtful within bounds. Pure; no clock.

While a proven host is ready, unknown hosts hold at most one slot in SHARE; a few more while so few hosts are proven
that each would have many flights at once; and ever more as the proven run out of work. Good hosts must be found
steadily, before they are needed, since a burst of trials would fill the slots with silent ones. Doubtful hosts, and the
second and further hops of unknown ones, hold one slot in PROBES. When no proven host is ready, the unknown may have all
slots, but while the list is still being read only by and by: good hosts may be further down. The doubtful get what
nobody else wants.

What stays silent for longer than can be expected of its host is broken off as soon as it keeps a better one from a
slot, but for the few slots that the doubtful may hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .evictions import MOST, Evictions
from .flight import Flight
from .host import DOUBTFUL, PATIENCE, PROVEN, UNKNOWN, Host, Trust
from .quiet import Quiet
from .stalls import Stalls

SHARE = 20
PROBES = 50
AHEAD = 3
"""For how many rounds of all slots proven hosts should have work; the less there is, the more others are tried."""
_HASTE = 8
_ABREAST = 4
"""With fewer proven hosts ready than slots, one unknown host more is tried for so many that are lacking: work that is
spread over many hosts is gentle to each of them, and uses their connections again (half as many are opened).
"""
_RAMP_SECONDS = 2.0
_RAMP_FIRST = 8
_LEAST_PATIENCE = 0.05
"""Seconds. Less cannot be told from a loop that is busy; a host that was broken off too early costs a request."""
_SETTLED = 4
"""One slot in so many is always left to flights that are not evicted any more, for as long as they take."""
_FEW_HEARD, _ENOUGH_HEARD = 4, 20
"""Hosts that tell how long others may take: roughly, and well."""
_MANY_OWED = 10
"""Answers of proven hosts without which a moment of silence may be an accident, or one host's."""
_IDLE_HOSTS = 20_000
"""Idle hosts of which the trust is remembered: the latest so many at least, a few megabytes."""


class Slots:
    """The flights of all hosts."""

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._flying = [0, 0, 0]  # flights by the trust in their hosts
        self._awaited = [0, 0, 0]  # of those, which were not heard yet
        self._unheard: dict[Flight, float] = {}  # in the order of their starts; how long it had been quiet by then
        self._idle: dict[str, tuple[Trust, float]] = {}  # what to expect of a host, and what is left of its retries
        self._long_idle: dict[str, tuple[Trust, float]] = {}  # who became idle before them
        self._evictions = Evictions()
        self.stalls = Stalls(self._evictions)
        self._settled: set[Flight] = set()  # those that are not evicted any more, while they are silent
        self._began: float | None = None
        self._quiet = Quiet()
        self._first_heard = 0
        self._spread = 0.0  # its mean deviation
        self._usual = 0.0  # seconds until a host is heard for the first time, on average
        self.waiting = [0, 0, 0]  # hops in memory that have not started, likewise
        self.share = max(1, concurrency // SHARE)
        self.probes = max(1, concurrency // PROBES)
        self.in_flight = 0
        self.ramping: float | None = None  # when it pays to ask again, since unknown hosts were held back

    def remember(self, host: Host) -> None:
        """The host is idle, and its state is dropped; what to expect of it is kept, or the next record of a good host
        would have to wait among the unknown, and each pause of the list would allow a bad one more retries.
        """
        if host.trust is not UNKNOWN:
            self._idle[host.name] = host.trust, host.health.budget
            if len(self._idle) >= _IDLE_HOSTS:
                self._idle, self._long_idle = {}, self._idle

    def recall(self, host: Host) -> None:
        """The host is back."""
        self._evictions.recall(host)
        known = self._known(host.name)
        if known is not None:
            host.trust, host.health.budget = known
            host.proven = host.trust is PROVEN

    def spend(self, name: str) -> bool:
        """Whether a retry is within what is left to an idle host, which then has one less; a host of which nothing is
        known may have it.
        """
        known = self._known(name)
        if known is None:
            return True
        trust, budget = known
        allowed = budget >= 1.0
        self._idle[name] = trust, budget - 1.0 if allowed else budget
        return allowed

    def _known(self, name: str) -> tuple[Trust, float] | None:
        """What is remembered of an idle host, taken out."""
        known = self._idle.pop(name, None)
        return self._long_idle.pop(name, None) if known is None else known

    def start(self, flight: Flight, host: Host) -> None:
        """A flight begins."""
        if self._began is None:
            self._began = flight.began
        self._unheard[flight] = self._quiet.seconds(flight.began, self._gap)
        if host.evicted >= MOST:
            self._settled.add(flight)
        self._flying[host.trust] += 1
        self._awaited[host.trust] += 1
        host.unheard += 1
        self.in_flight += 1
        host.in_flight += 1

    def heard(self, flight: Flight, host: Host) -> bool:
        """A flight's answer has begun, or the flight has ended; returns whether it was unheard until now."""
        if self._unheard.pop(flight, None) is None:
            return False
        self._awaited[host.trust] -= 1
        host.unheard -= 1
        return True

    def answered(self, now: float) -> None:
        """Somebody was heard."""
        self._quiet.heard(now, self._gap)

    def _gap(self) -> float:
        """Seconds between two answers, as many as proven hosts owe; few tell nothing."""
        owed = self._awaited[PROVEN]
        return self._usual / owed if owed >= _MANY_OWED else float("inf")

    def end(self, flight: Flight, host: Host) -> None:
        """A flight has ended."""
        if self._settled:
            self._settled.discard(flight)
        self._flying[host.trust] -= 1
        self.in_flight -= 1
        host.in_flight -= 1

    def trust(self, host: Host, trust: Trust, silence: float = 0.0) -> None:
        """What to expect of a host has changed; `silence`: after how many seconds it was heard."""
        if trust is PROVEN and not host.proven:
            self._first_heard += 1
            gain, error = max(0.05, 1.0 / self._first_heard), silence - self._usual
            self._usual += gain * error
            self._spread += gain * (abs(error) - self._spread)
            host.proven = True
        self._flying[host.trust] -= host.in_flight
        self._flying[trust] += host.in_flight
        self._awaited[host.trust] -= host.unheard
        self._awaited[trust] += host.unheard
        waiting = host.known - host.in_flight
        self.waiting[host.trust] -= waiting
        self.waiting[trust] += waiting
        host.trust = trust

    def whose_turn(self, ready: Sequence[int], more_to_come: bool, now: float) -> Trust | None:
        """Which kind of host may start next; `ready` counts the hosts of each kind that could."""
        proven, unknown, doubtful = ready
        _, flying_unknown, flying_doubtful = self._flying
        unheard = flying_unknown + flying_doubtful
        self.ramping = None
        if proven:
            if not unknown and not doubtful:
                return PROVEN
            room = self._room_beside(proven)
            if unknown and flying_unknown < room:
                return UNKNOWN
            if doubtful and flying_doubtful < self.probes and unheard < room + self.probes:
                return DOUBTFUL
            return PROVEN
        if (unknown or doubtful) and more_to_come and unheard >= self._room(now):
            self.ramping = now + _RAMP_SECONDS / self._concurrency
            return None
        if unknown:
            return UNKNOWN
        return DOUBTFUL if doubtful and len(self._settled) < self._room_to_settle(more_to_come) else None

    def _room_to_settle(self, more_to_come: bool) -> int:
        """How many slots may be held by what cannot be broken off: proven hosts that must wait for a moment (a gap, a
        rate, a hold) find slots when their turn comes, and so do those that are further down in the list.
        """
        work = self.waiting[PROVEN] + self._flying[PROVEN]
        wanted = max(work, self._concurrency // _SETTLED if more_to_come else 0)
        return max(1, self._concurrency // _SETTLED, self._concurrency - wanted)

    def _room_beside(self, proven: int) -> int:
        """How many flights unknown hosts may have while so many proven ones are ready: with plenty of work for those, a
        tenth of all slots at most goes to the unknown and the doubtful.
        """
        lack = AHEAD * self._concurrency - self.waiting[PROVEN]
        if lack <= 0 and proven >= self._concurrency:
            return self.share
        abreast = min(self.share - self.probes, (self._concurrency - proven) // _ABREAST)
        return self.share + max(0, lack // _HASTE, abreast)

    @property
    def plenty(self) -> bool:
        """Whether proven hosts have work for all slots AHEAD times."""
        return self.waiting[PROVEN] >= AHEAD * self._concurrency

    def silent(self, hosts: Mapping[str, Host], now: float) -> list[Flight]:
        """The flights that were not heard for longer than can be expected of their hosts, oldest first."""
        found = []
        first = self._patience()
        least = min(first, PATIENCE)
        quiet = self._quiet.seconds(now, self._gap)
        for flight, before in self._unheard.items():
            silence = now - flight.began
            if silence < least:
                break
            if flight in self._settled:
                continue
            patience = self._patience_with(hosts[flight.key], first)
            if silence - (quiet - before) >= patience or silence >= max(PATIENCE, patience):
                found.append(flight)
        return found

    def evict(self, hosts: Mapping[str, Host], flights: Iterable[Flight], now: float) -> None:
        """These flights are broken off."""
        self._evictions.note(hosts, flights, now)

    def _patience_with(self, host: Host, first: float) -> float:
        times = host.evicted
        if host.proven:
            return host.patience * 2.0**times
        return min(PATIENCE, first * 2.0**times) if times else first

    def _patience(self) -> float:
        """Seconds for a host that was never heard. Every dead host of a list costs a slot so long.

        What others took, and four times its mean deviation, as TCP waits for an acknowledgement (RFC 6298), or half as
        much again where all take the same; no longer than PATIENCE, unless others take longer than that, too. While few
        others are known three times what they took, as there at first.
        """
        if self._first_heard < _FEW_HEARD:
            return PATIENCE
        if self._first_heard < _ENOUGH_HEARD:
            return min(PATIENCE, max(4.0 * _LEAST_PATIENCE, 3.0 * self._usual))
        expected = max(_LEAST_PATIENCE, self._usual + max(4.0 * self._spread, 0.5 * self._usual))
        return min(expected, max(PATIENCE, 3.0 * self._usual))

    def _room(self, now: float) -> int:
        ramp = 0.0 if self._began is None else (now - self._began) / _RAMP_SECONDS
        return self._concurrency if ramp >= 1.0 else self.share + _RAMP_FIRST + int(ramp * self._concurrency)
