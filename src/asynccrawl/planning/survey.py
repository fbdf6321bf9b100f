"""Counts a list as it goes by. What is kept: some 60 bytes a record for repeats, a counter a host and a label."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from dataclasses import dataclass
from typing import Any

from .. import urls
from ..admission import Admitted
from ..models import Failure, Reason, Record
from ..report import printable
from ..settings import Settings
from ..urls import redacted
from .figures import LabelCounts, LeftOut
from .seen import Seen

SHARD = 1_000
"""Records without label that share a directory: those of a thousand ordinals, as DirectorySink has it."""
TOP_HOSTS = 10
_SHOWN_CHARS = 200


@dataclass(slots=True)
class _Tally:
    """A LeftOut in the making."""

    first: Record | Failure
    detail: str
    records: int = 0

    def made(self) -> LeftOut:
        """What it came to."""
        request = self.first.request
        url = redacted(request.url)
        text = f"{request.key} {url}" if request.key else url
        shown = printable(text, _SHOWN_CHARS), printable(self.detail, _SHOWN_CHARS)
        return LeftOut(self.records, self.first.line or 0, *shown)


class Survey:
    """What is known of a list so far. `fetches` counts by host key what would be requested."""

    def __init__(self, settings: Settings) -> None:
        self._limits = settings.hosts
        self._per_label = settings.list.per_label
        self._dedup = settings.image.dedup
        self._left_out: dict[Reason, _Tally] = {}
        self._urls, self._keys, self._pairs, self._requests = Seen(), Seen(), Seen(), Seen()
        self._hosts: dict[str, int] = {}
        self._labels: dict[str, int] = {}
        self._shard = -1
        self._numbers = dict.fromkeys(("repeated_urls", "repeated_keys", "https", "unlabelled"), 0)
        self._shards = 0
        self.records = 0
        self.passed_over = 0
        self.fetches: dict[str, int] = {} if self._per_label else self._hosts

    def __repr__(self) -> str:
        return f"<Survey {self.records} records, {len(self._hosts)} hosts, {len(self._labels)} labels>"

    @property
    def directories(self) -> int:
        """Class directories and shards that the pictures would fill."""
        return len(self._labels) + self._shards

    def add(self, part: Admitted) -> None:
        """Count a batch of the list. Raises SettingsError when `host_key` fails."""
        self.passed_over += len(part.before)
        self.records += len(part.records)
        for item in part.records:
            if isinstance(item, Failure):
                self._leave_out(item, item.reason, item.detail or "")
            elif self._is_new(item):
                self._count(item)

    def figures(self) -> dict[str, Any]:
        """The fields of Figures that the list alone decides."""
        left_out = {reason: tally.made() for reason, tally in self._left_out.items()}
        top = heapq.nsmallest(TOP_HOSTS, self._hosts.items(), key=lambda pair: (-pair[1], pair[0]))
        return {
            "records": self.records,
            "passed_over": self.passed_over,
            "fetches": sum(self.fetches.values()),
            "left_out": dict(sorted(left_out.items(), key=lambda pair: (-pair[1].records, pair[0]))),
            **self._numbers,
            "hosts": len(self._hosts),
            "top_hosts": dict(top),
            "lone_hosts": sum(n == 1 for n in self._hosts.values()),
            "labels": len(self._labels),
            "label_counts": self._label_counts(),
            "per_label": self._per_label,
            "dedup": self._dedup,
        }

    def _is_new(self, record: Record) -> bool:
        """Whether no earlier record has the same key and URL, which is what the ledger calls a duplicate."""
        url, key = record.request.url, record.request.key
        self._numbers["repeated_urls"] += not self._urls.add(url)
        if key:
            new_key = self._keys.add(key)
            if not self._pairs.add((key, url)):
                self._leave_out(record, Reason.DUPLICATE, "an earlier record has the same key and the same URL")
                return False
            self._numbers["repeated_keys"] += not new_key
        return self._dedup == "off" or self._is_new_request(record)

    def _is_new_request(self, record: Record) -> bool:
        """Whether no earlier record asks for the same: then one fetch serves both."""
        request = record.request
        asked = urls.parse(request.url).wire, urls.user_info(request.url), request.sha256, request.md5
        if self._requests.add(asked):
            return True
        self._leave_out(record, Reason.DUPLICATE, "an earlier record has the same URL (--dedup)")
        return False

    def _count(self, record: Record) -> None:
        host = self._limits.key_of(record.host)
        self._hosts[host] = self._hosts.get(host, 0) + 1
        self._numbers["https"] += record.request.url.lstrip()[:5].lower() == "https"
        if record.label is None:
            self._numbers["unlabelled"] += 1
            self._shards += self._shard != (shard := record.ordinal // SHARD)
            self._shard = shard
        elif self._is_beyond(record, record.label):
            return
        if self._per_label:
            self.fetches[host] = self.fetches.get(host, 0) + 1

    def _is_beyond(self, record: Record, label: str) -> bool:
        n = self._labels[label] = self._labels.get(label, 0) + 1
        if self._per_label is None or n <= self._per_label:
            return False
        detail = f"{label} has {self._per_label:,} records before it; it is fetched only if one of those fails"
        self._leave_out(record, Reason.LABEL_FULL, detail)
        return True

    def _leave_out(self, item: Record | Failure, reason: Reason, detail: str) -> None:
        tally = self._left_out.get(reason)
        if tally is None:
            tally = self._left_out[reason] = _Tally(item, detail)
        tally.records += 1

    def _label_counts(self) -> LabelCounts | None:
        counts = sorted(self._labels.values())
        if not counts:
            return None
        ranks = (0, len(counts) // 2, len(counts) - 1)
        least, median, most = ((self._label_at(rank, counts), counts[rank]) for rank in ranks)
        return LabelCounts(least, median, most, bisect_left(counts, self._per_label or 0))

    def _label_at(self, rank: int, counts: list[int]) -> str:
        """The label at a rank by records, then by name; without pairs for a list in which every label is another."""
        n = counts[rank]
        return sorted(label for label, m in self._labels.items() if m == n)[rank - bisect_left(counts, n)]
