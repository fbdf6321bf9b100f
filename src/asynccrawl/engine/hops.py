"""What happens to one hop: fetched, then retried, redirected, refused, or decoded into a Sample."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from .. import urls
from ..errors import FetchError, InvalidImage, SettingsError, Undecodable
from ..expectation import check_expected
from ..frontier import Flight
from ..imaging import Facts
from ..models import Hop, Purpose, Reason, Response
from ..quota import Verdict
from ..retry import delay
from .consent import Consent
from .deferred import Deferred
from .fetching import Fetching
from .hosts import Hosts, left_alone, not_begun
from .outbox import Outbox
from .protocols import Backlog
from .results import failure_of, refusal_of, remove_spool, sample_of, unwanted_of
from .state import State


class Hops:
    """Carries hops out for a pass. `wake` tells the dispatcher that something has changed."""

    def __init__(
        self, state: State, backlog: Backlog, outbox: Outbox, slots: asyncio.BoundedSemaphore, wake: Callable[[], None]
    ) -> None:
        self._state = state
        self._settings = state.settings
        self._frontier = state.frontier
        self._backlog = backlog
        self._outbox = outbox
        self._slots = slots
        self._wake = wake
        self._quota = state.quota
        self._deferred = Deferred(state.quota) if state.quota else None
        self._consent = Consent(state, state.robots, self._go_on) if state.robots else None
        self.hosts = Hosts(state, backlog, self._refused)
        self.active = 0

    def unwanted(self, hop: Hop) -> bool:
        """Whether the hop's label has all the pictures that are wanted; then its record has got its Failure."""
        if self._quota is None or self._quota.verdict(hop.record.label) is not Verdict.FULL:
            return False
        self._outbox.put(unwanted_of(hop, self._quota.full(hop.record.label)))
        return True

    def begins(self, flight: Flight) -> bool:
        """Whether a hop whose turn it is should be carried out. robots.txt or a label's quota may make it wait, or end
        it.
        """
        hop = flight.hop
        if hop.purpose is Purpose.ROBOTS:
            return True
        if self._consent:
            if error := self._consent.refusal(flight):
                self._refused(hop, error)
                return False
            if self._consent.waits(flight):
                return False
            if flight.hop is not hop:
                return True  # its place was taken by a robots hop
        return self._within_quota(hop)

    def _within_quota(self, hop: Hop) -> bool:
        if self._quota is None or hop.hops:
            return True
        if self.unwanted(hop):
            return False
        if self._quota.verdict(hop.record.label) is Verdict.WAIT:
            if self._deferred:
                self._deferred.put(hop)
            return False
        self._quota.begin(hop.record.label)
        return True

    def let_in(self) -> None:
        """Send hops that waited for their label to the frontier again, where it has room or has become full."""
        for hop in self._deferred.release() if self._deferred else ():
            self._go_on(hop)

    async def carry_out(self, flight: Flight) -> None:
        """Fetch one hop, and see to what follows from its answer. Its slot was taken and `active` counts it."""
        hop = flight.hop
        try:
            began = self._state.clock()
            answer = await self._fetch(flight)
            spent = self._state.clock() - began
            if hop.purpose is Purpose.ROBOTS:
                await self._on_robots(flight, answer)
                return
            if answer is None:
                self._evicted(replace(hop, elapsed=hop.elapsed + spent))
                return
            hop = hop.after(spent)
            await self.hosts.remember(flight.key, answer)
            if isinstance(answer, Response) and answer.location is None:
                await self._decode(hop, answer)
            elif not await self._believable(answer):
                await self._mistaken(hop, answer)
            elif isinstance(answer, Response):
                await self._redirected(hop, answer.location or "", answer.retry_after or 0.0)
            else:
                await self._failed(hop, answer)
        finally:
            self.active -= 1
            self._wake()

    async def _on_robots(self, flight: Flight, answer: Response | FetchError | None) -> None:
        assert self._consent
        await self.hosts.remember(flight.key, answer)
        if answer and not await self._believable(answer):
            answer = None
        if not self._state.draining:
            self._consent.answered(flight.hop, answer)

    def _ends(self, hop: Hop) -> None:
        """An attempt came to nothing, so its label may need another record."""
        if self._quota is not None:
            self._quota.end(hop.record.label)

    async def _fetch(self, flight: Flight) -> Response | FetchError | None:
        """The answer, or None when the flight was evicted."""
        answer: Response | FetchError | None = None
        fetching = Fetching(self._state, flight)
        try:
            answer = await fetching.answer()
        finally:
            self.hosts.finish(flight, answer, fetching.heard)
            self._free_slot(answer)
        return answer

    def _free_slot(self, answer: Response | FetchError | None) -> None:
        if self._state.pace:
            self._state.pace.end()
        rest = self._settings.limits.sleep
        if rest and answer is not None and not (isinstance(answer, Response) and answer.location):
            asyncio.get_running_loop().call_later(rest, self._slots.release)
        else:
            self._slots.release()
        self._wake()

    def _evicted(self, hop: Hop) -> None:
        """A silent hop has given its slot to better work: it is tried again, and counts as not tried, when that is
        done.
        """
        if not hop.hops:
            self._ends(hop)
        self._go_on(hop, doubtful=True)

    async def _believable(self, answer: Response | FetchError) -> bool:
        """Whether it is the answer to its own request. What waits until that is known counts as a result."""
        if answer.doubt is None:
            return True
        self._outbox.reserve(0)
        try:
            return await answer.doubt.resolved()
        finally:
            self._outbox.cancel(0)

    async def _mistaken(self, hop: Hop, answer: Response | FetchError) -> None:
        """The answer may be one to another request. Its host gets no connection twice now, so the next is sure."""
        if isinstance(answer, Response):
            await remove_spool(answer.path)
        self._ends(hop)
        self._go_on(replace(Hop.first(hop.record, self._settings.limits.timeout, hop.attempt), elapsed=hop.elapsed))

    def _refused(self, hop: Hop, error: FetchError) -> None:
        """The end of a hop whose host was given up. If the host is to get a second chance, the row just waits."""
        if hop.purpose is Purpose.ROBOTS:
            for waiting in self._consent.give_up(hop) if self._consent else ():
                self._refused(waiting, error)
            return
        if hop.hops:
            self._ends(hop)
        if hop.host not in self._state.down or self._state.has_had_its_chances(hop.host):
            self._outbox.put(failure_of(not_begun(hop), error, hop.elapsed))

    async def _failed(self, hop: Hop, error: FetchError) -> None:
        self._ends(hop)
        pause = delay(self._settings.retry, error, hop.attempt, self._state.rng)
        if self._state.draining and pause is not None:
            not_before = None if error.retry_after is None else time.time() + error.retry_after
            await self._backlog.put_back(hop.record, error, hop.record.tried + hop.attempt, not_before)
        elif self._again(hop, error, pause):
            again = Hop.first(hop.record, self._settings.limits.timeout, hop.attempt + 1)
            silent = error.reason in (Reason.DNS, Reason.CONNECT, Reason.TIMEOUT)
            self._go_on(replace(again, elapsed=hop.elapsed), pause or 0.0, doubtful=silent)
        elif self._may_wait(hop, error):
            self._state.chances += 1
            await self._backlog.put_back(hop.record, error, hop.record.tried + hop.attempt, None)
        else:
            self._outbox.put(failure_of(hop, error, hop.elapsed))

    def _again(self, hop: Hop, error: FetchError, pause: float | None) -> bool:
        """Whether the record is tried again now: its tries and its host's budget allow it, and so does the host."""
        return pause is not None and not self._frontier.closed(hop.host) and self._frontier.may_retry(hop.record.host)

    def _may_wait(self, hop: Hop, error: FetchError) -> bool:
        """Whether the record gets a second chance; not where its host wants to be left alone for the whole run."""
        left_alone = self._frontier.closed(hop.host) and hop.host not in self._state.down
        return error.retryable and not left_alone and self._state.has_chance(hop.record)

    async def _redirected(self, hop: Hop, location: str, pause: float) -> None:
        """The next hop, not before `pause` seconds have passed."""
        try:
            target = urls.carried(hop.url, urls.join(hop.url, location))
            host = self._settings.hosts.key_of(urls.parse(target).host)
        except SettingsError:
            raise
        except ValueError as error:
            blocked = isinstance(error, urls.BadURL) and error.scheme is not None
            reason = Reason.BLOCKED_SCHEME if blocked else Reason.BAD_REDIRECT
            await self._failed(
                hop, FetchError(reason, False, f"redirected to {urls.redacted(location)[:200]!r}: {error}")
            )
            return
        if hop.hops >= self._settings.network.max_redirects:
            text = f"more than {hop.hops} redirects, the next to {urls.parse(target).wire[:200]}"
            await self._failed(hop, FetchError(Reason.REDIRECT_LOOP, False, text))
        elif hop.seconds_left <= 0:
            await self._failed(hop, FetchError(Reason.TIMEOUT, True, "the deadline passed between redirects"))
        elif pause > self._settings.hosts.of(hop.host).max_hold:
            await self._failed(hop, left_alone(pause))
        else:
            self._go_on(replace(hop, url=target, host=host, hops=hop.hops + 1), pause)

    def _go_on(self, hop: Hop, pause: float = 0.0, *, doubtful: bool = False) -> None:
        """Send a record's next hop through the frontier to its host. Drained, it just stays pending."""
        now = self._state.clock()
        if not self._state.draining and not self.hosts.refused(hop):
            self._frontier.put(hop, now, now + pause, doubtful=doubtful)

    async def _decode(self, hop: Hop, response: Response) -> None:
        """Decode a picture while it is not yet certain whether it is the answer to its own request."""
        body = response.data if response.data is not None else response.path
        assert body is not None
        size = len(body) if isinstance(body, bytes) else 0
        self._outbox.reserve(size)
        try:
            found = await self._examined(hop, response, body)
            sure = response.doubt is None or await response.doubt.resolved()
        except BaseException:
            await remove_spool(response.path)
            raise
        if not sure:
            self._outbox.cancel(size)
            await self._mistaken(hop, response)
        elif isinstance(found, InvalidImage):
            await remove_spool(response.path)
            await self._refuse(hop, response, found, size)
        else:
            self._outbox.put(sample_of(hop, response, found, hop.elapsed), size)

    async def _examined(self, hop: Hop, response: Response, body: bytes | Path) -> Facts | InvalidImage:
        try:
            facts = await self._state.decoder.examine(body, response.content_type, not response.framed)
            await check_expected(hop.record.request, body, facts.served_sha256)
        except InvalidImage as error:
            return error
        if facts.data is not None:
            await remove_spool(response.path)
        return facts

    async def _refuse(self, hop: Hop, response: Response, error: InvalidImage, size: int) -> None:
        if error.reason is Reason.CORRUPT and not response.framed and not isinstance(error, Undecodable):
            # Nothing but the closing connection ended this body: most likely it was cut, and may come whole next time.
            self._outbox.cancel(size)
            text = f"the connection's end was the body's only end, and the picture is not whole: {error.detail}"
            await self._failed(hop, FetchError(Reason.TRUNCATED, True, text, http_status=response.http_status))
        else:
            self._ends(hop)
            self._outbox.put(refusal_of(hop, response, error, hop.elapsed), size)
