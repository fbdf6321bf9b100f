"""The blocks of a GIF (GIF89a specification, appendix A), all frames included."""

from __future__ import annotations

from .buffer import Buffer
from .extent import MAX_STEPS, CutShort, Extent

_TRAILER, _IMAGE, _EXTENSION = 0x3B, 0x2C, 0x21
_LAST = 3
"""The last code of a picture's data, which means their end, is not zero and lies within their last three bytes."""


def gif_extent(data: Buffer) -> Extent:
    """Walk the blocks to the trailer."""
    at, frames = 13 + _colour_table(data[10]), 0
    for _ in range(MAX_STEPS):
        block, at = data[at], at + 1
        if block == _TRAILER:
            return Extent(at, frames)
        if block == _IMAGE:
            frames += 1
            at, last = _blocks(data, at + 9 + _colour_table(data[at + 8]) + 1)
            if len(last) == _LAST and not any(last):
                raise CutShort(f"the data of frame {frames} end in zeros")
        elif block == _EXTENSION:
            at, _ = _blocks(data, at + 1)
        else:
            raise CutShort(f"a block of the unknown kind {block:#04x} stands before its trailer")
    raise CutShort("it has more blocks than a picture can have")


def _blocks(data: Buffer, at: int) -> tuple[int, bytes]:
    """Where a row of data blocks ends, and the last bytes of their content."""
    before = last = at
    for _ in range(MAX_STEPS):
        length = data[at]
        if not length:
            content = bytes(data[before + 1 : before + 1 + data[before]]) if before != last else b""
            return at + 1, (content + bytes(data[last + 1 : at]))[-_LAST:]
        before, last, at = last, at, at + 1 + length
    raise CutShort("it has more blocks than a picture can have")


def _colour_table(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0
