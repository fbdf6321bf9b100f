"""One shard: made under a hidden name, `.000003.tar.part`, published as `000003.tar` when it is whole.

What was appended survives the process. After a crash the shard is opened once more: samples that are not whole are cut
off, and it is published as it is; whoever goes on begins another one.
"""

from __future__ import annotations

import bisect
import hashlib
import os
from array import array
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .tar import END, Held, held_in, intact, mapped

_PART, _NEW = ".part", ".new"
_COPY_BYTES = 2**20
_sync_data = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


@dataclass(frozen=True, slots=True)
class ShardBounds:
    """How large a shard may become: `count` samples and `bytes`; a single larger sample has a shard of its own.

    The defaults, 10,000 samples and 1 GB, are what readers of WebDataset commonly use.
    """

    count: int = 10_000
    bytes: int = 10**9

    def __post_init__(self) -> None:
        for name in ("count", "bytes"):
            if getattr(self, name) < 1:
                raise ValueError(f"the {name} of a shard must be at least 1")


class Keys:
    """The keys in one shard, as sorted 64-bit hashes: eight bytes a sample."""

    def __init__(self, hashes: Iterable[int] = ()) -> None:
        self._sorted = array("Q", sorted(hashes))

    def __contains__(self, wanted: int) -> bool:
        at = bisect.bisect_left(self._sorted, wanted)
        return at < len(self._sorted) and self._sorted[at] == wanted


class OpenShard:
    """A shard in the making. Everything raises OSError."""

    def __init__(self, directory: Path, name: str, *, sync: bool) -> None:
        self.path = directory / name
        self.count = self.end = 0
        self.hashes: set[int] = set()
        self._part = part_of(self.path)
        self._sync = sync
        self._file = os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        if sync:
            sync_directory(directory)

    @property
    def reading(self) -> Path:
        """Where what was appended can be read."""
        return self._part

    def has_room(self, size: int, bounds: ShardBounds) -> bool:
        """Whether another sample of so many bytes may be appended."""
        return not self.count or (self.count < bounds.count and self.end + size + len(END) <= bounds.bytes)

    def append(self, key: str, data: bytes) -> None:
        """Append a sample. When it fails, what was written of it is no part of the shard, and is written over."""
        at = self.end
        view = memoryview(data)
        while view:
            written = os.pwrite(self._file, view, at)
            view, at = view[written:], at + written
        self.end = at
        self.count += 1
        self.hashes.add(hash_of(key))

    def flush(self) -> None:
        """Bring what was appended to the disk itself, if that is wanted."""
        if self._sync:
            _sync_data(self._file)

    def drop(self, keys: set[str]) -> None:
        """Take samples out again."""
        _rewrite(self._part, keys, end=self.end)
        os.close(self._file)
        self._file = os.open(self._part, os.O_RDWR | os.O_CLOEXEC)
        kept = _held(self._part)
        self.count, self.end = len(kept), kept[-1].end if kept else 0
        self.hashes = {hash_of(held.key) for held in kept}

    def abandon(self) -> None:
        """Close it as it is, under its hidden name."""
        os.close(self._file)

    def publish(self) -> Keys | None:
        """End the archive, and give it its name; None when nothing is in it, and it is removed."""
        keys = Keys(self.hashes)
        try:
            if self.count:
                os.ftruncate(self._file, self.end)
                os.pwrite(self._file, END, self.end)
                os.fsync(self._file)
        finally:
            os.close(self._file)
        if not self.count:
            self._part.unlink()
            return None
        _publish(self._part, self.path)
        return keys


def part_of(path: Path) -> Path:
    """The hidden name of a shard in the making."""
    return path.with_name(f".{path.name}{_PART}")


def recover(directory: Path) -> None:
    """Publish what an earlier process was making when it ended: its whole, intact samples. Raises OSError."""
    for left in directory.glob(f".*.tar{_PART}{_NEW}"):
        left.unlink()
    for left in directory.glob(f".*.tar{_NEW}"):
        left.unlink()
    for part in sorted(directory.glob(f".*.tar{_PART}")):
        with mapped(part) as data:
            found = list(held_in(data))
            broken = {held.key for held in found if not intact(data, held)}
        if broken:
            _rewrite(part, broken, end=found[-1].end)
            found = _held(part)
        if found:
            _end(part, found[-1].end)
            _publish(part, part.with_name(part.name[1 : -len(_PART)]))
        else:
            part.unlink()


def keys_in(path: Path) -> Keys:
    """The keys in a published shard. Raises OSError."""
    return Keys(hash_of(held.key) for held in _held(path))


def drop_from(path: Path, keys: set[str]) -> Keys | None:
    """Take samples out of a published shard, by writing it anew; None when none is left, and it is removed."""
    kept = [hash_of(held.key) for held in _held(path) if held.key not in keys]
    if kept:
        _rewrite(path, keys, end=None)
    else:
        path.unlink()
    sync_directory(path.parent)
    return Keys(kept) if kept else None


def hash_of(key: str) -> int:
    """64 bits of a hash of a key. Among ten million keys two are alike with a probability of 3 in a million."""
    return int.from_bytes(hashlib.blake2b(key.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "big")


def sync_directory(directory: Path) -> None:
    """Bring the names in a directory to the disk. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _held(path: Path) -> list[Held]:
    with mapped(path) as data:
        return list(held_in(data))


def _end(part: Path, end: int) -> None:
    """Cut off what follows `end`, and end the archive there."""
    with part.open("rb+") as file:
        file.truncate(end)
        file.seek(end)
        file.write(END)
        file.flush()
        os.fsync(file.fileno())


def _publish(part: Path, path: Path) -> None:
    part.rename(path)
    sync_directory(path.parent)


def _rewrite(path: Path, without: set[str], *, end: int | None) -> None:
    """Write an archive anew without some samples; up to `end`, if it has no end of its own yet."""
    new = path.with_name(f"{path.name}{_NEW}" if path.name.startswith(".") else f".{path.name}{_NEW}")
    try:
        with path.open("rb") as source, new.open("wb") as target:
            for held in _held(path):
                if held.key not in without and (end is None or held.end <= end):
                    _copy(source.fileno(), held.start, held.end, target.fileno())
            if end is None:
                os.write(target.fileno(), END)
            os.fsync(target.fileno())
        new.replace(path)
    except BaseException:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise


def _copy(source: int, start: int, end: int, target: int) -> None:
    while start < end:
        chunk = memoryview(os.pread(source, min(_COPY_BYTES, end - start), start))
        start += len(chunk)
        while chunk:
            chunk = chunk[os.write(target, chunk) :]
