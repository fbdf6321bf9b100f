"""Records that ask for the same: how that is told, and how one ends when another has its outcome. Pure; no I/O."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from .. import urls
from ..models import Failure, Outcome, Reason, Request, Status
from .rows import hashes_of, load

OWN = (Reason.LABEL_FULL, Reason.NAME_CONFLICT, Reason.BAD_NAME, Reason.LABEL_NOT_WANTED)
"""Reasons that are a record's own: another record with the same URL may still get the picture."""
COLUMNS = (
    "id, ordinal, line, name, label, key, url, extra, status, reason, retryable, detail, http_status, final_url, path, "
    "sha256, expected, run, same, copy_of"
)
"""What a Row holds."""


class Row(NamedTuple):
    """A row of the table `records`, as far as sharing goes."""

    id: int
    ordinal: int | None
    line: int | None
    name: str | None
    label: str | None
    key: str | None
    url: str
    extra: str | None
    status: str
    reason: str | None
    retryable: int
    detail: str | None
    http_status: int | None
    final_url: str | None
    path: str | None
    sha256: str | None
    expected: str | None
    run: int
    same: int | None
    copy_of: int | None

    @property
    def request(self) -> Request:
        """The row's request."""
        return Request(self.url, self.key, self.label, load(self.extra), **hashes_of(self.expected))


class First(NamedTuple):
    """A saved picture that others are copies of: its row, its record's place, and its path, or name if it has none."""

    id: int
    ordinal: int | None
    path: str


class Follower(NamedTuple):
    """The outcome of a record that was left to follow another. `before`: what it had ended in, if it had."""

    failure: Failure
    before: Outcome | None

    @classmethod
    def of(cls, row: Row, leader: Row, first: Row) -> Follower:
        """The outcome of `row` now that `leader` has its own, whose picture, if any, is `first`'s."""
        return cls(ended(row, leader, first), before(row) if row.reason == Reason.DUPLICATE else None)


def request_key(url: str, expectation: str | None) -> int | None:
    """64 bits of a hash of what goes on the wire for `url`, and of the hashes that are expected; None for a bad URL.

    Scheme and host in any case, a default port, a fragment and what is escaped for the wire make no difference; every
    other byte does. User and password count, sent or not.
    """
    try:
        text = f"{urls.parse(url).wire}\0{urls.user_info(url) or ''}\0{expectation or ''}"
    except urls.BadURL:
        return None
    return int.from_bytes(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big", signed=True
    )


def shared_by(leader: Row) -> str:
    """The condition on followers that end as the leader did, without a picture."""
    if leader.reason == Reason.PLACEHOLDER:
        return "1"
    if leader.reason == Reason.LABEL_FULL:
        return "(same IS :same AND label IS :label)"
    return "0" if leader.reason in OWN else "same IS :same"


def before(row: Row) -> Outcome:
    """What a row had ended in that waits again: it was a duplicate of a picture that is no more."""
    assert row.ordinal is not None
    return Outcome.of(
        Failure(
            row.request, row.ordinal, row.name, Reason.DUPLICATE, line=row.line, label=row.label,
            detail=row.detail, sha256=row.sha256,
        )
    )  # fmt: skip


def ended(row: Row, leader: Row, first: Row) -> Failure:
    """The outcome of `row` that `leader` decides, whose picture, if any, is `first`'s."""
    assert row.ordinal is not None
    if first.status == Status.SAVED:
        what = "URL" if row.same == first.same or row.same is None else "content"
        return Failure(
            row.request, row.ordinal, row.name, Reason.DUPLICATE, line=row.line, label=row.label,
            detail=f"same {what} as record {first.ordinal}, {first.path or first.name}",
            sha256=first.sha256, copy_of=first.id,
        )  # fmt: skip
    return Failure(
        row.request, row.ordinal, row.name, Reason(leader.reason or Reason.INTERNAL), bool(leader.retryable),
        detail=f"{leader.detail or 'no picture'} (requested once, for {leader.name})",
        http_status=leader.http_status, final_url=leader.final_url, line=row.line, label=row.label, copy_of=leader.id,
    )  # fmt: skip
