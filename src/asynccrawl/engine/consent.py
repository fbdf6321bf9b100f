"""robots.txt at work: before the first hop to an origin its robots.txt is fetched, and its host waits for it.

The robots hop takes the flight of the hop that needs it, which is parked. It is a hop like any other: under its
host's limits, tried again, redirected (also to other hosts) through the frontier. Its answer opens the gate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .. import urls
from ..errors import FetchError, SettingsError
from ..frontier import Flight
from ..models import Hop, Purpose, Reason, Response
from ..retry import delay
from ..robots import MAX_REDIRECTS, Robots, Verdict
from .state import State

_MOST_CAUSES = 10_000
_FORBIDDEN = FetchError(Reason.ROBOTS, False, "the site's robots.txt forbids it")
_UNREACHABLE = FetchError(Reason.ROBOTS, True, "the site's robots.txt could not be fetched, which forbids everything")


class Consent:
    """Asks robots.txt for every hop of a pass. `go_on` sends a hop to the frontier."""

    def __init__(self, state: State, robots: Robots, go_on: Callable[[Hop], None]) -> None:
        self._state = state
        self._robots = robots
        self._go_on = go_on
        self._parked: dict[str, list[Hop]] = {}
        self._causes: dict[str, FetchError] = {}

    def refusal(self, flight: Flight) -> FetchError | None:
        """Why the flight's hop may not be made; None if it may, or if it is parked (see `waits`)."""
        verdict = self._verdict(flight.hop)
        if verdict is Verdict.UNREACHABLE:
            return self._causes.get(self._robots.origin_of(flight.hop.url), _UNREACHABLE)
        if verdict is Verdict.FORBIDDEN:
            return _FORBIDDEN
        return self._too_rarely(flight) if verdict is Verdict.ALLOWED else None

    def _too_rarely(self, flight: Flight) -> FetchError | None:
        """The end of records whose site wants requests further apart than we wait: no crawl would come to its end."""
        gap = None if flight.hop.purpose is Purpose.ROBOTS else self._gap(flight.hop.url)
        if gap is None or gap <= self._state.settings.hosts.of(flight.key).max_hold:
            return None
        return FetchError(Reason.ROBOTS, True, f"the site's robots.txt asks for {gap:.0f} s between two requests")

    def _gap(self, url: str) -> float | None:
        try:
            return self._robots.crawl_delay(url)
        except urls.BadURL:
            return None

    def waits(self, flight: Flight) -> bool:
        """Whether the flight's hop was parked without a hop in its place.

        Where its origin was not asked yet, the flight now carries the robots hop.
        """
        hop = flight.hop
        if self._verdict(hop) is not Verdict.UNKNOWN:
            return False
        origin = self._robots.origin_of(hop.url)
        self._state.frontier.gate(flight.key, self._state.clock())
        asked = origin in self._parked
        self._parked.setdefault(origin, []).append(hop)
        if not asked:
            first = Hop.first(hop.record, self._state.settings.limits.timeout)
            url = self._robots.robots_url(hop.url)
            flight.hop = replace(first, url=url, host=hop.host, purpose=Purpose.ROBOTS, gates=origin)
        return asked

    def answered(self, hop: Hop, answer: Response | FetchError | None) -> None:
        """A robots hop has ended; None: it was evicted, or brought what cannot be believed."""
        if answer is None:
            self._go_on(hop)
        elif isinstance(answer, FetchError):
            self._failed(hop, answer)
        elif answer.location is not None:
            self._redirected(hop, answer.location)
        else:
            self._learn(hop, answer.data, answer.http_status)

    def give_up(self, hop: Hop) -> list[Hop]:
        """The host of a robots hop was given up: the hops that waited for it."""
        assert hop.gates
        return self._parked.pop(hop.gates, [])

    def _verdict(self, hop: Hop) -> Verdict:
        if hop.purpose is Purpose.ROBOTS:
            return Verdict.ALLOWED
        try:
            return self._robots.verdict(hop.url, self._state.clock())
        except urls.BadURL:
            return Verdict.ALLOWED  # the fetcher will say what is wrong with it

    def _failed(self, hop: Hop, error: FetchError) -> None:
        pause = delay(self._state.settings.retry, error, hop.attempt, self._state.rng)
        if error.http_status is not None and 200 < error.http_status < 300 and not error.retryable:
            self._learn(hop, b"", error.http_status)  # no content
        elif pause is None or self._state.frontier.closed(hop.host):
            self._explain(hop, error)
            self._learn(hop, None, error.http_status)
        else:
            seconds = self._state.settings.limits.timeout
            again = replace(hop, attempt=hop.attempt + 1, seconds_left=seconds)
            now = self._state.clock()
            self._state.frontier.put(again, now, now + pause)

    def _explain(self, hop: Hop, error: FetchError) -> None:
        """Where nobody answers, that is what the records end with: the site has not said no.

        Another host, to which its robots.txt was redirected, says nothing about the site itself.
        """
        if error.http_status is None and hop.gates:
            if hop.hops:
                text = f"its robots.txt was redirected and could not be fetched: {error.detail}"
                cause = FetchError(Reason.ROBOTS, True, text)
            else:
                text = f"its robots.txt could not be fetched: {error.detail}"
                # Pictures may come from where a robots.txt makes no sense, so their fate is open.
                cause = FetchError(error.reason, error.retryable or error.reason is Reason.PROTOCOL, text)
            self._causes[hop.gates] = cause
            if len(self._causes) > _MOST_CAUSES:
                del self._causes[next(iter(self._causes))]

    def _redirected(self, hop: Hop, location: str) -> None:
        if hop.hops >= MAX_REDIRECTS:
            self._learn(hop, None, 404)
            return
        try:
            target = urls.join(hop.url, location)
            host = self._state.settings.hosts.key_of(urls.parse(target).host)
        except SettingsError:
            raise
        except ValueError:
            self._learn(hop, None, 404)
            return
        self._go_on(replace(hop, url=target, host=host, hops=hop.hops + 1))

    def _learn(self, hop: Hop, body: bytes | None, status: int | None) -> None:
        assert hop.gates
        now = self._state.clock()
        self._robots.learn(hop.gates, body, status, now)
        waiting = self._parked.pop(hop.gates, [])
        for key in {parked.host for parked in waiting}:
            gap = self._robots.crawl_delay(hop.gates + "/")
            if gap and gap <= self._state.settings.hosts.of(key).max_hold:
                self._state.frontier.slow_down(key, gap, now)
            self._state.frontier.ungate(key, now)
        for parked in reversed(waiting):
            self._go_on(parked)
