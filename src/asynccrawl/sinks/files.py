"""Files by their directory's descriptor: made whole, given a name that nobody has, compared. Never overwritten.

Everything here raises OSError; FileExistsError always means that the wanted name is taken.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import hashlib
import itertools
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..models import Sample

_CREATE = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_COPY_BYTES = 2**20
# What file systems say that have no hard links (exFAT and many network ones), or no more of them.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
# renameat2 on Linux, renameatx_np on macOS, each with its flag for "never replace".
_RENAMES = {"renameat2": 1, "renameatx_np": 4}


def create(directory: int, name: str, data: bytes, *, sync: bool = False) -> None:
    """A new file with `data`, on the disk if `sync`. When it fails, nothing is left of it."""
    _fill(directory, name, lambda file: _write(file, data), sync)


def copy(source: Path, directory: int, name: str, *, sync: bool = False) -> None:
    """A new file with the content of `source`, on the disk if `sync`. When it fails, nothing is left of it."""
    with source.open("rb", buffering=0) as content:
        _fill(directory, name, lambda file: _write_from(file, content.fileno()), sync)


def sync_file(path: Path) -> None:
    """Bring a file's content to the disk."""
    file = os.open(path, _READ)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def link(source: Path, directory: int, name: str) -> bool:
    """Give `source` a second name; False when that cannot be, and it has to be copied."""
    try:
        os.link(source, name, dst_dir_fd=directory)
    except OSError as error:
        if error.errno not in _NO_LINKS | {errno.EXDEV, errno.EACCES}:
            raise
        return False
    return True


def move(name: str, source: int, directory: int, new: str) -> bool:
    """Move a file from one directory to another (an absolute `name` needs none), under a name that nobody has.

    False where the file system can only look first and rename then: a file that somebody else puts there at that very
    instant would be overwritten.
    """
    try:
        os.link(name, new, src_dir_fd=source, dst_dir_fd=directory, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _rename(name, source, directory, new)
    os.unlink(name, dir_fd=source)
    return True


def set_aside(directory: int, name: str) -> None:
    """Rename a file that is in the way by adding `.invalid`, or `.invalid.1` and so on where that is taken."""
    for n in itertools.count():
        with suppress(FileExistsError):
            move(name, directory, directory, f"{name}.invalid.{n}" if n else f"{name}.invalid")
            return


def kind_of(directory: int, name: str) -> str | None:
    """`file`, `directory`, `link` or `special file`; None when there is nothing by that name."""
    try:
        mode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return None
    kinds = ((stat.S_ISREG, "file"), (stat.S_ISDIR, "directory"), (stat.S_ISLNK, "link"))
    return next((kind for is_kind, kind in kinds if is_kind(mode)), "special file")


def holds(directory: int, name: str, sample: Sample) -> bool:
    """Whether the file has the sample's content, told by its bytes, else by its hash, else by the sample's file."""
    with os.fdopen(os.open(name, _READ, dir_fd=directory), "rb") as file:
        if sample.data is not None:
            return os.fstat(file.fileno()).st_size == len(sample.data) and file.read() == sample.data
        assert sample.path is not None
        if sample.sha256 is None and _is(file.fileno(), sample.path):
            return True
        wanted = sample.sha256 or _sha256_of(sample.path)
        return hashlib.file_digest(file, "sha256").hexdigest() == wanted


def _fill(directory: int, name: str, write: Callable[[int], None], sync: bool) -> None:
    file = os.open(name, _CREATE, 0o666, dir_fd=directory)
    try:
        try:
            write(file)
            if sync:
                os.fsync(file)
        finally:
            # Some file systems report a full quota no sooner than here.
            os.close(file)
    except BaseException:
        with suppress(OSError):
            os.unlink(name, dir_fd=directory)
        raise


def _write(file: int, data: bytes) -> None:
    written = os.write(file, data)
    while written < len(data):
        # A disk that fills up takes a part and raises at the next try.
        written += os.write(file, memoryview(data)[written:])


def _write_from(file: int, content: int) -> None:
    while chunk := os.read(content, _COPY_BYTES):
        _write(file, chunk)


def _is(file: int, path: Path) -> bool:
    # A linked sample is the file itself; without this look every rerun would read the whole data set twice.
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _sha256_of(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def _rename(name: str, source: int, directory: int, new: str) -> bool:
    rename, flag = _exclusive_rename()
    if rename is None or rename(source, os.fsencode(name), directory, os.fsencode(new), flag):
        code = ctypes.get_errno() if rename is not None else errno.ENOSYS
        if code not in (errno.ENOSYS, errno.EINVAL):
            raise OSError(code, os.strerror(code), name)
        if kind_of(directory, new) is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new)
        os.rename(name, new, src_dir_fd=source, dst_dir_fd=directory)
        return False
    return True


@functools.cache
def _exclusive_rename() -> tuple[Callable[..., int] | None, int]:
    library = ctypes.CDLL(None, use_errno=True)
    for name, flag in _RENAMES.items():
        function = getattr(library, name, None)
        if function is not None:
            function.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
            return function, flag
    return None, 0
