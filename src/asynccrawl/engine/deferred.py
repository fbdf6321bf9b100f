"""Records whose label has enough pictures in hand: they wait here until it is known whether they are needed."""

from __future__ import annotations

from collections import deque

from ..models import Hop
from ..quota import Quota, Verdict

MOST = 10_000
"""Hops that wait in memory. Further records stay pending in the backlog, for a later pass."""


class Deferred:
    """Hops by label, in the order in which they came."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._hops: dict[str, deque[Hop]] = {}
        self._size = 0

    def __repr__(self) -> str:
        return f"<Deferred {self._size} hops of {len(self._hops)} labels>"

    def put(self, hop: Hop) -> None:
        """Let a hop wait; with too many here already it is forgotten, since its row is pending."""
        label = hop.record.label
        if self._size < MOST and label is not None:
            self._hops.setdefault(label, deque()).append(hop)
            self._size += 1

    def release(self) -> list[Hop]:
        """The hops whose labels have room again, one for each place that came free, or are full: then all."""
        released: list[Hop] = []
        for label in self._quota.changed() & self._hops.keys():
            waiting, verdict = self._hops[label], self._quota.verdict(label)
            room = {Verdict.FULL: len(waiting), Verdict.GO: self._quota.room(label), Verdict.WAIT: 0}[verdict]
            released += [waiting.popleft() for _ in range(min(room, len(waiting)))]
            if not waiting:
                del self._hops[label]
        self._size -= len(released)
        return released
