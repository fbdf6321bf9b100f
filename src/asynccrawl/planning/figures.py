"""The figures of a plan, without the ways to show them."""

# No `from __future__ import annotations`: a subclass in another module inherits the fields, and whoever reads the
# signature of its constructor could not resolve their names there.

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..models import Reason

REQUEST_SECONDS = 0.25
"""Seconds from a request to its whole picture, which the least time assumes. An assumption and no measurement: some
three round trips over an ocean (connection, TLS, answer) and the sending of 100 kB."""
PICTURE_BYTES = 110_000
"""Bytes of a picture, which the size on disk assumes: the average of the ImageNet list (some 960,000 pictures)."""
SPREAD = 2
"""The size on disk is given from PICTURE_BYTES / SPREAD to PICTURE_BYTES x SPREAD a picture: thumbnails have some
50 kB, photographs 200 kB and more."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Records that are not fetched for one cause; `line`, `text` (printable) and `detail` are the first one's."""

    records: int
    line: int
    text: str
    detail: str


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """How records spread over labels. `least`, `median` and `most` are a label and its records; `below` are labels
    with fewer records than `--per-label` asks for."""

    least: tuple[str, int]
    median: tuple[str, int]
    most: tuple[str, int]
    below: int = 0


@dataclass(frozen=True, slots=True)
class Bound:
    """A crawl cannot take less than `seconds`, because of `requests` to `host` (None: to all hosts together).

    `rule` says what holds them back, such as `8 at once`, and `setting` where that is set.
    """

    seconds: float
    requests: int
    host: str | None
    rule: str
    setting: str


@dataclass(frozen=True, slots=True)
class Disk:
    """What the pictures may take if each record is saved, and what is free (None: not known, or no limit).

    `bytes` assumes PICTURE_BYTES a picture, `least` and `most` half and twice that. `path` is where it was looked:
    the destination, or what there is already on the way to it.
    """

    files: int
    directories: int
    bytes: int
    least: int
    most: int
    path: str
    free_bytes: int | None = None
    free_inodes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a crawl of a list would be.

    records: entries of the list, from the offset on; `passed_over` stand before it. fetches: those that would be
    requested. left_out: the others by reason; beside what cannot be requested these are `label_not_wanted`,
    `duplicate` (key and URL of an earlier record; with `dedup`, its URL alone) and `label_full` (beyond `per_label`, if
    those before are all saved). repeated_urls: records with the URL of an earlier one, duplicates included;
    repeated_keys: with the key of an earlier one and a URL that it has not had yet.

    What follows is over all good records but duplicates. hosts: how many (host keys); top_hosts: the ten with the
    most records; lone_hosts: those with one; https: records whose URL is https. labels: how many; label_counts: how
    they spread, None without labels; unlabelled: records without one.

    bounds: what sets the least time, the longest first; `disk`: room needed and free.
    """

    records: int = 0
    passed_over: int = 0
    fetches: int = 0
    left_out: Mapping[Reason, LeftOut] = field(default_factory=dict)
    repeated_urls: int = 0
    repeated_keys: int = 0
    hosts: int = 0
    top_hosts: Mapping[str, int] = field(default_factory=dict)
    lone_hosts: int = 0
    https: int = 0
    labels: int = 0
    label_counts: LabelCounts | None = None
    unlabelled: int = 0
    per_label: int | None = None
    dedup: str = "off"
    bounds: tuple[Bound, ...] = ()
    disk: Disk

    @property
    def distinct(self) -> int:
        """Good records but duplicates: what hosts and labels are counted over."""
        full = self.left_out.get(Reason.LABEL_FULL)
        return self.fetches + (full.records if full else 0)

    @property
    def least_seconds(self) -> float:
        """The least time that a crawl takes; 0 when there is nothing to fetch."""
        return self.bounds[0].seconds if self.bounds else 0.0
