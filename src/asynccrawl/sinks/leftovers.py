"""What is in a directory that a sink has written to: for builders that run again over an earlier result."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .layout import format_of


def count_pictures(directory: Path) -> int:
    """How many files with a picture's name the directory holds itself. Raises OSError."""
    with os.scandir(directory) as entries:
        return sum(1 for entry in entries if format_of(entry.name) and entry.is_file())


def count_tree(root: Path) -> dict[tuple[str | None, str], int]:
    """What readers take for pictures, by (None, class) directory and by (split, class) directory; no zeros.

    Links to nothing count too, and so do links to directories, which many readers follow.
    """
    counts: Counter[tuple[str | None, str]] = Counter()
    for top in _directories(root):
        counts[None, top.name] = sum(1 for _ in _pictures(top)) + _linked_directories(top)
        for below in _directories(top):
            counts[top.name, below.name] = sum(1 for _ in _pictures(below)) + _linked_directories(below)
    return {place: n for place, n in counts.items() if n}


def prune_links(root: Path, source: Path) -> int:
    """Remove symbolic links two or three levels below `root` to files that are gone from `source`; returns how many."""
    real, pruned = os.path.realpath(source), 0
    for top in _directories(root):
        for directory in (top, *_directories(top)):
            for entry in list(_pictures(directory)):
                if entry.is_symlink() and not entry.is_file() and os.path.realpath(entry.path).startswith(f"{real}/"):
                    Path(entry.path).unlink(missing_ok=True)
                    pruned += 1
    return pruned


def _directories(root: str | os.PathLike[str]) -> list[os.DirEntry[str]]:
    with suppress(FileNotFoundError), os.scandir(root) as entries:
        return [e for e in entries if e.is_dir(follow_symlinks=False) and not e.name.startswith(".")]
    return []


def _linked_directories(directory: str | os.PathLike[str]) -> int:
    with os.scandir(directory) as entries:
        return sum(1 for entry in entries if entry.is_symlink() and entry.is_dir())


def _pictures(directory: str | os.PathLike[str]) -> Iterator[os.DirEntry[str]]:
    with os.scandir(directory) as entries:
        yield from (entry for entry in entries if format_of(entry.name))
