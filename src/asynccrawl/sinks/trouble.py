"""What a sink says when the disk fails."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ..errors import StorageError

_HOW_TO_GO_ON = {
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room in the quota",
    errno.EROFS: "make the file system writable",
    errno.EIO: "see to the disk",
    errno.EACCES: "give the right to write there",
    errno.EPERM: "give the right to write there",
    errno.ENOENT: "bring the directory back",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f)",
}
_TRIES, _PAUSE = 200, 0.1
"""How often, and with how many seconds between, file descriptors are waited for: connections that end free theirs, idle
ones after 15 seconds."""
T = TypeVar("T")


def storage_error(path: Path, error: OSError) -> StorageError:
    """The error that a caller sees: which path, what happened, and how to go on."""
    how = _HOW_TO_GO_ON.get(error.errno or 0, "mend it")
    return StorageError(f"{path}: cannot be stored: {error.strerror or error}; {how}, then run again to go on")


def patiently(work: Callable[[], T]) -> T:
    """The result of `work`, which is begun again while there is no file descriptor left. Raises OSError."""
    for tries_left in reversed(range(_TRIES)):
        try:
            return work()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE) or not tries_left:
                raise
        time.sleep(_PAUSE)
    raise AssertionError("unreachable")
