"""GIF: frames lie within the screen, what controls them has its form, and the first one's data make its pixels."""

from __future__ import annotations

import struct

from ...errors import InvalidImage
from ...models import Reason
from ..buffer import Buffer
from ..lzw import values
from .broken import BrokenRule

_TRAILER, _IMAGE, _CONTROL, _APPLICATION = 0x3B, 0x2C, 0xF9, 0xFF
_DISPOSALS = 3
"""The highest way of disposing of a frame that is defined."""
_CODE_SIZES = range(2, 9)
"""Minimum code sizes: bits of a pixel, and two for a single one (appendix F)."""
_LOOPING = b"NETSCAPE2.0"


def check_gif(data: Buffer) -> None:
    """Frames lie within the screen, and what controls them has its form (GIF89a, 18, 20 and 23).

    Raises BrokenRule, and InvalidImage for a good file whose extension OpenCV misreads.
    """
    width, height = struct.unpack("<HH", data[6:10])
    colours = _table(data[10]) // 3
    if colours and data[11] >= colours:
        raise BrokenRule(f"its background is colour {data[11]} of {colours}")
    at, frames = 13 + 3 * colours, 0
    while data[at] != _TRAILER:
        if data[at] == _IMAGE:
            frames += 1
            left, top, wide, high = struct.unpack("<HHHH", data[at + 1 : at + 9])
            if not (wide and high and left + wide <= width and top + high <= height):
                raise BrokenRule(f"its frame at byte {at} does not fit on its screen")
            at += 11 + _table(data[at + 9])
        else:
            if data[at + 1] == _CONTROL:
                _check_control(data, at, first=not frames)
            elif data[at + 1] == _APPLICATION:
                _check_application(data, at + 2)
            at += 2
        at = _behind(data, at)


def _check_control(data: Buffer, at: int, first: bool) -> None:
    """The graphic control extension at an offset; before the first frame, the way of disposing of it, too."""
    if data[at + 2] != 4:
        raise BrokenRule(f"its graphic control at byte {at} has not the length that it must have")
    if first and data[at + 3] >> 2 & 7 > _DISPOSALS:
        raise BrokenRule(f"its graphic control at byte {at} disposes of the frame in no known way")


def _check_application(data: Buffer, at: int) -> None:
    """OpenCV takes each block of three bytes for a count of loops, and loses its way where it is none."""
    looping = False
    while data[at]:
        if data[at] == len(_LOOPING):
            looping = data[at + 1 : at + 1 + len(_LOOPING)] == _LOOPING
        if data[at] == 3 and not looping:
            raise InvalidImage(Reason.UNSUPPORTED_FORMAT, f"OpenCV cannot read the extension with byte {at}")
        at += 1 + data[at]


def check_codes(data: Buffer) -> None:
    """The data of the first frame are codes for its pixels, and these have colours.

    Raises CutShort and BrokenRule, and IndexError or struct.error for a GIF that is cut.
    """
    at = 13 + _table(data[10])
    transparent = None
    while data[at] != _IMAGE:
        if data[at + 1] == _CONTROL:
            transparent = data[at + 6] if data[at + 3] & 1 else None
        at = _behind(data, at + 2)
    size = struct.unpack("<HH", data[at + 5 : at + 9])
    own = _table(data[at + 9])
    at += 10 + own
    bits = data[at]
    if bits not in _CODE_SIZES:
        raise BrokenRule(f"its pixels have {bits} bits")
    found = values(bytes(data[at + 1 : _behind(data, at + 1) - 1]), bits, (size[0], size[1]))
    colours = max(own, _table(data[10])) // 3  # none at all: a picture without a table is grey
    if colours and max(found - {transparent}, default=0) >= colours:
        raise BrokenRule(f"it has pixels of colour {max(found)}, and {colours} colours")


def _behind(data: Buffer, at: int) -> int:
    """The offset behind a row of data blocks."""
    while data[at]:
        at += 1 + data[at]
    return at + 1


def _table(flags: int) -> int:
    """Bytes of a colour table."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
