"""What the end of a fetch means for its host: signals to the frontier, holds, hosts given up."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

from ..errors import FetchError
from ..frontier import Flight, Signal
from ..models import Hop, Reason, Response
from .protocols import Backlog
from .signals import signal_of
from .state import State


class Hosts:
    """Tells the frontier how flights end. `refuse` gives a hop of a host that was given up its end."""

    def __init__(self, state: State, backlog: Backlog, refuse: Callable[[Hop, FetchError], None]) -> None:
        self._state = state
        self._frontier = state.frontier
        self._backlog = backlog
        self._refuse = refuse

    def finish(self, flight: Flight, answer: Response | FetchError | None, heard: bool) -> None:
        """A flight has ended; None: it was broken off."""
        now = self._state.clock()
        asked = (answer.retry_after if answer else None) or None  # a wait that is over asks for nothing
        too_long = asked is not None and asked > self._state.settings.hosts.of(flight.key).max_hold
        signal = signal_of(answer, heard)
        if signal is Signal.ANSWERED and flight.key in self._state.revived:
            self._state.revived[flight.key] = True
        down = self._frontier.finish(flight, now, signal, None if too_long else asked)
        if asked is not None and too_long:
            self._give_up(flight.key, left_alone(asked, answer))
        elif down and isinstance(answer, FetchError) and not self._frontier.closed(flight.key):
            self._is_down(flight.key, answer)

    async def remember(self, key: str, answer: Response | FetchError | None) -> None:
        """Put a hold that a server asked for on record, so that it survives a restart.

        Rounded up to the next second, so that the many answers of a busy moment cost one entry.
        """
        if answer and answer.retry_after:
            until = math.ceil(time.time() + answer.retry_after)
            if until > self._state.held.get(key, 0.0):
                self._state.held[key] = until
                await self._backlog.hold(key, until)

    def refused(self, hop: Hop) -> bool:
        """Whether the hop's host was given up; then the hop's record has got its end, or waits for a later pass."""
        error = self._state.given_up.get(hop.host)
        if error is None:
            return False
        self._refuse(hop, error)
        return True

    def _is_down(self, key: str, error: FetchError) -> None:
        self._state.down.add(key)
        self._state.chances += 1
        last = f"{error.reason.value}: {error.detail}"
        if error.http_status is None:
            given = FetchError(Reason.HOST_DOWN, True, f"the host does not answer, also when tried again; last {last}")
        else:
            given = FetchError(error.reason, True, f"the host says nothing but that it is busy; last {last}")
        self._give_up(key, given)

    def _give_up(self, key: str, error: FetchError) -> None:
        self._state.given_up[key] = error
        for waiting in self._frontier.close(key):
            self._refuse(waiting, error)


def left_alone(seconds: float, answer: Response | FetchError | None = None) -> FetchError:
    """The end of records whose host wants to be left alone for longer than we wait. `answer`: the one that said so."""
    reason = answer.reason if isinstance(answer, FetchError) and answer.retryable else Reason.HTTP_429
    return FetchError(reason, True, f"its host asked for {seconds:.0f} s without requests; run again later")


def not_begun(hop: Hop) -> Hop:
    """The hop with its attempt not counted, unless a redirect shows that it had begun."""
    return hop if hop.hops else replace(hop, attempt=hop.attempt - 1)
