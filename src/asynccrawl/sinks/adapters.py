"""One way to call every sink: plain or async, with or without the optional parts."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any

from ..errors import CrawlError, StorageError
from ..models import Failure, Sample
from ..threads import in_thread
from .memory import MemorySink, NullSink
from .protocol import Sink


async def write_to(sink: Sink, batch: Sequence[Sample]) -> list[str | Failure | None]:
    """Have `sink` store `batch`; returns one entry a sample: its path, None, or its Failure.

    Afterwards no temporary file of the batch is left, whether the sink moved it or not. The caller writes one batch
    at a time. Raises StorageError, also for what the sink raises and for a result that does not fit the batch;
    temporary files are then left for another try.
    """
    stored = await _call(sink, "write", sink.write, batch)
    entries = _entries(sink, batch, stored)
    spooled = [sample.path for sample in batch if sample.temporary and sample.path is not None]
    if spooled:
        await in_thread(_unlink, spooled)
    return entries


async def remove_from(sink: Sink, batch: Sequence[Sample]) -> bool:
    """Take `batch` back from `sink`; False when the sink has no way to. Raises StorageError."""
    if not can_remove(sink):
        return False
    await _call(sink, "remove", sink.remove, batch)  # type: ignore[attr-defined]  # optional, so not in the protocol
    return True


async def read_from(sink: Sink, path: str, sha256: str) -> bytes | None:
    """What `sink` has stored under `path`, if that has the hash; None where it has not, or cannot be read back.

    Raises StorageError.
    """
    read = getattr(sink, "read", None)
    data: bytes | None = await _call(sink, "read", read, path) if callable(read) else None
    return data if data is not None and hashlib.sha256(data).hexdigest() == sha256 else None


async def close_sink(sink: Sink) -> None:
    """Close `sink`, if it can be closed. Raises StorageError."""
    aclose = getattr(sink, "aclose", None)
    if aclose is not None:
        await _call(sink, "aclose", aclose)


def can_remove(sink: Sink) -> bool:
    """Whether `sink` can take back what it stored."""
    return callable(getattr(sink, "remove", None))


def suits_a_crawl(sink: Sink) -> bool:
    """Whether a crawl takes `sink`: one that a crash costs nothing, or that never claimed to keep anything."""
    return bool(getattr(sink, "durable", True)) or isinstance(sink, MemorySink | NullSink)


async def _call(sink: Sink, what: str, method: Callable[..., Any], *args: Any) -> Any:
    try:
        if inspect.iscoroutinefunction(method):
            return await method(*args)
        result = await in_thread(method, *args)
        return await result if inspect.isawaitable(result) else result
    except CrawlError:
        raise
    except Exception as error:
        raise StorageError(f"{_name(sink)}.{what} failed: {type(error).__name__}: {error}") from error


def _entries(sink: Sink, batch: Sequence[Sample], stored: Any) -> list[str | Failure | None]:
    if stored is None:
        return [None] * len(batch)
    if not isinstance(stored, Sequence) or isinstance(stored, str | bytes):
        raise StorageError(
            f"{_name(sink)}.write returned {type(stored).__name__}; it must be None or a list with one entry a sample"
        )
    if len(stored) != len(batch):
        raise StorageError(f"{_name(sink)}.write returned {len(stored)} entries for {len(batch)} samples")
    return [_entry(sink, entry) for entry in stored]


def _entry(sink: Sink, entry: Any) -> str | Failure | None:
    if isinstance(entry, PurePath):
        return entry.as_posix()
    if entry is None or isinstance(entry, str | Failure):
        return entry
    raise StorageError(
        f"{_name(sink)}.write returned an entry that is {type(entry).__name__}; it must be a path, None or a Failure"
    )


def _unlink(paths: list[Path]) -> None:
    for path in paths:
        # The batch is stored; a leftover goes with its directory when the run ends.
        with suppress(OSError):
            path.unlink()


def _name(sink: Sink) -> str:
    return type(sink).__name__
