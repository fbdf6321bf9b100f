"""What comes out: an answer (Response), a picture (Sample), a cause (Failure), and the row both end in (Outcome)."""

from __future__ import annotations

import builtins
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from .reason import Reason, Status
from .records import Record, Request
from .served import Served


class Doubt(Protocol):
    """Whether an answer is the one to its request."""

    async def resolved(self) -> bool:
        """Whether it can be believed; waits a moment until that is known."""


@dataclass(frozen=True, slots=True)
class Response:
    """What one hop brought: a body (status 200), or where to look instead (`location`).

    Exactly one of `data`, `path` and `location` is set. `path` is a spooled body that its taker removes.
    `framed` is false when only the closing of the connection ended the body, so that its end proves nothing.
    `doubt`: set when it is not certain yet whether the server was answering this request.
    `retry_after`: seconds that a redirect asks to be left alone for (RFC 9110, 10.2.3).
    """

    url: str
    http_status: int
    data: bytes | None = None
    path: Path | None = None
    size: int = 0
    location: str | None = None
    content_type: str | None = None
    etag: str | None = None
    framed: bool = True
    retry_after: float | None = None
    doubt: Doubt | None = None

    def __post_init__(self) -> None:
        if sum(value is not None for value in (self.data, self.path, self.location)) != 1:
            raise ValueError("a Response has exactly one of data, path and location")


@dataclass(frozen=True, slots=True)
class Sample:
    """A validated picture on its way to a sink, or read back from a dataset.

    The bytes are in `data`, or in the file `path` (`temporary`: a spooled body that the sink may move; in `stream`
    it lasts until the next item). `format` is the decoded one (`jpeg`, `png`, ...), `width` and `height` are
    pixels, `mode` is Pillow's, `bytes` and `sha256` (hex) are of what is stored. Read back from a plain folder its
    URL and hashes may be None. `shard` is the record's; `source` is the file that a converted picture was made from.
    `meta` has `frames`, `orientation` (1 to 8, as in EXIF), `icc` (whether there is a colour profile) and, on request,
    `exif`; None where the picture was not opened. `served`: what the server sent, if the crawl has converted it; `meta`
    then has `served_format` and `served_sha256`.
    """

    request: Request
    ordinal: int
    name: str
    label: str | None
    format: str
    data: builtins.bytes | None = None
    path: Path | None = None
    temporary: bool = False
    split: str | None = None
    width: int | None = None
    height: int | None = None
    mode: str | None = None
    bytes: int = 0
    sha256: str | None = None
    final_url: str | None = None
    content_type: str | None = None
    line: int | None = None
    http_status: int | None = None
    attempts: int = 0
    elapsed: float = 0.0
    etag: str | None = None
    detail: str | None = None
    shard: int | None = None
    source: Path | None = None
    meta: Mapping[str, Any] | None = None
    served: Served | None = None

    def __post_init__(self) -> None:
        if (self.data is None) == (self.path is None):
            raise ValueError("a Sample has its bytes in data or in path, not in both or neither")

    @property
    def hashes(self) -> tuple[str, ...]:
        """The SHA-256 of what is stored, then of what was served, where that is another; those that are known."""
        served = self.served.sha256 if self.served else None
        return tuple(sha256 for sha256 in (self.sha256, served) if sha256)

    async def read(self) -> builtins.bytes:
        """The picture's bytes, wherever they are. Raises OSError when the file cannot be read."""
        if self.data is not None:
            return self.data
        assert self.path is not None
        import asyncio  # heavy, and of no use in decoder processes

        return await asyncio.to_thread(self.path.read_bytes)

    async def discard(self) -> None:
        """Remove a spooled body that no sink will take."""
        if self.temporary and self.path is not None:
            import asyncio

            await asyncio.to_thread(self.path.unlink, missing_ok=True)


@dataclass(frozen=True, slots=True)
class Failure:
    """A record that was not saved, and why. `retryable`: another run may help. `elapsed` is in seconds.

    Of a record that shares another's fetch or picture, `copy_of` is that one's number in the ledger; `sha256` is of a
    duplicate's picture.
    """

    request: Request
    ordinal: int
    name: str | None
    reason: Reason
    retryable: bool = False
    detail: str | None = None
    http_status: int | None = None
    attempts: int = 0
    elapsed: float = 0.0
    final_url: str | None = None
    line: int | None = None
    label: str | None = None
    sha256: str | None = None
    copy_of: int | None = None

    def __post_init__(self) -> None:
        Reason(self.reason)

    @classmethod
    def of(cls, record: Record, reason: Reason, detail: str, *, retryable: bool = False) -> Failure:
        """The failure of a record that was never requested, or for a cause that lies before any request."""
        return cls(
            record.request,
            record.ordinal,
            record.name,
            reason,
            retryable,
            detail,
            line=record.line,
            label=record.label,
        )

    @classmethod
    def instead(cls, sample: Sample, reason: Reason, detail: str, *, retryable: bool = False) -> Failure:
        """The failure of a picture that was fetched but is not kept."""
        return cls(
            sample.request, sample.ordinal, sample.name, reason, retryable, detail, sample.http_status,
            sample.attempts, sample.elapsed, sample.final_url, sample.line, sample.label,
        )  # fmt: skip


Result = Sample | Failure
"""What the engine puts out and `stream` yields."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a record ended: a row of the manifest, in the manifest's words.

    `ordinal` is None once the record has left the list. `replaces` is set only when a retraction takes back an
    earlier outcome; `suspect` marks a saved file that should have been retracted and could not be; `copy_of` is a
    Failure's.
    """

    ordinal: int | None
    line: int | None
    key: str | None
    name: str | None
    label: str | None
    url: str
    final_url: str | None
    status: Status
    reason: Reason | None
    retryable: bool
    detail: str | None
    http_status: int | None
    attempts: int
    path: str | None = None
    format: str | None = None
    width: int | None = None
    height: int | None = None
    mode: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    elapsed: float = 0.0
    extra: Mapping[str, Any] | None = None
    meta: Mapping[str, Any] | None = None
    replaces: Outcome | None = None
    suspect: bool = False
    copy_of: int | None = None

    @classmethod
    def of(cls, result: Result, path: str | None = None) -> Outcome:
        """The outcome of a Failure, or of a Sample that its sink stored at `path`."""
        return _saved(result, path) if isinstance(result, Sample) else _failed(result)


def _saved(sample: Sample, path: str | None) -> Outcome:
    request = sample.request
    return Outcome(
        sample.ordinal, sample.line, request.key, sample.name, sample.label, request.url, sample.final_url,
        Status.SAVED, None, False, sample.detail, sample.http_status, sample.attempts, path, sample.format,
        sample.width, sample.height, sample.mode, sample.bytes, sample.sha256, sample.elapsed, request.extra,
        sample.meta,
    )  # fmt: skip


def _failed(failure: Failure) -> Outcome:
    request = failure.request
    return Outcome(
        failure.ordinal, failure.line, request.key, failure.name, failure.label, request.url, failure.final_url,
        failure.reason.status, failure.reason, failure.retryable, failure.detail, failure.http_status,
        failure.attempts, elapsed=failure.elapsed, extra=request.extra, sha256=failure.sha256,
        copy_of=failure.copy_of,
    )  # fmt: skip


OnOutcome = Callable[[Outcome], Awaitable[None] | None]
"""What is called with each outcome once it is recorded, plain or async."""
