"""The chunks of a PNG (third edition, clause 5), checksums included, and the frames of an animated one."""

from __future__ import annotations

import struct
import zlib

from .buffer import Buffer
from .extent import MAX_STEPS, CutShort, Extent

_ANIMATION = frozenset({b"acTL", b"fcTL", b"fdAT"})
_PIECE = 2**20


def png_extent(data: Buffer) -> Extent:
    """Walk the chunks to IEND. Pillow passes over wrong checksums, so zeros in place of data would load.

    Chunks that a decoder may ignore may have a wrong one, but for those of frames.
    """
    at, promised, frames = 8, 1, 0
    for _ in range(MAX_STEPS):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        end = at + length + 12
        if end > len(data):
            raise CutShort("it has no IEND chunk")
        if (not kind[0] & 0x20 or kind in _ANIMATION) and not _sound(data, at + 4, end - 4):
            raise CutShort(f"its chunk {kind.decode('ascii', 'replace')} at byte {at} has a wrong checksum")
        if kind == b"acTL":
            (promised,) = struct.unpack(">I", data[at + 8 : at + 12])
        frames += kind == b"fcTL"
        at = end
        if kind == b"IEND":
            if promised > 1 and frames < promised:
                raise CutShort(f"it has {frames} of its {promised} frames")
            return Extent(at, max(1, promised))
    raise CutShort("it has more chunks than a picture can have")


def _sound(data: Buffer, start: int, end: int) -> bool:
    found = 0
    for at in range(start, end, _PIECE):
        found = zlib.crc32(data[at : min(end, at + _PIECE)], found)
    return found == int.from_bytes(data[end : end + 4], "big")
