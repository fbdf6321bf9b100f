"""TIFF: the first directory tells all that its readers need, and agrees with itself."""

from __future__ import annotations

import struct
from typing import NamedTuple

from ..buffer import Buffer
from .broken import BrokenRule

_WHOLE, _WHOLE_OF_BIG = frozenset({1, 3, 4, 6, 8, 9}), frozenset({1, 3, 4, 6, 8, 9, 16, 17})
"""Types of TIFF's whole numbers (revision 6.0), and of BigTIFF's."""
_SINGLE = frozenset({256, 257, 259, 262, 266, 277, 278, 284, 322, 323})
"""Tags with one value: width, length, compression, photometry, fill order, samples, rows in a strip, planes, tiles."""
_WIDTH, _HEIGHT, _OFFSETS, _ROWS, _PLANES, _TILES = 256, 257, 273, 278, 284, 324
_COMPRESSION, _PLAIN, _SUBSAMPLED, _APART, _TILE_WIDTH, _TILE_HEIGHT = 259, 1, 6, 2, 322, 323
_CODES = {1: "B", 3: "H", 4: "I", 16: "Q"}
_ALL_ROWS = 2**32 - 1
"""So many rows in a strip mean that there is one strip."""
_MAX_STRIP = 2**28
"""Pixels of a strip; OpenCV sets aside 1 GiB at most."""
_MAX_VALUES = 1_000_000
"""Strips and tiles that are looked at; a picture within the pixel cap has fewer."""
_DEEPEST = 16
"""Bits of a number for a colour."""
_BITS_TAG, _SAMPLES, _PHOTOMETRY, _COLOURS, _BY_COLOURS = 258, 277, 262, 320, 3
_BY_SAMPLE = frozenset({258, 339})
"""Tags that have a value for each sample of a pixel: its bits, its kind."""
_NEEDED = frozenset({256, 257, 259, 262})
_PLACES = ((273, 279), (324, 325))
"""Tags of where strips, or tiles, are and how long they are."""
_READ = frozenset({256, 257, 258, 259, 262, 277, 278, 279, 284, 322, 323, 325})
"""Tags whose values are looked at."""


class _Kind(NamedTuple):
    """How a file writes numbers: its byte order, an offset, a count of entries."""

    order: str
    offset: str
    counter: str

    def read(self, code: str, data: Buffer, at: int, count: int = 1) -> tuple[int, ...]:
        """Numbers of struct's kind `code` at an offset."""
        return struct.unpack(f"{self.order}{count}{code}", data[at : at + count * struct.calcsize("<" + code)])


