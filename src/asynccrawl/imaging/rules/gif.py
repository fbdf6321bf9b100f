"""GIF: frames lie within the screen, and what controls them has its length."""

from __future__ import annotations

import struct

from ..buffer import Buffer
from .broken import BrokenRule


def check_gif(data: Buffer) -> None:
    """Frames lie within the screen, and what controls them has its length (GIF89a, 20 and 23)."""
    width, height = struct.unpack("<HH", data[6:10])
    at = 13 + _table(data[10])
    while data[at] != 0x3B:
        if data[at] == 0x2C:
            left, top, wide, high = struct.unpack("<HHHH", data[at + 1 : at + 9])
            if not (wide and high and left + wide <= width and top + high <= height):
                raise BrokenRule(f"its frame at byte {at} does not fit on its screen")
            at += 11 + _table(data[at + 9])
        elif data[at + 1] == 0xF9 and data[at + 2] != 4:
            raise BrokenRule(f"its graphic control at byte {at} has not the length that it must have")
        else:
            at += 2
        while data[at]:
            at += 1 + data[at]
        at += 1


def _table(flags: int) -> int:
    """Bytes of a colour table."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
