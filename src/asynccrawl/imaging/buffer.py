"""A body as bytes, wherever it lies: in memory, or in a file that is mapped and not read."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

Buffer = bytes | mmap.mmap
"""What can be sliced, searched and hashed."""


@contextmanager
def opened(body: bytes | Path) -> Iterator[Buffer]:
    """The body's bytes. Raises OSError for a file that cannot be read."""
    if isinstance(body, bytes):
        yield body
        return
    with body.open("rb") as file:
        if not body.stat().st_size:
            yield b""
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            yield mapped
