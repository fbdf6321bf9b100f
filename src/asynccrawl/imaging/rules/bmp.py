"""Packed BMP: rows of the right length, and the mark of their end."""

from __future__ import annotations

import struct

from ..buffer import Buffer
from .broken import BrokenRule

_PACKED_BITS = {1: 8, 2: 4}
"""Ways of packing rows (BI_RLE8, BI_RLE4) -> bits of a pixel."""


def check_bmp(data: Buffer) -> None:
    """Packed rows are no longer than the picture is wide, and end with the mark of their end."""
    offset, header = struct.unpack("<II", data[10:18])
    if header < 40:
        return
    width, height, _, bits, packing = struct.unpack("<iiHHI", data[18:34])
    if packing in _PACKED_BITS and bits != _PACKED_BITS[packing]:
        raise BrokenRule(f"its rows are packed as {_PACKED_BITS[packing]} bits a pixel, and have {bits}")
    at, x, y = offset, 0, 0
    while packing in (1, 2):
        count, value = data[at], data[at + 1]
        at += 2
        if count:
            x += count
        elif value == 0:  # the end of a row
            x, y = 0, y + 1
        elif value == 1:  # the end of the picture
            return
        elif value == 2:  # a step to the right and up
            x, y, at = x + data[at], y + data[at + 1], at + 2
        else:  # so many pixels as they are, padded to two bytes
            size = value if packing == 1 else (value + 1) // 2
            x, at = x + value, at + size + size % 2
        if x > width or y > abs(height) or (x and y == abs(height)):
            raise BrokenRule("its packed rows are longer than it is wide, or more than it is high")
