"""One run at a time in a destination."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from ..errors import DestinationBusy, storage_error


class Lock:
    """Holds a directory for this process until `release`, or until the process ends however it ends.

    The lock is flock(2) on the directory itself: no file of ours is needed, and the kernel drops it after kill -9.
    """

    def __init__(self, directory: Path) -> None:
        """Make the directory if need be and take the lock. Raises DestinationBusy or StorageError."""
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise storage_error(directory, "cannot be used as the destination", error) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise DestinationBusy(f"{directory}: another run is writing here; wait for it to end, or stop it") from None
        except OSError as error:
            os.close(self._fd)
            raise storage_error(directory, "this file system offers no locks", error) from error

    def release(self) -> None:
        """Let another run have the directory. May be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