def check_tiff(data: Buffer) -> None:
    """The first directory: what every reader needs is there, once, in numbers, and these agree with each other."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    kind = _Kind(order, "Q", "Q") if big else _Kind(order, "I", "H")
    width = struct.calcsize("<" + kind.offset)
    if big and kind.read("H", data, 4, 2) != (width, 0):
        raise BrokenRule("its offsets have a size that no BigTIFF has")
    (at,) = kind.read(kind.offset, data, 8 if big else 4)
    (entries,) = kind.read(kind.counter, data, at)
    at += struct.calcsize("<" + kind.counter)
    whole = _WHOLE_OF_BIG if big else _WHOLE
    counts: dict[int, int] = {}
    values: dict[int, tuple[int, ...]] = {}
    for entry in range(at, at + entries * (4 + 2 * width), 4 + 2 * width):
        tag, type_ = kind.read("H", data, entry, 2)
        (count,) = kind.read(kind.offset, data, entry + 4)
        if tag in _SINGLE or tag in _BY_SAMPLE or any(tag in pair for pair in _PLACES):
            if tag in counts or type_ not in whole or (tag in _SINGLE and count != 1):
                raise BrokenRule(f"its tag {tag} is there twice, or has the wrong type or count")
            counts[tag] = count
        if tag == _COLOURS:
            counts[tag] = count
        if tag in _READ and type_ in _CODES and 0 < count <= _MAX_VALUES:
            code, place = _CODES[type_], entry + 4 + width
            if count * struct.calcsize("<" + code) > width:
                (place,) = kind.read(kind.offset, data, place)
            values[tag] = kind.read(code, data, place, count)
    first = {tag: numbers[0] for tag, numbers in values.items()}
    _check_tags(counts, first)
    _check_lengths(values, first)


def _check_tags(counts: dict[int, int], values: dict[int, int]) -> None:
    """How many values there are, and what they are, of tags that belong together."""
    if values.get(_PLANES, 1) not in (1, 2):
        raise BrokenRule("its planes are in no order that there is")
    if any(counts.get(tag, values.get(_SAMPLES, 1)) < values.get(_SAMPLES, 1) for tag in _BY_SAMPLE):
        raise BrokenRule("it does not tell of all samples how they are written")
    if values.get(_PHOTOMETRY) == _BY_COLOURS and counts.get(_COLOURS) != 3 << min(values.get(_BITS_TAG, 0), _DEEPEST):
        raise BrokenRule("it has not as many colours as there are numbers for pixels")
    rows = values.get(_ROWS, _ALL_ROWS)
    if rows != _ALL_ROWS and rows * values.get(_WIDTH, 0) > _MAX_STRIP:
        raise BrokenRule("its strips are larger than any picture")
    if _OFFSETS in counts and counts[_OFFSETS] * rows < values.get(_HEIGHT, 0):
        raise BrokenRule("it has fewer strips than its rows need")
    across = -(-values.get(_WIDTH, 0) // max(1, values.get(_TILE_WIDTH, 1)))
    down = -(-values.get(_HEIGHT, 0) // max(1, values.get(_TILE_HEIGHT, 1)))
    if _TILES in counts and counts[_TILES] < across * down:
        raise BrokenRule("it has fewer tiles than its pixels need")
    if not counts.keys() >= _NEEDED:
        raise BrokenRule(f"it lacks the tags {sorted(_NEEDED - counts.keys())}")
    for places, lengths in _PLACES:
        if counts.get(places, 0) > 1 and counts.get(lengths) != counts[places]:
            raise BrokenRule(f"its tags {places} and {lengths} disagree on how many parts it has")


def _check_lengths(values: dict[int, tuple[int, ...]], first: dict[int, int]) -> None:
    """Strips and tiles that are not compressed are as long as their pixels are. (Of a single strip libtiff knows.)"""
    strips, tiles = values.get(_PLACES[0][1], ()), values.get(_PLACES[1][1], ())
    if (len(strips) > 1 and not all(strips)) or not all(tiles):
        raise BrokenRule("it has strips or tiles without any bytes")
    if first.get(_COMPRESSION) != _PLAIN or first.get(_PHOTOMETRY) == _SUBSAMPLED:
        return
    apart = first.get(_PLANES, 1) == _APART
    samples = first.get(_SAMPLES, 1)
    bits = (values.get(_BITS_TAG, (1,)) * samples)[:samples]
    pixel = bits[0] if apart else sum(bits)
    tile = (first.get(_TILE_WIDTH, 0) * pixel + 7) // 8 * first.get(_TILE_HEIGHT, 0)
    if any(length != tile for length in tiles):
        raise BrokenRule("it has tiles that are longer or shorter than their pixels")
    row, rows, height = (first[_WIDTH] * pixel + 7) // 8, first.get(_ROWS, _ALL_ROWS), first[_HEIGHT]
    wanted = [row * min(rows, height - at) for at in range(0, height, max(rows, 1))] if len(strips) > 1 else []
    if any(length < needed for length, needed in zip(strips, wanted * (samples if apart else 1), strict=False)):
        raise BrokenRule("it has strips that are shorter than their pixels")
    if len(strips) > 2 and not apart and strips[0] != strips[1] and row * height // len(strips) < wanted[0]:
        # libtiff believes none of them then, and takes all to be of one length.
        raise BrokenRule("its first strips are not equally long")
