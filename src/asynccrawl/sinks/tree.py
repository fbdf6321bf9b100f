"""The destination's directories during one batch, held by descriptor, so that no link can lead a write astray."""

from __future__ import annotations

import errno
import itertools
import os
import secrets
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from ..errors import StorageError
from ..models import Reason
from .files import kind_of
from .layout import TEMPORARY, Refused

MOST_OPEN = 32
"""Class directories kept open at once."""
_MOST_OPEN_OF_A_BRANCH = 8

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PREFIX = "sink-"

Parts = tuple[str, ...]


class Tree:
    """Opened for one batch and closed after it: a directory that is moved away meanwhile is found missing.

    Directories that were made here and stay empty, because what should go there failed, are removed at the end.
    """

    def __init__(self, dest: Path, *, sync: bool = False) -> None:
        """Open the destination. `sync`: whether what is stored has to be on the disk by then. Raises OSError."""
        self.sync = sync
        self.unguarded = False  # whether something had to be renamed without a guard against overwriting
        self._used: dict[Parts, None] = {}
        self._root = os.open(dest, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.dest = dest
        self._open: OrderedDict[Parts, int] = OrderedDict()
        self._made: list[Parts] = []
        self._temporary: int | None = None
        self._serial = itertools.count()
        self._token = secrets.token_hex(6)
        self._trunk: Tree | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._trunk is None:
            self.remove_empty(sorted(self._made, key=len, reverse=True))
        elif self.unguarded:
            self._trunk.unguarded = True
        for descriptor in (*self._open.values(), self._temporary, self._root):
            if descriptor is not None:
                os.close(descriptor)

    def branch(self) -> Tree:
        """The same tree for another thread, to be closed before this one, which sees to all that was made and used."""
        branch = Tree(self.dest, sync=self.sync)
        branch._trunk, branch._made, branch._used = self, self._made, self._used
        return branch

    @property
    def temporary(self) -> int:
        """The directory of partial files, made on first need. Raises OSError and StorageError."""
        if self._temporary is None:
            with suppress(FileExistsError):
                os.mkdir(TEMPORARY, 0o700, dir_fd=self._root)
            self._temporary = self._open_temporary()
        return self._temporary

    def new_name(self) -> str:
        """A name for a partial file that nobody else uses."""
        return f"{_PREFIX}{self._token}-{next(self._serial)}"

    def directory(self, parts: Parts) -> int:
        """The directory `parts`, made if need be; valid until the next call. Raises OSError and Refused."""
        if self.sync:
            self._used[parts] = None
        found = self.find(parts)
        if found is not None:
            return found
        parent = self.directory(parts[:-1])
        with suppress(FileExistsError):
            os.mkdir(parts[-1], dir_fd=parent)
            self._made.append(parts)
        return self._opened(parts, parent)

    def find(self, parts: Parts) -> int | None:
        """The directory `parts`, or None when there is none. Raises OSError and Refused."""
        if not parts:
            return self._root
        if parts in self._open:
            self._open.move_to_end(parts)
            return self._open[parts]
        parent = self.find(parts[:-1])
        try:
            return None if parent is None else self._opened(parts, parent)
        except FileNotFoundError:
            return None

    def sync_directories(self) -> None:
        """Bring the names in all directories that were used to the disk. Raises OSError."""
        for parts in self._used:
            descriptor = self.find(parts)
            if descriptor is not None:
                os.fsync(descriptor)
        self._used.clear()

    def remove_empty(self, directories: Iterable[Parts]) -> None:
        """Remove those of `directories` that have nothing in them."""
        for parts in directories:
            # Not empty, gone, or not ours to remove: each is as well.
            with suppress(OSError, Refused):
                parent = self.find(parts[:-1])
                if parent is not None:
                    os.rmdir(parts[-1], dir_fd=parent)
                    self._close(parts)

    def sweep(self) -> None:
        """Remove what an earlier sink left of its partial files. Others' files there are not touched."""
        if self._temporary is None:
            try:
                self._temporary = self._open_temporary()
            except FileNotFoundError:
                return
        with os.scandir(self._temporary) as entries:
            left = [e.name for e in entries if e.name.startswith(_PREFIX) and e.is_file(follow_symlinks=False)]
        for name in left:
            os.unlink(name, dir_fd=self._temporary)

    def remove_temporary(self) -> None:
        """Remove the directory of partial files, unless others' files are still in it."""
        with suppress(OSError):
            os.rmdir(TEMPORARY, dir_fd=self._root)

    def _open_temporary(self) -> int:
        try:
            return os.open(TEMPORARY, _DIRECTORY, dir_fd=self._root)
        except OSError as error:
            if not _in_the_way(error):
                raise
            raise StorageError(f"{self.dest / TEMPORARY} is no directory; remove it, then run again") from error

    def _opened(self, parts: Parts, parent: int) -> int:
        try:
            descriptor = os.open(parts[-1], _DIRECTORY, dir_fd=parent)
        except OSError as error:
            if not _in_the_way(error):
                raise
            kind = kind_of(parent, parts[-1])
            path = self.dest.joinpath(*parts)
            raise Refused(Reason.NAME_CONFLICT, f"{path} is a {kind}, where a directory has to be") from error
        self._open[parts] = descriptor
        if len(self._open) > (MOST_OPEN if self._trunk is None else _MOST_OPEN_OF_A_BRANCH):
            os.close(self._open.popitem(last=False)[1])
        return descriptor

    def _close(self, parts: Parts) -> None:
        if parts in self._open:
            os.close(self._open.pop(parts))


def _in_the_way(error: OSError) -> bool:
    # A link gives one or the other, depending on the system.
    return error.errno in (errno.ENOTDIR, errno.ELOOP)
