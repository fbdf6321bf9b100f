"""What happens to one hop: fetched, then retried, redirected, refused, or decoded into a Sample."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from .. import urls
from ..errors import CrawlError, FetchError, InvalidImage
from ..models import Hop, Reason, Response
from ..quota import Verdict
from ..retry import delay
from .deferred import Deferred
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
        self.active = 0

    def unwanted(self, hop: Hop) -> bool:
        """Whether the hop's label has all the pictures that are wanted; then its record has got its Failure."""
        if self._quota is None or self._quota.verdict(hop.record.label) is not Verdict.FULL:
            return False
        self._outbox.put(unwanted_of(hop, self._quota.full(hop.record.label)))
        return True

    def begins(self, hop: Hop) -> bool:
        """Whether a hop whose turn it is should be carried out. A label's quota may make it wait, or end it."""
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

    async def carry_out(self, hop: Hop) -> None:
        """Fetch one hop, and see to what follows from its answer. Its slot was taken and `active` counts it."""
        try:
            began = self._state.clock()
            answer = await self._fetch(hop)
            spent = self._state.clock() - began
            hop = replace(hop, elapsed=hop.elapsed + spent, seconds_left=hop.seconds_left - spent)
            if isinstance(answer, FetchError):
                await self._failed(hop, answer)
            elif answer.location is not None:
                await self._redirected(hop, answer.location)
            else:
                await self._decode(hop, answer)
        finally:
            self.active -= 1
            self._wake()

    def _ends(self, hop: Hop) -> None:
        """An attempt came to nothing, so its label may need another record."""
        if self._quota is not None:
            self._quota.end(hop.record.label)

    async def _fetch(self, hop: Hop) -> Response | FetchError:
        answer: Response | FetchError | None = None
        try:
            answer = await self._state.fetcher.fetch(hop, _ignored)
        except FetchError as error:
            answer = error
        except CrawlError:
            raise
        except Exception as error:
            answer = FetchError(Reason.INTERNAL, True, f"the fetcher raised {error!r:.200}")
        finally:
            self._free_host(hop, answer)
            self._free_slot(answer)
        return answer

    def _free_host(self, hop: Hop, answer: Response | FetchError | None) -> None:
        now = self._state.clock()
        if isinstance(answer, FetchError) and answer.retry_after is not None:
            if answer.retry_after <= self._settings.hosts.of(hop.host).max_hold:
                self._frontier.hold(hop.host, now + answer.retry_after, now)
            else:
                self._give_up(hop.host, answer)
        self._frontier.finish(hop.host, now)

    def _free_slot(self, answer: Response | FetchError | None) -> None:
        rest = self._settings.limits.sleep
        if rest and not (isinstance(answer, Response) and answer.location):
            asyncio.get_running_loop().call_later(rest, self._slots.release)
        else:
            self._slots.release()
        self._wake()

    def _give_up(self, host: str, error: FetchError) -> None:
        """The host wants to be left alone for longer than we wait: its records end here, for another run."""
        why = f"its host asked for {error.retry_after:.0f} s without requests; run again later"
        self._state.given_up[host] = FetchError(error.reason, True, why)
        for waiting in self._frontier.close(host):
            self.refused(waiting)

    def refused(self, hop: Hop) -> bool:
        """Whether the hop's host was given up; then the hop's record has got its Failure."""
        if not self._frontier.closed(hop.host):
            return False
        if hop.hops:
            self._ends(hop)
        begun = hop if hop.hops else replace(hop, attempt=hop.attempt - 1)
        self._outbox.put(failure_of(begun, self._state.given_up[hop.host], hop.elapsed))
        return True

    async def _failed(self, hop: Hop, error: FetchError) -> None:
        self._ends(hop)
        pause = delay(self._settings.retry, error, hop.attempt, self._state.rng)
        if pause is None or self._frontier.closed(hop.host):
            self._outbox.put(failure_of(hop, error, hop.elapsed))
        elif self._state.draining:
            not_before = None if error.retry_after is None else time.time() + error.retry_after
            await self._backlog.put_back(hop.record, error, hop.attempt, not_before)
        else:
            again = Hop.first(hop.record, self._settings.limits.timeout, hop.attempt + 1)
            self._go_on(replace(again, elapsed=hop.elapsed), pause)

    async def _redirected(self, hop: Hop, location: str) -> None:
        try:
            target = urls.join(hop.url, location)
            host = urls.parse(target).host
        except ValueError as error:
            blocked = isinstance(error, urls.BadURL) and error.scheme is not None
            reason = Reason.BLOCKED_SCHEME if blocked else Reason.BAD_REDIRECT
            await self._failed(hop, FetchError(reason, False, f"redirected to {location[:200]!r}: {error}"))
            return
        if hop.hops >= self._settings.network.max_redirects:
            text = f"more than {hop.hops} redirects, the next to {urls.parse(target).wire[:200]}"
            await self._failed(hop, FetchError(Reason.REDIRECT_LOOP, False, text))
        elif hop.seconds_left <= 0:
            await self._failed(hop, FetchError(Reason.TIMEOUT, True, "the deadline passed between redirects"))
        else:
            self._go_on(replace(hop, url=target, host=host, hops=hop.hops + 1))

    def _go_on(self, hop: Hop, pause: float = 0.0) -> None:
        """Send a record's next hop through the frontier to its host. Drained, it just stays pending."""
        now = self._state.clock()
        if not self._state.draining and not self.refused(hop):
            self._frontier.put(hop, now, now + pause)

    async def _decode(self, hop: Hop, response: Response) -> None:
        body = response.data if response.data is not None else response.path
        assert body is not None
        size = len(body) if isinstance(body, bytes) else 0
        self._outbox.reserve(size)
        try:
            facts = await self._state.decoder.examine(body, response.content_type)
        except InvalidImage as error:
            await remove_spool(response.path)
            await self._refuse(hop, response, error, size)
        except BaseException:
            await remove_spool(response.path)
            raise
        else:
            self._outbox.put(sample_of(hop, response, facts, hop.elapsed), size)

    async def _refuse(self, hop: Hop, response: Response, error: InvalidImage, size: int) -> None:
        if error.reason is Reason.CORRUPT and not response.framed:
            # Nothing but the closing connection ended this body: most likely it was cut, and may come whole next time.
            self._outbox.cancel(size)
            text = f"the connection's end was the body's only end, and the picture is not whole: {error.detail}"
            await self._failed(hop, FetchError(Reason.TRUNCATED, True, text, http_status=response.http_status))
        else:
            self._ends(hop)
            self._outbox.put(refusal_of(hop, response, error, hop.elapsed), size)


def _ignored() -> None:
    """Nobody asks yet whether a host is silent."""
