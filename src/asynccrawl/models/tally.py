"""Counts over a whole ledger: what a report is made from."""

from __future__ import annotations

from dataclasses import dataclass, field

from .noise import LabelNoise
from .placeholder import Placeholder


@dataclass(slots=True)
class Tally:
    """Counts over a whole ledger. The triples are (saved, failed, skipped).

    `repeated`: of each content that is saved often and nobody has judged, how often.
    """

    by_status: dict[str, int] = field(default_factory=dict)
    by_reason: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    retryable: dict[str, int] = field(default_factory=dict)
    by_host: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    other_hosts: tuple[int, int, int] = (0, 0, 0)
    hosts: int = 0
    by_label: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    label_noise: LabelNoise = field(default_factory=LabelNoise)
    placeholders: list[Placeholder] = field(default_factory=list)
    repeated: list[int] = field(default_factory=list)
