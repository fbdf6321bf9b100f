"""What a format's standard demands of the order and the form of its parts, where other readers insist and Pillow does
not: a picture that OpenCV or libtiff refuses would stop a training run that Pillow would not.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from .buffer import Buffer

_MAX_CHUNKS = 2_000_000
_CRITICAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_PALETTE = 3
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_BITS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Kinds of colour -> channels, and bits that each may have (PNG, table 11.1)."""
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Left, top and steps of each pass."""
_PIECE = 2**20

_WHOLE = frozenset({1, 3, 4, 6, 8, 9, 16, 17})
"""Types of TIFF's whole numbers (revision 6.0, and BigTIFF's)."""
_SINGLE = frozenset({256, 257, 259, 262, 266, 277, 278, 284})
"""Tags that have one value: width, length, compression, photometry, fill order, samples, rows in a strip, planes."""
_WIDTH, _HEIGHT, _OFFSETS, _ROWS, _PLANES = 256, 257, 273, 278, 284
_CODES = {3: "H", 4: "I", 16: "Q"}
_ALL_ROWS = 2**32 - 1
"""So many rows in a strip mean that there is one strip."""
_MAX_STRIP = 2**28
"""Pixels of a strip; OpenCV sets aside 1 GiB at most."""
_BITS_TAG, _SAMPLES, _PHOTOMETRY, _COLOURS, _BY_COLOURS = 258, 277, 262, 320, 3
_BY_SAMPLE = frozenset({258, 339})
"""Tags that have a value for each sample of a pixel: its bits, its kind."""
_NEEDED = frozenset({256, 257, 259, 262})
_PLACES = ((273, 279), (324, 325))
"""Tags of where strips, or tiles, are and how long they are."""


class BrokenRule(ValueError):
    """What a picture has wrong."""


def check_rules(format_: str, data: Buffer, pixels: bool = True) -> None:
    """Raise BrokenRule for a picture that is built against its standard (PNG, TIFF, GIF, packed BMP, AVIF).

    pixels: also count those of a PNG, which takes as long as inflating them. Raises IndexError, struct.error or
    zlib.error for one that is cut.
    """
    check = _CHECKS.get(format_)
    if check:
        check(data)
    if format_ == "png" and pixels:
        _check_rows(data)


def _check_png(data: Buffer) -> None:
    """Chunks that are critical: known, each where it belongs (PNG, third edition, 5.6)."""
    _, _, bits, colour, packing, filtering, interlaced = struct.unpack(">IIBBBBB", data[16:29])
    if bits not in _BITS.get(colour, ()) or packing or filtering or interlaced > 1:
        raise BrokenRule("its header names a kind of PNG that there is not")
    at, last = 8, b""
    seen: set[bytes] = set()
    for _ in range(_MAX_CHUNKS):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        if (kind == b"IHDR") != (at == 8) or (kind == b"PLTE" and seen & {b"PLTE", b"IDAT"}):
            raise BrokenRule(f"its chunk {kind.decode('ascii', 'replace')} at byte {at} is out of place")
        if kind == b"IDAT" and (
            (b"IDAT" in seen and last != b"IDAT") or (data[25] == _PALETTE and b"PLTE" not in seen)
        ):
            raise BrokenRule(f"its image data at byte {at} are out of place")
        if not kind[0] & 0x20 and kind not in _CRITICAL:
            raise BrokenRule(f"its chunk {kind.decode('ascii', 'replace')} at byte {at} is needed, and not known")
        if kind == b"fcTL" and not _fits(data, at + 12):
            raise BrokenRule(f"its frame at byte {at} does not fit into the picture")
        if kind == b"IEND":
            if b"IDAT" not in seen:
                raise BrokenRule("it has no image data")
            return
        seen.add(kind)
        last = kind
        at += length + 12


def _check_rows(data: Buffer) -> None:
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
    """Whether the frame whose size and place stand at `at` lies within the picture (PNG, 11.3.4.3)."""
    width, height = struct.unpack(">II", data[16:24])
    wide, high, left, top = struct.unpack(">IIII", data[at : at + 16])
    return bool(wide and high and left + wide <= width and top + high <= height)


def _check_tiff(data: Buffer) -> None:
    """The first directory: what every reader needs is there, once, and in numbers."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    offset, counter, size, head = ("Q", "Q", 20, 8) if big else ("I", "H", 12, 4)
    width = struct.calcsize("<" + offset)
    if big and struct.unpack(f"{order}HH", data[4:8]) != (width, 0):
        raise BrokenRule("its offsets have a size that no BigTIFF has")
    (at,) = struct.unpack(order + offset, data[head : head + width])
    (entries,) = struct.unpack(order + counter, data[at : at + struct.calcsize("<" + counter)])
    at += struct.calcsize("<" + counter)
    counts: dict[int, int] = {}
    values: dict[int, int] = {}
    for entry in range(at, at + entries * size, size):
        tag, type_, count = struct.unpack(f"{order}HH{offset}", data[entry : entry + 4 + width])
        if tag in _SINGLE or tag in _BY_SAMPLE or any(tag in pair for pair in _PLACES):
            if tag in counts or type_ not in _WHOLE or (tag in _SINGLE and count != 1):
                raise BrokenRule(f"its tag {tag} is there twice, or has the wrong type or count")
            counts[tag] = count
        if tag == _COLOURS:
            counts[tag] = count
        if tag in (_WIDTH, _HEIGHT, _ROWS, _SAMPLES, _PHOTOMETRY) and type_ in _CODES:
            code = order + _CODES[type_]
            values[tag] = struct.unpack(code, data[entry + 4 + width : entry + 4 + width + struct.calcsize(code)])[0]
        if tag == _PLANES and struct.unpack(f"{order}H", data[entry + 4 + width : entry + 6 + width])[0] not in (1, 2):
            raise BrokenRule("its planes are in no order that there is")
    _check_tags(counts, values)


