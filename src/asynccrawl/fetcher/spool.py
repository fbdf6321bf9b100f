"""Temporary files for large bodies: made by directory descriptor, so that no link can lead a write astray."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ..errors import NO_DESCRIPTOR, OutOfDescriptors, storage_error

_serial = itertools.count()
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC


def new_path(spool: Path) -> Path:
    """A path in the directory for large bodies that nobody else uses."""
    return spool / f"spool-{os.getpid()}-{next(_serial)}"


def created(path: Path) -> BinaryIO:
    """The file, made to be written, and its directory if need be. Blocks. Raises OSError."""
    with suppress(FileExistsError):
        path.parent.mkdir(mode=0o700, parents=True)
    directory = os.open(path.parent, _DIRECTORY)
    try:
        return os.fdopen(os.open(path.name, _CREATE, 0o600, dir_fd=directory), "wb")
    finally:
        os.close(directory)


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Whatever the system refuses inside ends the crawl as a StorageError; for want of descriptors the hop can wait."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_DESCRIPTOR:
            raise OutOfDescriptors from error
        raise storage_error(path.parent, "a large body could not be spooled", error) from error
