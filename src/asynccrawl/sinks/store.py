"""One sample into its place in a tree of directories, or out of it again.

The order is what keeps every promise: the file is made whole where nobody looks, then linked under its name, which
fails when there is anything by that name, and only then taken from where it was made.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from ..models import Reason, Sample
from .files import copy, create, holds, kind_of, link, move, set_aside
from .layout import Place, Refused, place_of
from .tree import Tree

_TRIES = 3


def store(tree: Tree, sample: Sample) -> str:
    """Put `sample` into its place; returns its path. Raises Refused for what is its own fault, else OSError."""
    place = place_of(sample)
    try:
        if sample.path is None:
            assert sample.data is not None
            data = sample.data
            _put_new(tree, place, sample, lambda name: create(tree.temporary, name, data))
        else:
            _put_file(tree, place, sample, sample.path)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise Refused(Reason.BAD_NAME, f"{place.path} is longer than this file system allows") from error
        raise
    return place.path


def remove(tree: Tree, sample: Sample) -> tuple[str, ...] | None:
    """Remove the sample's file if it holds that sample; returns the directories it was in. Raises OSError."""
    with suppress(Refused, FileNotFoundError):
        place = place_of(sample)
        directory = tree.find(place.directories)
        if directory is None or kind_of(directory, place.file) != "file":
            return None
        if _known(sample) and not holds(directory, place.file, sample):
            return None
        os.unlink(place.file, dir_fd=directory)
        return place.directories
    return None


def _put_new(tree: Tree, place: Place, sample: Sample, make: Callable[[str], None]) -> None:
    """Make a partial file and move it into its place."""
    name = tree.new_name()
    make(name)
    try:
        there = _put(tree, place, sample, lambda directory: move(name, tree.temporary, directory, place.file))
    except BaseException:
        with suppress(OSError):
            os.unlink(name, dir_fd=tree.temporary)
        raise
    if there:
        os.unlink(name, dir_fd=tree.temporary)


def _put_file(tree: Tree, place: Place, sample: Sample, path: Path) -> None:
    """Move a temporary file into its place, link another one; where neither can be, copy it."""
    if not _is_file(path, sample):
        _settle_missing(tree, place, sample, path)
        return
    put = partial(_move if sample.temporary else _link, path, place)
    try:
        there = _put(tree, place, sample, put)
    except _MustCopy:
        _put_new(tree, place, sample, lambda name: copy(path, tree.temporary, name))
        there = True
    if there and sample.temporary:
        path.unlink(missing_ok=True)


class _MustCopy(Exception):
    """A file that can be neither moved nor linked to where it should be."""


def _move(path: Path, place: Place, directory: int) -> None:
    try:
        move(str(path.absolute()), directory, directory, place.file)
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise _MustCopy from error
        raise


def _link(path: Path, place: Place, directory: int) -> None:
    if not link(path, directory, place.file):
        raise _MustCopy


def _put(tree: Tree, place: Place, sample: Sample, put: Callable[[int], None]) -> bool:
    """Have `put` give the file its name; True when the sample was there already. Raises Refused."""
    directory = tree.directory(place.directories)
    for _ in range(_TRIES):
        try:
            put(directory)
            return False
        except FileExistsError:
            if _stands(directory, place, sample):
                return True
    raise Refused(Reason.NAME_CONFLICT, f"{place.path} is made again whenever it is set aside", retryable=True)


def _stands(directory: int, place: Place, sample: Sample) -> bool:
    """Whether the file that has the name is the sample's; another one is set aside. Raises Refused."""
    kind = kind_of(directory, place.file)
    if kind not in ("file", None):
        raise Refused(Reason.NAME_CONFLICT, f"{place.path} is a {kind}, where a file has to be")
    # Whoever takes the other file away between two of these calls does what is wanted.
    with suppress(FileNotFoundError):
        if holds(directory, place.file, sample):
            return True
        set_aside(directory, place.file)
    return False


def _settle_missing(tree: Tree, place: Place, sample: Sample, path: Path) -> None:
    """A sample whose file is gone is fine when it was moved into its place before. Raises Refused."""
    directory = tree.find(place.directories)
    there = directory is not None and kind_of(directory, place.file) == "file"
    if not (there and sample.sha256 and directory is not None and holds(directory, place.file, sample)):
        raise Refused(Reason.INTERNAL, f"{path} is no file that can be read", retryable=sample.temporary)


def _is_file(path: Path, sample: Sample) -> bool:
    try:
        # A link among the temporary files is not the fetcher's doing, and moving it would publish it.
        return stat.S_ISREG(path.stat(follow_symlinks=not sample.temporary).st_mode) and os.access(path, os.R_OK)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return False


def _known(sample: Sample) -> bool:
    return sample.data is not None or sample.sha256 is not None
