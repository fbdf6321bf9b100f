"""How a hop's end becomes a result: pure functions from what is known to a Sample or a Failure."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ..errors import FetchError, InvalidImage, Undecodable
from ..imaging import Facts
from ..models import Failure, Hop, Reason, Response, Sample
from ..urls import parse


def sample_of(hop: Hop, response: Response, facts: Facts, elapsed: float) -> Sample:
    """The picture that a hop brought, after `elapsed` seconds of fetching over all its attempts and hops."""
    record = hop.record
    return Sample(
        record.request,
        record.ordinal,
        record.name,
        record.label,
        facts.format,
        data=response.data if facts.data is None else facts.data,
        path=response.path if facts.data is None else None,
        temporary=response.path is not None and facts.data is None,
        width=facts.width,
        height=facts.height,
        mode=facts.mode,
        bytes=facts.bytes,
        sha256=facts.sha256,
        final_url=response.url,
        content_type=response.content_type,
        line=record.line,
        http_status=response.http_status,
        attempts=record.tried + hop.attempt,
        elapsed=elapsed,
        etag=response.etag,
        detail=facts.detail,
        shard=record.shard,
        meta=facts.meta,
        served=facts.served,
    )


def failure_of(hop: Hop, error: FetchError, elapsed: float) -> Failure:
    """The end of a record whose last attempt failed with `error`."""
    return _failure(hop, error, elapsed, error.retryable, error.http_status)


def refusal_of(hop: Hop, response: Response, error: InvalidImage, elapsed: float) -> Failure:
    """The end of a record whose body may not be kept."""
    retryable = isinstance(error, Undecodable) and error.retryable
    return _failure(hop, error, elapsed, retryable, response.http_status, response.url)


def unwanted_of(hop: Hop, why: str) -> Failure:
    """The end of a record that need not be fetched (again), since its label is full."""
    begun = replace(hop, attempt=hop.attempt - 1)
    return _failure(begun, FetchError(Reason.LABEL_FULL, False, why), hop.elapsed, False, None)


def _failure(
    hop: Hop,
    error: FetchError | InvalidImage,
    elapsed: float,
    retryable: bool,
    status: int | None,
    url: str | None = None,
) -> Failure:
    record = hop.record
    return Failure(
        record.request,
        record.ordinal,
        record.name,
        error.reason,
        retryable,
        error.detail,
        status,
        record.tried + hop.attempt,
        elapsed,
        url or (parse(hop.url).wire if hop.hops else None),
        record.line,
        record.label,
    )


async def remove_spool(path: Path | None) -> None:
    """Remove a spooled body that came to nothing."""
    if path is not None:
        from aiofiles import os as files  # here, since few crawls spool anything

        with suppress(FileNotFoundError):
            await files.unlink(path)
