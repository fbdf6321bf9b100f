"""TIFF: the first directory tells all that its readers need."""

from __future__ import annotations

import struct

from ..buffer import Buffer
from .broken import BrokenRule

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


def check_tiff(data: Buffer) -> None:
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
