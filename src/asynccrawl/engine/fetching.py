"""One fetch, from the engine's side: it can be broken off, and it tells when its host was heard."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from ..errors import CrawlError, FetchError, OutOfDescriptors
from ..frontier import Flight
from ..models import Reason, Response
from .state import State

_NO_DESCRIPTOR_SECONDS = 0.1
"""How long a slot rests that found no file descriptor: others may end meanwhile, and free theirs."""
_CLOSING_SECONDS = 0.005
"""How long a slot rests whose connection was closed in the middle: by then its server has seen that, and does not count
the request any more when the next one comes.
"""


class Fetching:
    """Carries a flight to its answer, in the task that makes it. `heard`: whether an answer has begun."""

    def __init__(self, state: State, flight: Flight) -> None:
        self._state = state
        self._flight = flight
        self._task = asyncio.current_task()
        self._evicted = False
        self.heard = False
        flight.evict = self._evict

    async def answer(self) -> Response | FetchError | None:
        """What the fetcher brought, or None when the flight was evicted, or failed while nobody listened: then it
        shall not count. Raises what ends the crawl.
        """
        try:
            answer = await self._fetch()
            if answer is None:
                await asyncio.sleep(_CLOSING_SECONDS)
            return answer
        except OutOfDescriptors as error:
            fewer = self._state.frontier.overload.crowded(self._state.clock())
            await asyncio.sleep(_NO_DESCRIPTOR_SECONDS)
            return None if fewer else error
        except FetchError as error:
            if error.reason is Reason.TIMEOUT:
                await asyncio.sleep(_CLOSING_SECONDS)
            return None if _may_be_ours(error) and self._state.attention.was_away_since(self._flight.began) else error
        except CrawlError:
            raise
        except Exception as error:
            return FetchError(Reason.INTERNAL, True, f"the fetcher raised {error!r:.200}")

    async def _fetch(self) -> Response | None:
        # Eviction is a cancellation that ends here. A timeout that is moved to now would do, and costs every fetch.
        try:
            return await self._state.fetcher.fetch(self._flight.hop, self._hear)
        except asyncio.CancelledError:
            if self._evicted and self._task and self._task.cancelling() == 1:
                return None
            raise  # somebody else has cancelled the task, too
        finally:
            self._flight.evict = None
            if self._evicted and self._task:
                self._task.uncancel()

    def _hear(self) -> None:
        self.heard = True
        self._state.frontier.heard(self._flight, self._state.clock())

    def _evict(self) -> None:
        if self._task and not self._evicted:
            self._evicted = True
            self._task.cancel()


def _may_be_ours(error: FetchError) -> bool:
    """Whether somebody who did not listen may have caused it. A server that has answered 429, or 500, means it, and its
    Retry-After holds; 408 is its word for a request that came too slowly.
    """
    answered = error.http_status is not None and error.http_status >= HTTPStatus.BAD_REQUEST
    return error.retryable and (not answered or error.http_status == HTTPStatus.REQUEST_TIMEOUT)
