"""The bytes of a WebDataset shard: samples as successive members of a tar archive, `key.jpg`, `key.cls`, `key.json`.

Members have one owner, mode and time, so equal samples in equal order are equal bytes. `key.json` is always the last
of its sample: a sample whose end was cut off, by a crash in the middle of a write, is told by its absence.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..models import suffixed

BLOCK = 512
END = bytes(2 * BLOCK)
"""What ends an archive."""
_LAST = "json"
_LONG_NAME, _PAX = b"L", b"xg"  # headers that speak of the member behind them

Members = Sequence[tuple[str, bytes]]
"""The members of a sample: extension and content."""


@dataclass(slots=True)
class Held:
    """A sample in an archive: from `start` to `end`, and where each of its members lies, by extension."""

    key: str
    start: int
    end: int
    members: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def picture(self) -> tuple[str, int, int] | None:
        """Extension, offset and size of the picture."""
        found = [(ext, *place) for ext, place in self.members.items() if ext not in ("cls", "json", "txt")]
        return found[0] if found else None


def key_of(name: str) -> str:
    """The key of a sample: its name, without dots, at which readers would end it."""
    return name if "." not in name else suffixed(name.replace(".", "_"), name)


def packed(key: str, members: Members) -> bytes:
    """A sample as the bytes that are appended to an archive. The last member has to be `json`."""
    out = []
    for extension, content in members:
        info = tarfile.TarInfo(f"{key}.{extension}")  # owner, group and time are 0, the mode is 644
        info.size = len(content)
        out += [info.tobuf(tarfile.GNU_FORMAT, "utf-8"), content, bytes(-len(content) % BLOCK)]
    return b"".join(out)


@contextmanager
def mapped(path: Path) -> Iterator[mmap.mmap | bytes]:
    """The bytes of an archive. Raises OSError."""
    with path.open("rb") as file:
        if not path.stat().st_size:
            yield b""
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data


def held_in(data: mmap.mmap | bytes) -> Iterator[Held]:
    """The whole samples of an archive in their order, up to its end, or to what is no archive."""
    current: Held | None = None
    for start, name, offset, size, end in _members(data):
        key, _, extension = name.partition(".")
        if current is not None and current.key != key:
            if _LAST in current.members:
                yield current
            current = None
        if current is None:
            current = Held(key, start, end)
        current.members[extension] = (offset, size)
        current.end = end
    if current is not None and _LAST in current.members:
        yield current


def intact(data: mmap.mmap | bytes, held: Held) -> bool:
    """Whether a sample's picture is the one that its own `json` tells of."""
    picture = held.picture
    try:
        told = facts_of(data, held)["sha256"]
    except (ValueError, KeyError, TypeError):
        return False
    return picture is not None and hashlib.sha256(content(data, *picture[1:])).hexdigest() == told


def facts_of(data: mmap.mmap | bytes, held: Held) -> Mapping[str, Any]:
    """What a sample's `json` tells. Raises ValueError."""
    found: Mapping[str, Any] = json.loads(content(data, *held.members[_LAST]))
    return found


def content(data: mmap.mmap | bytes, offset: int, size: int) -> bytes:
    """The bytes of a member."""
    return bytes(data[offset : offset + size])


def _members(data: mmap.mmap | bytes) -> Iterator[tuple[int, str, int, int, int]]:
    """Start, name, offset and size of the content, and end, of each whole file in an archive."""
    at = start = 0
    long_name: bytes | None = None
    while at + BLOCK <= len(data):
        header = data[at : at + BLOCK]
        size = _size(header)
        if size is None:
            return
        offset, end = at + BLOCK, at + BLOCK + size + -size % BLOCK
        if end > len(data):
            return
        kind = header[156:157]
        if kind == _LONG_NAME:
            long_name = bytes(data[offset : offset + size])
        elif kind not in _PAX:
            name = (header[:100] if long_name is None else long_name).split(b"\0", 1)[0]
            yield start, name.decode("utf-8", "surrogateescape"), offset, size, end
            start, long_name = end, None
        at = end


def _size(header: bytes) -> int | None:
    """The size that a header tells; None where it is no header."""
    if header[257:262] != b"ustar":
        return None
    digits = header[124:136]
    if digits[0] == 0x80:  # GNU's form for sizes that twelve octal digits cannot hold
        return int.from_bytes(digits[1:], "big")
    try:
        return int(digits.rstrip(b"\0 "), 8)
    except ValueError:
        return None
