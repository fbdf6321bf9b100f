"""The room that the pictures of a crawl need, and what is free."""

from __future__ import annotations

import os
from pathlib import Path

from .figures import PICTURE_BYTES, SPREAD, Disk


def disk_of(dest: str | os.PathLike[str], files: int, directories: int) -> Disk:
    """What `files` pictures need in the directory `dest`, which need not exist yet. Blocks while it looks."""
    path = _existing(Path(dest))
    size = files * PICTURE_BYTES
    room = (files, directories, size, size // SPREAD, size * SPREAD, str(path))
    try:
        found = os.statvfs(path)
    except OSError:
        return Disk(*room)
    # Some file systems (btrfs) make inodes as they are needed, and say that they have none at all.
    return Disk(*room, found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None)


def _existing(path: Path) -> Path:
    """The path, or the nearest directory above it that exists."""
    path = path.absolute()
    for candidate in (path, *path.parents):
        # os.path.exists, unlike Path.exists on Python 3.11, is False where looking is not permitted.
        if os.path.exists(candidate):  # noqa: PTH110
            return candidate
    return path
