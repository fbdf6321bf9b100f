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
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..models import Reason, Sample
from .files import copy, create, holds, kind_of, link, move, set_aside, sync_file
from .layout import Place, Refused, place_of
from .linking import Linking, is_link_to, place_link
from .tree import Tree

_TRIES = 3


@dataclass(frozen=True, slots=True)
class _Wish:
    """A sample, where it should be, and in what manner."""

    sample: Sample
    place: Place
    linking: Linking


def store(tree: Tree, sample: Sample, linking: Linking) -> str:
    """Put `sample` into its place; returns its path. Raises Refused for what is its own fault, else OSError."""
    place = place_of(sample)
    wish = _Wish(sample, place, linking)
    try:
        if sample.path is None:
            assert sample.data is not None
            data = sample.data
            _put_new(tree, wish, lambda name: create(tree.temporary, name, data, sync=tree.sync))
        elif not _is_file(sample.path, sample):
            _settle_missing(tree, place, sample, sample.path)
        elif sample.temporary or linking.link == "hardlink":
            _put_file(tree, wish, sample.path)
        elif linking.link == "symlink":
            _put(tree, wish, partial(_place_link, tree, wish, sample.path))
        else:
            _put_copy(tree, wish, sample.path)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise Refused(Reason.BAD_NAME, f"{place.path} is longer than this file system allows") from error
        raise
    return place.path


def remove(tree: Tree, sample: Sample, linking: Linking) -> tuple[str, ...] | None:
    """Remove the sample's file or link if it holds that sample; returns the directories it was in. Raises OSError."""
    with suppress(Refused, FileNotFoundError):
        place = place_of(sample)
        directory = tree.find(place.directories)
        if directory is None or not _is_ours(directory, _Wish(sample, place, linking)):
            return None
        os.unlink(place.file, dir_fd=directory)
        return place.directories
    return None


def _is_ours(directory: int, wish: _Wish) -> bool:
    sample, place = wish.sample, wish.place
    kind = kind_of(directory, place.file)
    if kind == "link":
        return _leads_to(directory, wish)
    return kind == "file" and (not (_known(sample) or _on_disk(sample)) or holds(directory, place.file, sample))


def _put_new(tree: Tree, wish: _Wish, make: Callable[[str], None]) -> None:
    """Make a partial file and move it into its place."""
    name = tree.new_name()
    make(name)
    try:
        there = _put(tree, wish, lambda directory: _moved(tree, name, tree.temporary, directory, wish.place.file))
    except BaseException:
        with suppress(OSError):
            os.unlink(name, dir_fd=tree.temporary)
        raise
    if there:
        os.unlink(name, dir_fd=tree.temporary)


def _put_file(tree: Tree, wish: _Wish, path: Path) -> None:
    """Move a temporary file into its place, link another one; where neither can be, copy it."""
    if tree.sync:
        sync_file(path)
    put = partial(_move, tree, path, wish.place) if wish.sample.temporary else partial(_link, path, wish.place)
    try:
        there = _put(tree, wish, put)
    except _MustCopy:
        _put_new(tree, wish, lambda name: copy(path, tree.temporary, name, sync=tree.sync))
        there = True
    if there and wish.sample.temporary:
        path.unlink(missing_ok=True)


def _put_copy(tree: Tree, wish: _Wish, path: Path) -> None:
    """Copy a file into its place, unless it is there: nobody wants a data set copied to find that out."""
    directory = tree.directory(wish.place.directories)
    if kind_of(directory, wish.place.file) is None or not _stands(directory, wish):
        _put_new(tree, wish, lambda name: copy(path, tree.temporary, name, sync=tree.sync))


def _place_link(tree: Tree, wish: _Wish, path: Path, directory: int) -> None:
    target = wish.linking.target(path, tree.dest, wish.place.directories)
    place_link(directory, wish.place.file, target, lambda: (tree.temporary, tree.new_name()))


class _MustCopy(Exception):
    """A file that can be neither moved nor linked to where it should be."""


def _moved(tree: Tree, name: str, source: int, directory: int, new: str) -> None:
    if not move(name, source, directory, new):
        tree.unguarded = True


def _move(tree: Tree, path: Path, place: Place, directory: int) -> None:
    try:
        _moved(tree, str(path.absolute()), directory, directory, place.file)
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise _MustCopy from error
        raise


def _link(path: Path, place: Place, directory: int) -> None:
    if not link(path, directory, place.file):
        raise _MustCopy


def _put(tree: Tree, wish: _Wish, put: Callable[[int], None]) -> bool:
    """Have `put` give the file its name; True when the sample was there already. Raises Refused."""
    directory = tree.directory(wish.place.directories)
    for _ in range(_TRIES):
        try:
            put(directory)
            return False
        except FileExistsError:
            if _stands(directory, wish):
                return True
    raise Refused(Reason.NAME_CONFLICT, f"{wish.place.path} is made again whenever it is set aside", retryable=True)


def _stands(directory: int, wish: _Wish) -> bool:
    """Whether the file that has the name is the sample's; another one is set aside. Raises Refused."""
    place = wish.place
    kind = kind_of(directory, place.file)
    if kind == "link" and _leads_to(directory, wish):
        os.unlink(place.file, dir_fd=directory)  # an earlier result linked the same picture, this one stores it
        return False
    if kind not in ("file", None):
        what = "link to something else" if kind == "link" and wish.linking.link == "symlink" else kind
        raise Refused(Reason.NAME_CONFLICT, f"{place.path} is a {what}, where a file has to be")
    # Whoever takes the other file away between two of these calls does what is wanted.
    with suppress(FileNotFoundError):
        if holds(directory, place.file, wish.sample):
            return True
        if not wish.linking.set_aside:
            raise Refused(
                Reason.NAME_CONFLICT, f"{place.path} is another picture; remove it, or name another directory"
            )
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


def _leads_to(directory: int, wish: _Wish) -> bool:
    """Whether a link is one of ours: it leads to the sample's own file, and this sink is one that makes links."""
    path = wish.sample.path
    if path is None or wish.sample.temporary or not wish.linking.owns_links:
        return False
    return is_link_to(directory, wish.place.file, str(path.absolute()))


def _on_disk(sample: Sample) -> bool:
    return sample.path is not None and _is_file(sample.path, sample)


def _known(sample: Sample) -> bool:
    return sample.data is not None or sample.sha256 is not None
