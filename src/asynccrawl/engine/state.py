"""What the parts of the engine share, and what outlives a pass."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from ..errors import FetchError
from ..frontier import Frontier
from ..models import Record
from ..pacing import Pace
from ..quota import Quota
from ..robots import Robots
from ..settings import Settings
from .attention import Attention
from .protocols import Decoder, Fetcher

_MOST_PASSES = 6
"""Passes after which hosts that come and go are given up: some chances more than those that are just dead have."""


@dataclass(slots=True)
class State:
    """`clock` gives monotonic seconds.

    `given_up` holds, for each host that is left alone, why: for the rest of the run, or, if it is in `down`, until the
    next pass. `revived`: whether a host that got another chance has answered since. `chances` counts the records that
    this pass has left for their second chance.
    """

    settings: Settings
    fetcher: Fetcher
    decoder: Decoder
    clock: Callable[[], float]
    rng: random.Random
    frontier: Frontier
    given_up: dict[str, FetchError] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    revived: dict[str, bool] = field(default_factory=dict)
    held: dict[str, float] = field(default_factory=dict)
    quota: Quota | None = None
    pace: Pace | None = None
    robots: Robots | None = None
    passes: int = 0
    chances: int = 0
    draining: bool = False
    attention: Attention = field(init=False)

    def __post_init__(self) -> None:
        self.attention = Attention(self.clock)

    @property
    def second_chances(self) -> bool:
        """Whether records that failed for a cause that passes are tried again when everything else is done."""
        return self.settings.retry.second_chance and self.settings.retry.retries > 0

    def has_had_its_chances(self, key: str) -> bool:
        """Whether a host that is down now is given up for this run. One that has answered since its last chance is not:
        it comes and goes.
        """
        if not self.second_chances or self.passes >= _MOST_PASSES:
            return True
        return self.passes > 1 and not self.revived.get(key, False)

    def has_chance(self, record: Record) -> bool:
        """Whether a record that fails now gets a second chance."""
        return self.second_chances and not record.tried

    def begin_pass(self) -> None:
        """Hosts that were down get another chance."""
        self.passes += 1
        self.chances = 0
        self.revived = dict.fromkeys(self.down, False)
        for key in self.down:
            self.frontier.reopen(key)
            self.given_up.pop(key, None)
        self.down.clear()
