"""What a crawl came to, over the whole ledger: counts by reason, host and label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..models import Status, Tally
from ..urls import redacted
from .counts import Count, Counts
from .text import text_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Counts):
    """Counts over the whole ledger; `bytes` (of pictures saved) and `seconds` are of this run.

    `str(report)` is what the command prints; the fields are those of Counts.
    """

    @classmethod
    def of(cls, tally: Tally, *, bytes: int = 0, seconds: float = 0.0, notes: Sequence[str] = ()) -> Report:
        """The report of a ledger's tally, and of what this run has done."""
        status = tally.by_status
        return cls(
            total=sum(status.values()),
            saved=status.get(Status.SAVED, 0),
            failed=status.get(Status.FAILED, 0),
            skipped=status.get(Status.SKIPPED, 0),
            pending=status.get(Status.PENDING, 0),
            by_reason=tally.by_reason,
            retryable=tally.retryable,
            examples={reason: redacted(url) for reason, url in tally.examples.items()},
            by_host={host: Count(*counts) for host, counts in tally.by_host.items()},
            other_hosts=Count(*tally.other_hosts),
            hosts=tally.hosts,
            by_label={label: Count(*counts) for label, counts in tally.by_label.items()},
            label_noise=tally.label_noise,
            bytes=bytes,
            seconds=seconds,
            notes=tuple(notes),
            placeholders=tuple(tally.placeholders),
            repeated=tuple(tally.repeated),
        )

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON has it."""
        return {
            "total": self.total,
            "saved": self.saved,
            "failed": self.failed,
            "skipped": self.skipped,
            "pending": self.pending,
            "yield": self.yield_,
            "bytes": self.bytes,
            "seconds": round(self.seconds, 3),
            "by_reason": dict(self.by_reason),
            "retryable": dict(self.retryable),
            "examples": dict(self.examples),
            "by_host": {host: count._asdict() for host, count in self.by_host.items()},
            "other_hosts": self.other_hosts._asdict(),
            "hosts": self.hosts,
            "notes": list(self.notes),
            "placeholders": [asdict(one) | {"url": redacted(one.url)} for one in self.placeholders],
            "repeated": list(self.repeated),
            "by_label": {label: count._asdict() for label, count in self.by_label.items()},
            "label_noise": {
                "pictures": self.label_noise.pictures,
                "records": self.label_noise.records,
                "pairs": [pair._asdict() for pair in self.label_noise.pairs],
                "examples": [shared._asdict() for shared in self.label_noise.examples],
            },
        }

    def __str__(self) -> str:
        return text_of(self)
