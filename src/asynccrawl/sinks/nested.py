"""The old script's tree: a directory a class, and in it a link a label, `ball/baseball -> ../../n02799071`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import StorageError
from .files import kind_of
from .layout import Refused
from .linking import Linking, place_link
from .tree import Tree


@dataclass(frozen=True, slots=True)
class DirectoryLink:
    """A link to make: `group/name` leads to the directory `source`."""

    group: str
    name: str
    source: Path


def link_directories(
    dest: str | os.PathLike[str], links: Iterable[DirectoryLink], linking: Linking
) -> Iterator[tuple[DirectoryLink, str | None]]:
    """Make the links under `dest`; yields each with None, or with what is in its way.

    A link that is there already stays; one that leads nowhere, or to the same directory by another way, is replaced.
    Nothing is ever written through a link. Blocks. Raises StorageError.
    """
    root = Path(dest).absolute()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with Tree(root) as tree:
            tree.sweep()
            for link in links:
                yield link, _make(tree, root, link, linking)
            tree.sweep()
            tree.remove_temporary()
    except OSError as error:
        raise StorageError(f"{root}: the links cannot be made: {error.strerror or error}") from error


def _make(tree: Tree, root: Path, link: DirectoryLink, linking: Linking) -> str | None:
    try:
        directory = tree.directory((link.group,))
    except Refused as refused:
        return refused.detail
    target = linking.target(link.source, root, (link.group,))
    try:
        place_link(directory, link.name, target, lambda: (tree.temporary, tree.new_name()))
    except FileExistsError:
        kind = kind_of(directory, link.name)
        what = "link to something else" if kind == "link" else kind
        return f"{link.group}/{link.name} is a {what}; remove it, or name another directory"
    return None
