"""The reader of the directory layout: a plain folder of pictures as samples."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from ..errors import ListError
from ..models import Request, Sample
from .layout import SHARD, format_of

_ORDINAL_DIGITS = 9


def read_directory(path: str | os.PathLike[str]) -> Iterator[Sample]:
    """The pictures in `path/label/name.ext`, sorted by label, then by name.

    Each is a Sample with its `path`, its size in `bytes` and the format its extension tells; nothing is opened. Its
    URL is unknown: `request.url` is the empty string, and hashes and dimensions are None. Hidden files, links to
    directories and files without a picture's extension (`.invalid` ones too) are passed over. `ordinal` counts the
    samples; `000012345` in the shard `00012`, as DirectorySink names what has neither key nor label, gets its own
    ordinal and no label again.

    One directory's names are held in memory at a time. Raises ListError when a directory cannot be read.
    """
    root = Path(path)
    counter = itertools.count()
    for label in _names(root, directories=True):
        for file in _names(root / label, directories=False):
            found = format_of(file)
            size = _size(root / label / file) if found else None
            if found is not None and size is not None:
                yield _sample(root / label / file, label, *found, next(counter))


def _sample(path: Path, label: str, name: str, format: str, ordinal: int) -> Sample:
    own = _ordinal_in(label, name)
    return Sample(
        Request("", key=name, label=label if own is None else None),
        ordinal if own is None else own,
        name,
        label if own is None else None,
        format,
        path=path,
        bytes=path.stat().st_size,
    )


def _ordinal_in(label: str, name: str) -> int | None:
    """The ordinal that `name` is, if it belongs into the shard `label`; a class may have digits for a name too."""
    if len(name) != _ORDINAL_DIGITS or not (name.isascii() and name.isdigit()):
        return None
    return int(name) if f"{int(name) // SHARD:05d}" == label else None


def _names(directory: Path, *, directories: bool) -> list[str]:
    try:
        with os.scandir(directory) as entries:
            return sorted(
                entry.name
                for entry in entries
                if not entry.name.startswith(".")
                and (entry.is_dir(follow_symlinks=False) if directories else entry.is_file())
            )
    except OSError as error:
        raise ListError(f"{directory}: cannot be read as a directory of pictures: {error.strerror}") from error
