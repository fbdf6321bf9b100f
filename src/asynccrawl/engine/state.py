"""What the parts of the engine share, and what outlives a pass."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from ..errors import FetchError
from ..frontier import Frontier
from ..quota import Quota
from ..settings import Settings
from .protocols import Decoder, Fetcher

BATCH = 64
"""Most results handed on at once: enough to spread the cost of a thread hop and a transaction over many."""


@dataclass(slots=True)
class State:
    """`given_up` holds, for each host that is left alone for the rest of the run, why. `clock`: monotonic seconds."""

    settings: Settings
    fetcher: Fetcher
    decoder: Decoder
    clock: Callable[[], float]
    rng: random.Random
    frontier: Frontier
    given_up: dict[str, FetchError] = field(default_factory=dict)
    quota: Quota | None = None
    draining: bool = False
