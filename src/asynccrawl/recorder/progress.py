"""What was recorded in a run, counted as it happens."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ..models import Outcome


@dataclass(slots=True)
class Progress:
    """What was recorded in this run. `bytes` are those of saved pictures."""

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
        """Add one outcome."""
        if outcome.reason is None:
            self.saved += 1
            self.bytes += outcome.bytes or 0
            return
        self.reasons[outcome.reason.value] += 1
        if outcome.status == "skipped":
            self.skipped += 1
        else:
            self.failed += 1
