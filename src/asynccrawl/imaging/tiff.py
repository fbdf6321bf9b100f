"""The directories of a TIFF (revision 6.0) or BigTIFF, and what they point at: values, strips, tiles, pages."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from .buffer import Buffer
from .extent import CutShort, Extent

_MAX_PAGES = 4_096
_MAX_VALUES = 1_000_000
"""Strips and tiles of one page that are looked at; a page of a picture within the pixel cap has fewer."""
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_CODES = {3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_COMPRESSION = 259
_ZEROS = 8
"""No kind of compression ends a strip in so many zero bytes; whatever is not compressed may."""
_DATA = {273: 279, 324: 325, 513: 514}
"""Tags: offsets of strips, of tiles, of an old-style JPEG -> their byte counts."""


class _Kind(NamedTuple):
    """How a file writes numbers: its byte order, the count of a directory's entries, an offset."""

    order: str
    entries: str
    offset: str

    def read(self, code: str, data: Buffer, at: int) -> int:
        """The number of struct's kind `code` at an offset."""
        size = struct.calcsize(self.order + code)
        return int(struct.unpack(self.order + code, data[at : at + size])[0])

    @property
    def width(self) -> int:
        """Bytes of an offset, which is as many as a value within an entry may have."""
        return struct.calcsize("<" + self.offset)


def tiff_extent(data: Buffer) -> Extent:
    """Follow all pages."""
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack(f"{order}H", data[2:4])[0] == 43
    kind = _Kind(order, "Q", "Q") if big else _Kind(order, "H", "I")
    at, end, seen = kind.read(kind.offset, data, 8 if big else 4), 0, set[int]()
    while at and len(seen) < _MAX_PAGES:
        if at in seen:
            raise CutShort("its pages form a ring")
        seen.add(at)
        at, reached = _page(kind, data, at)
        end = max(end, reached)
    if not seen:
        raise CutShort("it has no page")
    return Extent(end, len(seen))


def _page(kind: _Kind, data: Buffer, at: int) -> tuple[int, int]:
    """Where the next page is, and how far this one reaches."""
    width = kind.width
    size, first = 4 + 2 * width, at + struct.calcsize("<" + kind.entries)
    count = kind.read(kind.entries, data, at)
    end = first + count * size + width
    if end > len(data):
        raise CutShort("a directory runs over its end")
    values: dict[int, Sequence[int]] = {}
    packed = False
    for entry in range(first, end - width, size):
        tag, type_ = struct.unpack(f"{kind.order}HH", data[entry : entry + 4])
        number = kind.read(kind.offset, data, entry + 4)
        length = _SIZES.get(type_, 1) * number
        start = entry + 4 + width if length <= width else kind.read(kind.offset, data, entry + 4 + width)
        end = max(end, start + length)
        if tag == _COMPRESSION:
            packed = kind.read("H", data, entry + 4 + width) != 1
        if (tag in _DATA or tag in _DATA.values()) and type_ in _CODES and number <= _MAX_VALUES:
            values[tag] = struct.unpack(f"{kind.order}{number}{_CODES[type_]}", data[start : start + length])
    for offsets, counts in _DATA.items():
        for offset, length in zip(values.get(offsets, ()), values.get(counts, ()), strict=False):
            end = max(end, offset + length)
            if packed and length > _ZEROS and not any(data[offset + length - _ZEROS : offset + length]):
                raise CutShort("a packed strip or tile ends in zeros")
    return kind.read(kind.offset, data, first + count * size), end
