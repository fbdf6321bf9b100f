"""What a sink says when the disk fails."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ..errors import NO_DESCRIPTOR, StorageError
from ..errors import storage_error as told

_TRIES, _PAUSE = 200, 0.1
"""How often, and with how many seconds between, file descriptors are waited for: connections that end free theirs, idle
ones after 15 seconds."""
T = TypeVar("T")


def storage_error(path: Path | str, error: OSError) -> StorageError:
    """The error that a caller sees: which path, what happened, and how to go on."""
    return told(path, "cannot be stored", error)


def patiently(work: Callable[[], T]) -> T:
    """The result of `work`, which is begun again while there is no file descriptor left. Raises OSError."""
    for tries_left in reversed(range(_TRIES)):
        try:
            return work()
        except OSError as error:
            if error.errno not in NO_DESCRIPTOR or not tries_left:
                raise
        time.sleep(_PAUSE)
    raise AssertionError("unreachable")