def _check_tags(counts: dict[int, int], values: dict[int, int]) -> None:
    """How many values there are, and what they are, of tags that belong together."""
    if any(counts.get(tag, values.get(_SAMPLES, 1)) < values.get(_SAMPLES, 1) for tag in _BY_SAMPLE):
        raise BrokenRule("it does not tell of all samples how they are written")
    if values.get(_PHOTOMETRY) == _BY_COLOURS and not {_COLOURS, _BITS_TAG} <= counts.keys():
        raise BrokenRule("it has no colours for the numbers that its pixels are, or no length of those")
    rows = values.get(_ROWS, _ALL_ROWS)
    if rows != _ALL_ROWS and rows * values.get(_WIDTH, 0) > _MAX_STRIP:
        raise BrokenRule("its strips are larger than any picture")
    if _OFFSETS in counts and counts[_OFFSETS] * rows < values.get(_HEIGHT, 0):
        raise BrokenRule("it has fewer strips than its rows need")
    if not counts.keys() >= _NEEDED:
        raise BrokenRule(f"it lacks the tags {sorted(_NEEDED - counts.keys())}")
    for places, lengths in _PLACES:
        if counts.get(places, 0) > 1 and counts.get(lengths) != counts[places]:
            raise BrokenRule(f"its tags {places} and {lengths} disagree on how many parts it has")


def _check_gif(data: Buffer) -> None:
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


def _check_bmp(data: Buffer) -> None:
    """Packed rows are no longer than the picture is wide, and end with the mark of their end."""
    offset, header = struct.unpack("<II", data[10:18])
    if header < 40:
        return
    width, height, _, _, packing = struct.unpack("<iiHHI", data[18:34])
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


def _check_avif(data: Buffer) -> None:
    """The brand that a file puts first is one by which readers know an AVIF (Pillow goes by no other)."""
    if data[8:12] not in (b"avif", b"avis", b"mif1", b"msf1"):
        raise BrokenRule("its first brand is none of an AVIF")


_CHECKS: dict[str, Callable[[Buffer], None]] = {
    "png": _check_png, "tiff": _check_tiff, "gif": _check_gif, "bmp": _check_bmp, "avif": _check_avif,
}  # fmt: skip
