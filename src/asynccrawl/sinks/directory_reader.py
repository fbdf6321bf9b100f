"""The reader of the directory layout: a plain folder of pictures as samples."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import ListError
from ..models import Request, Sample
from .layout import SHARD, format_of

_ORDINAL_DIGITS = 9


def read_directory(
    path: str | os.PathLike[str], wanted: Callable[[str], bool] = lambda directory: True
) -> Iterator[Sample]:
    """The pictures in `path/label/name.ext`, sorted by label, then by name; of the directories that are `wanted`.

    Each is a Sample with its `path`, its size in `bytes` and the format its extension tells; nothing is opened. Its
    URL is unknown: `request.url` is the empty string, and hashes and dimensions are None. Hidden files, links to
    directories and files without a picture's extension (`.invalid` ones too) are passed over. `ordinal` counts the
    samples; `000012345` in the shard `00012`, as DirectorySink names what has neither key nor label, gets its own
    ordinal and no label again.

    One directory's names are held in memory at a time. Raises ListError when a directory cannot be read.
    """
    root = Path(path)
    ordinal = 0
    for label in filter(wanted, _names(root, directories=True)):
        for file in _names(root / label, directories=False):
            sample = _sample(root / label / file, label, ordinal)
            if sample is not None:
                yield sample
                ordinal += 1


def _sample(path: Path, label: str, ordinal: int) -> Sample | None:
    found = format_of(path.name)
    if found is None:
        return None
    name, format = found
    own = _ordinal_in(label, name)
    known = label if own is None else None
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return None  # removed since its directory was read
    request = Request("", key=name, label=known)
    return Sample(request, ordinal if own is None else own, name, known, format, path=path, bytes=size)


def _ordinal_in(label: str, name: str) -> int | None:
    """The ordinal that `name` is, if it belongs into the shard `label`; a class may have digits for a name too."""
    if len(name) != _ORDINAL_DIGITS or not (name.isascii() and name.isdigit()):
        return None
    return int(name) if f"{int(name) // SHARD:05d}" == label else None


def _names(directory: Path, *, directories: bool) -> list[str]:
    try:
        with os.scandir(directory) as entries:
            return sorted(entry.name for entry in entries if _is_meant(entry, directories))
    except OSError as error:
        raise ListError(f"{directory}: cannot be read as a directory of pictures: {error.strerror}") from error


def _is_meant(entry: os.DirEntry[str], directories: bool) -> bool:
    if entry.name.startswith("."):
        return False
    try:
        return entry.is_dir(follow_symlinks=False) if directories else entry.is_file()
    except OSError:
        return False  # a link that leads to itself
