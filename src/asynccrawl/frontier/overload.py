"""Whether it is us: recognising that this machine's line or name servers cannot keep up. Pure; no clock.

Lists are full of dead hosts, so failures alone say nothing. What tells is a host that is known to be there and fell
silent: one that had answered before, or that answers after it was silent. When, over the last WINDOW seconds, that is
true of at least HOSTS hosts and of more than SHARE of all that were heard, fewer fetches are allowed in flight: half,
again and again while it lasts. Afterwards they come back in small steps.
"""

from __future__ import annotations

WINDOW = 10.0
HOSTS = 8
SHARE = 0.3
"""A third of all good hosts do not fail at the same time by chance; transient faults of 20 % are nothing unusual."""
_LEAST = 8
_STEP_SECONDS = 2.0
_CROWDED_SECONDS = 0.25


class Overload:
    """How many fetches are `allowed` in flight. `lowest` and `worst` (a share) tell the story for the report."""

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._most = concurrency  # what descriptors suffice for, as far as is known
        self._late: dict[str, bool] = {}  # host -> whether its last event was a loss; in this half of the window
        self._early: dict[str, bool] = {}  # the same for hosts that were last heard in the half before
        self._lost = 0  # in both
        self._turned = 0.0
        self._changed = float("-inf")
        self.allowed = concurrency
        self.lowest = concurrency
        self.worst = 0.0

    def __repr__(self) -> str:
        heard = len(self._late) + len(self._early)
        return f"<Overload {self.allowed} of {self._concurrency} allowed, {heard} hosts heard lately>"

    def note(self, host: str, lost: bool) -> None:
        """A good host was heard, or was `lost`: it fell silent, or answers after it had."""
        late = self._late
        if host in late:
            self._lost += lost - late[host]
        else:
            self._lost += lost - self._early.pop(host, False)
        late[host] = lost

    def review(self, now: float) -> None:
        """Lower or raise what is allowed, a step at most, in the light of the last seconds."""
        self._forget(now)
        heard = len(self._late) + len(self._early)
        share = self._lost / heard if heard else 0.0
        if self._lost >= HOSTS and share > SHARE:
            self.worst = max(self.worst, share)
            if now >= self._changed + WINDOW / 2:
                self._allow(max(min(_LEAST, self._concurrency), self.allowed // 2), now)
                self._late, self._early, self._lost = {}, {}, 0  # what follows shall speak for the new bound
        elif self.allowed < self._most and now >= self._changed + _STEP_SECONDS:
            self._allow(min(self._most, self.allowed + max(1, self._concurrency // 20)), now)

    def crowded(self, now: float) -> bool:
        """A fetch found no file descriptor: for the rest of the run three in four are allowed of what was until now.

        False: it is down to one already.
        """
        if self._most == 1:
            return False
        if now >= self._changed + _CROWDED_SECONDS:
            self._most = max(1, self.allowed * 3 // 4)
            self.allowed, self._changed = min(self.allowed, self._most), now
        return True

    def story(self) -> str | None:
        """What happened, for the report; None when nothing did."""
        crowded = (
            f"File descriptors ran out, so fetches in flight were lowered from {self._concurrency} to {self._most}. "
            f"Raise their limit (ulimit -n), or lower --jobs."
        )
        stories = [self._overloaded()] if self.lowest < self._concurrency else []
        return " ".join(stories + [crowded] * (self._most < self._concurrency)) or None

    def _overloaded(self) -> str:
        return (
            f"This machine's line or name servers could not keep up: up to {self.worst:.0%} of the hosts that answer "
            f"fell silent at once, so fetches in flight were lowered from {self._concurrency} to {self.lowest} for a "
            f"while. Lower --jobs, or try another --nameserver."
        )

    def _allow(self, n: int, now: float) -> None:
        self.allowed, self._changed = n, now
        self.lowest = min(self.lowest, n)

    def _forget(self, now: float) -> None:
        if now >= self._turned + WINDOW / 2:
            self._lost -= sum(self._early.values())
            self._late, self._early, self._turned = {}, self._late, now
