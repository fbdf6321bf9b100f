"""How a picture that is on disk already comes into a directory: as a link, or as a copy."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Link = Literal["hardlink", "symlink", "copy"]
"""A second name for the file (a copy where that cannot be), a link to its path, or a file of its own."""


@dataclass(frozen=True, slots=True)
class Linking:
    """What a DirectorySink does with files that it may not move, and with strangers in their place.

    link: see Link. absolute: symbolic links hold absolute paths; relative ones, the default, survive a move of the
    whole tree and a mount elsewhere. set_aside: a file with other content that has the name is renamed with
    `.invalid` added; without it the sample is refused (name_conflict). Raises ValueError for an unknown `link`.
    """

    link: Link = "hardlink"
    absolute: bool = False
    set_aside: bool = True

    def __post_init__(self) -> None:
        if self.link not in get_args(Link):
            raise ValueError(f"link is {self.link!r}; it must be one of {', '.join(get_args(Link))}")

    @property
    def owns_links(self) -> bool:
        """Whether a link to a sample's own file may be an earlier result of the same sink. Never in a crawl."""
        return self.link == "symlink" or not self.set_aside

    def target(self, path: Path, dest: Path, directories: tuple[str, ...]) -> str:
        """What a symbolic link in `dest/directories` to `path` has to hold."""
        parent = str(path.parent.absolute())
        return os.path.join(parent if self.absolute else _way(parent, dest, directories), path.name)  # noqa: PTH118


@functools.lru_cache(maxsize=4096)
def _way(parent: str, dest: Path, directories: tuple[str, ...]) -> str:
    # The system walks `..` from where the link really is. What the way down passes is left as it was named: whoever
    # reaches the data set through a link keeps doing so.
    return os.path.relpath(parent, os.path.join(os.path.realpath(dest), *directories))  # noqa: PTH118


def place_link(directory: int, name: str, target: str, spare: Callable[[], tuple[int, str]]) -> None:
    """Have `name` be a symbolic link to `target`. `spare` gives a directory and a name in it that nobody uses.

    A link that leads to the same file by another way, or to nothing, is replaced. Raises FileExistsError for
    anything else that has the name.
    """
    try:
        os.symlink(target, name, dir_fd=directory)
    except FileExistsError:
        held = _held(directory, name)
        if held == target:
            return
        if held is None or not _may_go(directory, name, target):
            raise
        other, made = spare()
        os.symlink(target, made, dir_fd=other)
        os.replace(made, name, src_dir_fd=other, dst_dir_fd=directory)


def is_link_to(directory: int, name: str, target: str) -> bool:
    """Whether `name` is a symbolic link to `target`, or to the same file by another way."""
    held = _held(directory, name)
    return held is not None and (held == target or _same(directory, name, target))


def _held(directory: int, name: str) -> str | None:
    try:
        return os.readlink(name, dir_fd=directory)
    except OSError:
        return None


def _may_go(directory: int, name: str, target: str) -> bool:
    try:
        os.stat(name, dir_fd=directory)
    except OSError:
        return True
    return _same(directory, name, target)


def _same(directory: int, name: str, target: str) -> bool:
    try:
        return os.path.samestat(os.stat(name, dir_fd=directory), os.stat(target, dir_fd=directory))
    except OSError:
        return False
