"""Formats whose header says how long they are, or whose boxes do: WebP, BMP, AVIF."""

from __future__ import annotations

import struct

from .buffer import Buffer
from .extent import MAX_STEPS, CutShort, Extent

_SETTLED = 16
"""Zero bytes that AV1 data never end in: their last bit that counts is a one (AV1 specification, 5.3.4)."""
_BOXES = frozenset(
    {b"ftyp", b"meta", b"mdat", b"moov", b"moof", b"mfra", b"sidx", b"styp", b"pdin", b"free", b"skip", b"uuid"}
)
"""Boxes at the top level of a file (ISO 14496-12, table 1). Anything else is none of the picture."""
_ENDLESS = frozenset({b"mdat", b"free", b"skip", b"uuid"})
"""Those that may be without a size, as the last one. Readers lose their way in others."""
_LOSSLESS_ZEROS = 32
"""The same for lossless WebP; flat pictures of 4 million pixels end in 2."""


def webp_extent(data: Buffer) -> Extent:
    """The RIFF size, and the chunks within it (RFC 9649)."""
    (size,) = struct.unpack("<I", data[4:8])
    at, end, frames, last = 12, size + 8, 0, b""
    for _ in range(MAX_STEPS):
        if at + 8 > min(end, len(data)):
            break
        kind, length = struct.unpack("<4sI", data[at : at + 8])
        if at + 8 + length > end or kind == bytes(4):
            raise CutShort(f"its chunk {kind.decode('ascii', 'replace')!r} at byte {at} is none, or runs over its end")
        frames += kind == b"ANMF"
        if kind in (b"VP8 ", b"VP8L", b"ANMF"):
            last = kind
            _check_end(data, at, min(at + 8 + length, len(data)), kind)
        at += 8 + length + (length & 1)
    if end <= len(data) and not last:
        raise CutShort("it has no chunk with a picture")
    return Extent(end, max(1, frames))


def _check_end(data: Buffer, at: int, end: int, kind: bytes) -> None:
    """Raise CutShort where a chunk ends in more zeros than the coder leaves behind."""
    if kind == b"ANMF":
        kind, at = data[at + 24 : at + 28], at + 24
    most = _LOSSLESS_ZEROS
    if kind == b"VP8 ":
        # A flat area is coded as next to nothing: 1 byte in 45 macroblocks was measured, of 256 pixels each.
        width, height = struct.unpack("<HH", data[at + 14 : at + 18])
        most += ((width & 0x3FFF) + 15) // 16 * (((height & 0x3FFF) + 15) // 16) // 16
    if end - at > most and not any(data[end - most - 1 : end]):
        raise CutShort(f"its data end in more than {most} zeros")


def bmp_extent(data: Buffer) -> Extent:
    """What file header and picture header say; rows that are not compressed have a length that can be computed."""
    size, _, offset, header = struct.unpack("<IIII", data[2:18])
    if header == 12:
        width, height, _, bits = struct.unpack("<HHHH", data[18:26])
        compression, length = 0, 0
    else:
        width, height, _, bits, compression, length = struct.unpack("<iiHHII", data[18:38])
        (colours,) = struct.unpack("<I", data[46:50])
        if bits <= 8 and colours > 1 << bits:
            raise CutShort(f"it has {colours} colours, more than its {bits} bits tell apart")
    if compression in (0, 3, 6):
        rows = (abs(width) * bits + 31) // 32 * 4 * abs(height)
        # The file's size is often wrong in the wild, its rows are not: what they fill is needed.
        return Extent(offset + rows if size < offset + rows or size > len(data) >= offset + rows else size)
    end = max(size, offset + length)
    if end <= len(data) and not any(data[end - 4 : end]):
        raise CutShort("its packed rows end in zeros")  # and not in the mark of their end
    return Extent(end)


def avif_extent(data: Buffer) -> Extent:
    """The boxes at the top level (ISO 14496-12, 4.2); frames are for the decoder to count."""
    at, kind = 0, b""
    for _ in range(MAX_STEPS):
        if at + 8 > len(data):
            break
        before, (size, kind) = kind, struct.unpack(">I4s", data[at : at + 8])
        if size == 1:
            (size,) = struct.unpack(">Q", data[at + 8 : at + 16])
        if size == 0 and kind in _ENDLESS:
            size = len(data) - at  # to the end of the file
        elif kind in _BOXES and size < 8:
            raise CutShort(f"its box {kind.decode()} at byte {at} has no size")
        elif kind not in _BOXES:
            kind = before
            break  # what follows the last whole box is none of the picture
        at += size
    if kind == b"mdat" and at <= len(data) and not any(data[at - _SETTLED : at]):
        raise CutShort("its data end in zeros")
    return Extent(at, 0)
