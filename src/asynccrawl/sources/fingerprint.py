"""Whether a list is the very one that was read before: what tells it apart from every other, or from other readings."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Collection
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..settings import ListOptions


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A list's size in bytes, and a digest of its bytes and of all that decides what is read from them."""

    bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class ListFile:
    """A list in a regular file as it was found; `size` is in bytes. It blocks while it reads."""

    path: str
    options: ListOptions
    size: int
    _state: tuple[int, ...]

    @classmethod
    def of(cls, urls: object, options: ListOptions) -> ListFile | None:
        """The file that `urls` names, as it is now; None where it is no path of a regular file."""
        if not isinstance(urls, str | os.PathLike) or urls == "-":
            return None
        path = os.fsdecode(urls)
        try:
            found = Path(path).stat()
        except (OSError, ValueError):
            return None
        if not stat.S_ISREG(found.st_mode):
            return None
        return cls(path, options, found.st_size, _state(found))

    def fingerprint(self) -> Fingerprint | None:
        """Read the whole file; None where it is no longer as it was found, or cannot be read."""
        digest = hashlib.sha256(_reading(self.options))
        try:
            with Path(self.path).open("rb") as file:
                content = hashlib.file_digest(file, "sha256").digest()
                if _state(os.fstat(file.fileno())) != self._state:
                    return None
        except OSError:
            return None
        digest.update(content)
        return Fingerprint(self.size, digest.hexdigest())


def _state(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _reading(options: ListOptions) -> bytes:
    """How the bytes are read: by which options, and by which release, since another one may read them otherwise."""
    return json.dumps([version("asynccrawl"), asdict(options)], sort_keys=True, default=_plain).encode()


def _plain(value: Any) -> Any:
    return sorted(map(str, value)) if isinstance(value, Collection) else str(value)
