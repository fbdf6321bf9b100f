"""PNG: critical chunks known, each where it belongs; as much image data as the header promises."""

from __future__ import annotations

import struct
import zlib

from ..buffer import Buffer
from .broken import BrokenRule

_MAX_CHUNKS = 2_000_000
_CRITICAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_DATA = (b"IDAT", b"fdAT")
_DISPOSALS, _BLENDS = 2, 1
"""The highest ways of disposing of a frame, and of drawing it, that are defined."""
_PALETTE = 3
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_BITS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Kinds of colour -> channels, and bits that each may have (PNG, table 11.1)."""
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Left, top and steps of each pass."""
_PIECE = 2**20


def check_png(data: Buffer) -> None:
    """Chunks that are critical: known, each where it belongs (PNG, third edition, 5.6)."""
    _, _, bits, colour, packing, filtering, interlaced = struct.unpack(">IIBBBBB", data[16:29])
    if bits not in _BITS.get(colour, ()) or packing or filtering or interlaced > 1:
        raise BrokenRule("its header names a kind of PNG that there is not")
    at, last, waiting = 8, b"", False
    seen: set[bytes] = set()
    for _ in range(_MAX_CHUNKS):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        if (kind == b"IHDR") != (at == 8) or (kind == b"PLTE" and seen & {b"PLTE", b"IDAT"}):
            raise BrokenRule(f"its chunk {kind.decode('ascii', 'replace')} at byte {at} is out of place")
        if kind == b"IDAT" and (
            (b"IDAT" in seen and last != b"IDAT") or (data[25] == _PALETTE and b"PLTE" not in seen)
        ):
            raise BrokenRule(f"its image data at byte {at} are out of place")
        if not kind.isalpha() or kind[2] & 0x20:
            raise BrokenRule(f"its chunk at byte {at} has a name that is none (5.3 and 5.4)")
        if not kind[0] & 0x20 and kind not in _CRITICAL:
            raise BrokenRule(f"its chunk {kind.decode('ascii', 'replace')} at byte {at} is needed, and not known")
        if kind == b"fcTL" and not _fits(data, at + 12):
            raise BrokenRule(f"its frame at byte {at} does not fit into the picture")
        if kind == b"acTL" and not any(data[at + 8 : at + 12]):
            raise BrokenRule("it is an animation of no frames (11.3.4.2)")
        if waiting and kind in (b"fcTL", b"IEND") and b"acTL" in seen:
            raise BrokenRule(f"its frame before byte {at} has no data")
        waiting = kind == b"fcTL" or (waiting and kind not in _DATA)
        if kind == b"IEND":
            if b"IDAT" not in seen:
                raise BrokenRule("it has no image data")
            return
        seen.add(kind)
        last = kind
        at += length + 12


def check_rows(data: Buffer) -> None:
    """The image data unpack to as many bytes as the header promises: Pillow leaves rows black that are not there."""
    missing = _rows_bytes(data)
    inflate = zlib.decompressobj()
    at = 8
    while missing > 0:
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        if kind == b"IEND" or inflate.eof:
            raise BrokenRule(f"its image data end {missing} bytes before its last row does")
        piece = data[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        while piece and missing > 0:
            missing -= len(inflate.decompress(piece, _PIECE))
            piece = inflate.unconsumed_tail
        at += length + 12


def _rows_bytes(data: Buffer) -> int:
    """Bytes of all rows, filter bytes included, in one pass or in Adam7's seven (PNG, 8.1 and 9.2)."""
    width, height, bits, colour, _, _, interlaced = struct.unpack(">IIBBBBB", data[16:29])
    pixel = bits * _CHANNELS[colour]
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    sizes = ((-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in passes)
    return sum(high * (1 + (wide * pixel + 7) // 8) for wide, high in sizes if wide > 0 and high > 0)


def _fits(data: Buffer, at: int) -> bool:
    """Whether the frame whose control is at `at` lies within the picture, and is drawn in a known way (11.3.4.3)."""
    width, height = struct.unpack(">II", data[16:24])
    wide, high, left, top = struct.unpack(">IIII", data[at : at + 16])
    known = data[at + 20] <= _DISPOSALS and data[at + 21] <= _BLENDS
    return bool(known and wide and high and left + wide <= width and top + high <= height)
