"""A hop that was started, and how it may end, as far as its host is concerned."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from ..models import Hop


class Signal(enum.Enum):
    """What the end of a flight says of its host.

    answered: it answered, whatever the status. busy: it answered that it has too much to do (429, 503). broken: an
    answer had begun and broke off. refused: the host is there and broke off before any answer. silent: nothing of it
    was heard (no address, no connection, no answer in time). none: the end was our own doing and says nothing.
    """

    ANSWERED = "answered"
    BUSY = "busy"
    BROKEN = "broken"
    REFUSED = "refused"
    SILENT = "silent"
    NONE = "none"


ANSWERED, BUSY, BROKEN, REFUSED, SILENT, NONE = Signal
"""Named alone for the same reason as `host.PROVEN`."""


@dataclass(slots=True, eq=False)
class Flight:
    """A hop in flight. `key`: its host key; `began`: when. `evict` is set by whoever can break it off."""

    hop: Hop
    key: str
    began: float
    evict: Callable[[], None] | None = None
