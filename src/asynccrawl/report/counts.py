"""The counts of a report, without the ways to show them."""

# No `from __future__ import annotations`: a subclass in another module inherits the fields, and whoever reads the
# signature of its constructor could not resolve their names there.

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ..models import LabelNoise, Placeholder


class Count(NamedTuple):
    """Records of a host or label that have their outcome."""

    saved: int
    failed: int
    skipped: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.saved + self.failed + self.skipped


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Counts over the whole ledger; `bytes` (of pictures saved) and `seconds` are of this run.

    `total` counts all records, those that still wait (`pending`) included. `by_reason` counts failed and skipped
    records by reason, `retryable` those of them that another run may save, `examples` has a URL of each. `by_host`
    has the 100 hosts with the most records, `other_hosts` the rest together. `label_noise`: pictures that stand
    under several labels. `placeholders`: contents that came in place of pictures; `repeated`: of each content
    that was saved often and is not told for one, how often. `notes`: what else is to be known of this run.
    `str(report)` is what the command prints.
    """

    total: int = 0
    saved: int = 0
    failed: int = 0
    skipped: int = 0
    pending: int = 0
    by_reason: Mapping[str, int] = field(default_factory=dict)
    retryable: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, str] = field(default_factory=dict)
    by_host: Mapping[str, Count] = field(default_factory=dict)
    other_hosts: Count = field(default_factory=lambda: Count(0, 0, 0))
    hosts: int = 0
    by_label: Mapping[str, Count] = field(default_factory=dict)
    label_noise: LabelNoise = field(default_factory=LabelNoise)
    bytes: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    placeholders: tuple[Placeholder, ...] = ()
    repeated: tuple[int, ...] = ()

    @property
    def yield_(self) -> float | None:
        """Share of saved among saved and failed, from 0 to 1; None when there are neither."""
        tried = self.saved + self.failed
        return self.saved / tried if tried else None
