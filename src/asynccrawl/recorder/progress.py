"""What was recorded in a run, counted as it happens."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ..models import Outcome


@dataclass(slots=True)
class Progress:
    """What was recorded in this run. `bytes` are those of saved pictures; `recorded` only grows.

    What this run takes back of an earlier one is subtracted, so that `done` stays what it is.
    """

    recorded: int = 0
    saved: int = 0
    failed: int = 0
    skipped: int = 0
    bytes: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def done(self) -> int:
        """Records that have their outcome."""
        return self.saved + self.failed + self.skipped

    def count(self, outcome: Outcome) -> None:
        """Add one outcome, in place of the one it replaces."""
        self.recorded += 1
        self._add(outcome, 1)
        if outcome.replaces is not None:
            self._add(outcome.replaces, -1)

    def _add(self, outcome: Outcome, n: int) -> None:
        if outcome.reason is None:
            self.saved += n
            self.bytes += n * (outcome.bytes or 0)
            return
        self.reasons[outcome.reason.value] += n
        if outcome.status == "skipped":
            self.skipped += n
        else:
            self.failed += n
