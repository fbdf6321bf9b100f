"""Reading a body: into memory up to a threshold, beyond it into a temporary file, never above its cap."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..errors import FetchError
from ..models import Reason
from ..settings import Limits
from ..threads import in_thread, obtained
from .spool import created, new_path, told


@dataclass(frozen=True, slots=True)
class Body:
    """A whole body, in memory or spooled."""

    data: bytes | None
    path: Path | None
    size: int

    def remove(self) -> None:
        """Remove what is spooled of it: nobody wants it. Blocks."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def check_length(declared: int | None, limits: Limits) -> None:
    """Refuse a body that says itself that it is too large. Raises FetchError."""
    if declared is not None and declared > limits.max_bytes:
        raise too_large(f"{declared} bytes are announced", limits.max_bytes)


async def read_body(read: Callable[[], Awaitable[bytes]], limits: Limits, spool: Path) -> Body:
    """Read to the end, where `read` gives b"".

    Raises FetchError (too_large, empty), and StorageError when the spool file fails.
    """
    kept: list[bytes] = []
    size = 0
    while chunk := await read():
        size += len(chunk)
        if size > limits.max_bytes:
            raise too_large("more bytes came", limits.max_bytes)
        kept.append(chunk)
        if size > limits.spool_above:
            return await _spooled(kept, size, read, limits, spool)
    if not size:
        raise FetchError(Reason.EMPTY, False, "the body is empty", http_status=200)
    return Body(kept[0] if len(kept) == 1 else b"".join(kept), None, size)


async def _spooled(
    kept: list[bytes], size: int, read: Callable[[], Awaitable[bytes]], limits: Limits, spool: Path
) -> Body:
    path = new_path(spool)
    try:
        with told(path):
            file = await obtained(created, path, give_back=_close)
        try:
            for chunk in kept:
                await _write(file, path, chunk)
            while chunk := await read():
                size += len(chunk)
                if size > limits.max_bytes:
                    raise too_large("more bytes came", limits.max_bytes)
                await _write(file, path, chunk)
        finally:
            with told(path):  # some file systems report a full quota no sooner than here
                await in_thread(file.close)
    except BaseException:
        with suppress(OSError):
            await in_thread(_remove, path)
        raise
    return Body(None, path, size)


async def _write(file: BinaryIO, path: Path, chunk: bytes) -> None:
    with told(path):
        await in_thread(file.write, chunk)


def _close(file: BinaryIO) -> None:
    file.close()


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def too_large(what: str, most: int) -> FetchError:
    """The error of a body above `most` bytes."""
    return FetchError(Reason.TOO_LARGE, False, f"{what}; the most is {most}", http_status=200)
