"""How much a host can bear, and whether it is there at all: learned from how its flights end. Pure; no clock.

In flight: additive increase, multiplicative decrease, as TCP does (Chiu and Jain, "Analysis of the Increase and
Decrease Algorithms for Congestion Avoidance", 1989): an answer adds 1/limit, so a full round of answers adds one; a
busy, broken or missing answer halves. One halving a round: a flight that began before the last one tells nothing new.
Rounds of busy answers are counted in the same way.

The circuit (Nygard, "Release It!", 2007): after `breaker` flights in a row without any answer the host rests, then
one probe at a time, each after a longer rest, decides. An answer closes the circuit; after `probes` vain ones the host
counts as down. A host that answers, but for a whole run of flights only that it is busy, is taken for down too.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..settings import HostLimits
from .flight import ANSWERED, BUSY, NONE, REFUSED, SILENT, Signal

_EPSILON = 1e-6
_BUDGET_AT_FIRST = 10.0
_BUDGET_AT_MOST = 100.0
"""Retries that a host may cost before and beyond what its records earn (after Finagle's RetryBudget)."""


@dataclass(slots=True, eq=False, init=False)
class Health:
    """The health of one host."""

    limits: HostLimits
    limit: float
    allowed: int  # how many flights the host can bear at once
    retries_each: float
    troubled: float  # when a round of trouble began; what started before belongs to it
    missing: int  # flights in a row without an answer
    busy: int  # rounds in a row of nothing but busy answers
    vain: int  # probes in a row without an answer
    opened: float | None  # since when the circuit is open
    budget: float

    def __init__(self, limits: HostLimits, retries_each: float = 1.0) -> None:
        self.recover(limits, retries_each)

    def recover(self, limits: HostLimits, retries_each: float) -> None:
        """Forget everything; a record of the host allows for `retries_each` retries."""
        self.limits = limits
        self.limit = float(limits.per_host)
        self.allowed = limits.per_host
        self.retries_each = retries_each
        self.troubled = float("-inf")
        self.missing = self.busy = self.vain = 0
        self.opened = None
        self.budget = _BUDGET_AT_FIRST

    @property
    def down(self) -> bool:
        """Whether the host has had all its chances."""
        most = self.limits.breaker + self.limits.probes
        return self.vain >= self.limits.probes or self.busy >= most

    def note(self, signal: Signal, began: float, now: float) -> int:
        """Learn from the end of a flight that `began` then; returns how many times over the host must rest, or 0."""
        if signal is NONE:
            return 0
        if signal is ANSWERED:
            self._answered()
            return 0
        rests = self._troubled(signal, began, now)
        self.allowed = 1 if self.opened is not None else int(self.limit + _EPSILON)
        return rests

    def earn(self) -> None:
        """A fresh record of the host begins: it may cost so many retries more."""
        if self.budget < _BUDGET_AT_MOST:
            self.budget = min(_BUDGET_AT_MOST, self.budget + self.retries_each)

    def spend(self) -> bool:
        """Whether a retry is within the budget, which it then uses."""
        if self.budget < 1.0:
            return False
        self.budget -= 1.0
        return True

    def _troubled(self, signal: Signal, began: float, now: float) -> int:
        fresh = began >= self.troubled
        self.troubled = max(self.troubled, now) if fresh else self.troubled
        if fresh:
            self._halve()
        if signal in (SILENT, REFUSED):
            return self._missed(began, now)
        self.missing = self.vain = 0
        self.opened = None
        if signal is not BUSY:
            self.busy = 0
        elif fresh:
            self.busy += 1
        return self.busy

    def _answered(self) -> None:
        self.missing = self.vain = self.busy = 0
        if self.opened is not None:
            self.limit, self.opened = 1.0, None
        elif self.limit >= self.limits.per_host:
            return
        if self.limits.adaptive:
            self.limit = min(float(self.limits.per_host), self.limit + 1.0 / int(self.limit + _EPSILON))
        else:
            self.limit = float(self.limits.per_host)
        self.allowed = int(self.limit + _EPSILON)

    def _halve(self) -> None:
        if self.limits.adaptive:
            self.limit = max(1.0, self.limit / 2.0)

    def _missed(self, began: float, now: float) -> int:
        self.missing += 1
        if self.opened is None:
            if self.missing < self.limits.breaker:
                return 0
            self.opened = now
            return 1
        if began < self.opened:
            return 0  # it was in flight when the circuit opened, and is no probe
        self.vain += 1
        return 1 + self.vain
