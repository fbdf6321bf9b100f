"""Whether files are what the ledger says, and what is there that it does not know. By descriptor; follows no link."""

from __future__ import annotations

import enum
import errno
import hashlib
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from .files import move, set_aside
from .layout import format_of
from .shelf import SHARD
from .webdataset_reader import place_in

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_BLOCK_BYTES = 2**20
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)


class Finding(enum.Enum):
    """What was found under a path."""

    SAME = "same"
    MISSING = "missing"
    SIZE = "size"
    HASH = "hash"


def check_file(root: Path, path: str, size: int | None, sha256: str | None) -> Finding:
    """Compare the file `path` (with slashes, below `root`) with its size in bytes and its SHA-256, as far as known.

    `000003.tar/name.jpg` is a picture in a shard. A link, or anything else that is no file, counts as missing. Raises
    OSError when it cannot be read.
    """
    if in_shard(path):
        return _check_sharded(root, path, size, sha256)
    try:
        with _directory(root, path) as (directory, name):
            file = os.open(name, _FILE, dir_fd=directory)
            try:
                return _compared(file, size, sha256)
            finally:
                os.close(file)
    except OSError as error:
        if error.errno in _GONE:
            return Finding.MISSING
        raise


def read_file(root: Path, path: str, most: int) -> bytes | None:
    """The content of the file `path` (with slashes, below `root`); None if above `most` bytes.

    Raises FileNotFoundError, also for a link or anything else that is no file, and OSError when it cannot be read.
    """
    try:
        with _directory(root, path) as (directory, name), os.fdopen(os.open(name, _FILE, dir_fd=directory), "rb") as f:
            return f.read() if os.fstat(f.fileno()).st_size <= most else None
    except OSError as error:
        if error.errno in _GONE:
            raise FileNotFoundError(path) from error
        raise


def read_head(root: Path, path: str, size: int) -> bytes:
    """The first `size` bytes of a file; arguments and errors are those of `read_file`."""
    with _directory(root, path) as (directory, name), os.fdopen(os.open(name, _FILE, dir_fd=directory), "rb") as file:
        return file.read(size)


def stored_bytes(root: Path, path: str) -> bytes | None:
    """The content of the picture `path` below `root`, also in a shard; None for a link, or where there is none.

    Raises OSError.
    """
    if in_shard(path):
        return _read_sharded(root, path)
    with suppress(FileNotFoundError):
        return read_file(root, path, sys.maxsize)
    return None


def in_shard(path: str) -> bool:
    """Whether a path is that of a picture in a shard, `000003.tar/name.jpg`."""
    return SHARD.fullmatch(path.partition("/")[0]) is not None


def _read_sharded(root: Path, path: str) -> bytes | None:
    place = place_in(root, path)
    if place is None:
        return None
    shard, offset, length = place
    with shard.open("rb") as file:
        return os.pread(file.fileno(), length, offset)


def _check_sharded(root: Path, path: str, size: int | None, sha256: str | None) -> Finding:
    data = _read_sharded(root, path)
    if data is None:
        return Finding.MISSING
    if size is not None and len(data) != size:
        return Finding.SIZE
    return Finding.SAME if sha256 in (None, hashlib.sha256(data).hexdigest()) else Finding.HASH


def _compared(file: int, size: int | None, sha256: str | None) -> Finding:
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode):
        return Finding.MISSING
    if size is not None and found.st_size != size:
        return Finding.SIZE
    if sha256 is None:
        return Finding.SAME
    digest = hashlib.sha256()
    while chunk := os.read(file, min(found.st_size + 1, _BLOCK_BYTES)):
        digest.update(chunk)
    return Finding.SAME if digest.hexdigest() == sha256 else Finding.HASH


def put_aside(root: Path, path: str) -> None:
    """Rename the file `path` below `root` by adding `.invalid`. Nothing happens where it is gone. Raises OSError."""
    with suppress(FileNotFoundError), _directory(root, path) as (directory, name):
        set_aside(directory, name)


def rename(root: Path, path: str, new: str) -> bool:
    """Give the file `path` below `root` another name in its directory; False where that is taken. Raises OSError."""
    with _directory(root, path) as (directory, name), suppress(FileExistsError):
        move(name, directory, directory, PurePosixPath(new).name)
        return True
    return False


def surplus_files(root: Path, known: Mapping[str, int]) -> Iterator[list[str]]:
    """The paths of all pictures in each class directory that holds more of them than are `known`, by directory.

    Links and hidden files are passed over. One directory's names are in memory at a time. Raises OSError.
    """
    with os.scandir(root) as entries:
        directories = sorted(e.name for e in entries if not e.name.startswith(".") and e.is_dir(follow_symlinks=False))
    for directory in directories:
        with suppress(PermissionError), os.scandir(root / directory) as entries:
            files = [e.name for e in entries if format_of(e.name) and e.is_file(follow_symlinks=False)]
            if len(files) > known.get(directory, 0):
                yield [f"{directory}/{file}" for file in sorted(files)]


@contextmanager
def _directory(root: Path, path: str) -> Iterator[tuple[int, str]]:
    """The directory of `path`, opened part by part, and the file's own name in it."""
    *parts, name = PurePosixPath(path).parts
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            inner = os.open(part, _DIRECTORY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor, name
    finally:
        os.close(descriptor)
