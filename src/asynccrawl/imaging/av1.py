"""The headers of a still picture in AV1 (specification, 5.5 and 5.9), as far as it takes to know where they end.

Between a frame's header and its tiles up to seven bits are left over. They are zero by the standard, libaom insists on
it as it does on a level that exists, and dav1d looks at neither. Only a key frame that is shown at once is followed; of
any other there is no opinion.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_SEQUENCE, _FRAME = 1, 6
_RESERVED, _SIZED = 0x81, 2
"""Bits of a unit's header: those that are zero, and the one by which it has a size."""
_CHOSEN = 2
"""What a sequence says where each frame chooses by itself (SELECT_SCREEN_CONTENT_TOOLS, SELECT_INTEGER_MV)."""
_SRGB_WITHOUT_MATRIX = (1, 13, 0)
_LEVELS = frozenset({0, 1, 4, 5, 8, 9, *range(12, 20), 31})
"""Levels that are defined (annex A.3), and 31 for none. Those of 7.0 and above came later, and libaom lacks them."""
_FEATURES = ((9, True), (7, True), (7, True), (7, True), (7, True), (3, False), (0, False), (0, False))
"""Bits of each feature of a segment with its sign, and whether it has one; the first is the quantiser's (5.9.14)."""
_LONGEST = 512
"""Bytes of a header that are looked at: with film grain it may have some two hundred."""
_MAX_TILE, _MAX_AREA, _MAX_TILES = 4096, 4096 * 2304, 64
"""Pixels of a tile's side and of a whole tile; tiles in a row or column (section 3)."""


class _Unsure(Exception):
    """It is none of the headers that are followed."""


class _Bits:
    """A row of bits, read from the top of each byte."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.length = int.from_bytes(data), 0, 8 * len(data)

    def __call__(self, count: int = 1) -> int:
        self.at += count
        if self.at > self.length:
            raise _Unsure
        return self.data >> (self.length - self.at) & (1 << count) - 1

    def signed(self, count: int) -> int:
        value = self(count)
        return value - (1 << count) if value >> (count - 1) else value

    def skip(self, *counts: int) -> None:
        for count in counts:
            self(count)


@dataclass(slots=True)
class _Sequence:
    """What frames need of their sequence."""

    reduced: bool = True
    levels: tuple[int, ...] = ()
    width_bits: int = 0
    height_bits: int = 0
    width: int = 0
    height: int = 0
    id_bits: int = 0
    large: bool = False
    screen_content: int = _CHOSEN
    integer_motion: int = _CHOSEN
    order_bits: int = 0
    superres: bool = False
    cdef: bool = False
    restoration: bool = False
    grey: bool = False
    subsampled: bool = True
    own_chroma: bool = False
    grain: bool = False


@dataclass(slots=True)
class _Frame:
    """What later fields of a frame's header hang on."""

    width: int = 0
    height: int = 0
    scaled: bool = False
    block_copy: bool = False
    quantiser: int = 0
    lossless: bool = False
    tiles: int = 1


def flaw(data: bytes) -> str | None:
    """What the standard forbids in the headers of the first frame; None where there is nothing, or nothing is known."""
    sequence = None
    try:
        for kind, body in _units(data):
            if kind < 0:
                return "a unit has reserved bits, or no size"
            if kind == _SEQUENCE:
                sequence = _sequence(_Bits(body))
                if not _LEVELS.issuperset(sequence.levels):
                    return "its level is one that there is not"
            elif kind == _FRAME and sequence:
                return None if _zero_behind(_Bits(body), sequence) else "bits are set behind its frame's header"
    except (_Unsure, IndexError):
        return None
    return None


def _units(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The OBUs: type, and how their payload begins (5.3). The type is -1 where a header is none that libaom takes."""
    at = 0
    while at < len(data):
        head, at = data[at], at + (2 if data[at] & 4 else 1)
        if head & _RESERVED or not head & _SIZED:
            yield -1, b""
            return
        size, shift, more = 0, 0, True
        while more:
            size, more = size | (data[at] & 0x7F) << shift, bool(data[at] & 0x80)
            shift, at = shift + 7, at + 1
        yield head >> 3 & 15, data[at : at + min(size, _LONGEST)]
        at += size


def _zero_behind(bits: _Bits, sequence: _Sequence) -> bool:
    frame = _frame(bits, sequence)
    whole = not bits(-bits.at % 8)
    if whole and frame.tiles > 1 and not bits():  # each tile is there: no numbers follow
        whole = not bits(7)
    return whole


# --- the sequence


def _sequence(bits: _Bits) -> _Sequence:
    profile, _, reduced = bits(3), bits(), bits()
    sequence = _Sequence(reduced=bool(reduced))
    sequence.levels = (bits(5),) if reduced else _operating_points(bits)
    sequence.width_bits, sequence.height_bits = bits(4) + 1, bits(4) + 1
    sequence.width, sequence.height = bits(sequence.width_bits) + 1, bits(sequence.height_bits) + 1
    if not reduced and bits():
        sequence.id_bits = bits(4) + 2 + bits(3) + 1
    sequence.large = bool(bits())
    bits.skip(2)
    if not reduced:
        _tools(bits, sequence)
    sequence.superres, sequence.cdef, sequence.restoration = bool(bits()), bool(bits()), bool(bits())
    _colours(bits, sequence, profile)
    sequence.grain = bool(bits())
    return sequence


def _operating_points(bits: _Bits) -> tuple[int, ...]:
    """The level of each."""
    if bits():  # how frames are timed: a film
        raise _Unsure
    delays, levels = bits(), []
    for _ in range(bits(5) + 1):
        bits.skip(12)
        levels.append(bits(5))
        if levels[-1] > 7:
            bits.skip(1)
        if delays and bits():
            bits.skip(4)
    return tuple(levels)


def _tools(bits: _Bits, sequence: _Sequence) -> None:
    bits.skip(4)
    ordered = bits()
    if ordered:
        bits.skip(2)
    sequence.screen_content = _CHOSEN if bits() else bits()
    if sequence.screen_content:
        sequence.integer_motion = _CHOSEN if bits() else bits()
    if ordered:
        sequence.order_bits = bits(3) + 1


def _colours(bits: _Bits, sequence: _Sequence, profile: int) -> None:
    deep = bits()
    twelve = profile == 2 and deep and bits()
    sequence.grey = profile != 1 and bool(bits())
    kind = (bits(8), bits(8), bits(8)) if bits() else None
    if sequence.grey:
        bits.skip(1)
        return
    sequence.subsampled = False
    if kind != _SRGB_WITHOUT_MATRIX:
        bits.skip(1)
        sequence.subsampled = profile == 0 or bool(twelve and bits() and bits())
        if sequence.subsampled:
            bits.skip(2)
    sequence.own_chroma = bool(bits())


# --- the frame


def _frame(bits: _Bits, sequence: _Sequence) -> _Frame:
    frame = _Frame()
    # A frame that is shown again, that is no key frame, or that is not shown is not followed.
    if not sequence.reduced and (bits(), bits(2), bits()) != (0, 0, 1):
        raise _Unsure
    fixed_symbols = bits()
    screen_content = bits() if sequence.screen_content == _CHOSEN else sequence.screen_content
    if screen_content and sequence.integer_motion == _CHOSEN:
        bits.skip(1)
    bits.skip(sequence.id_bits)
    other_size = not sequence.reduced and bits()
    bits.skip(sequence.order_bits)
    _size(bits, sequence, frame, bool(other_size))
    if screen_content and not frame.scaled:
        frame.block_copy = bool(bits())
    if not sequence.reduced and not fixed_symbols:
        bits.skip(1)
    _tiles(bits, sequence, frame)
    _quantisers(bits, sequence, frame)
    if not (frame.lossless or frame.block_copy):
        _filters(bits, sequence)
    if not (frame.lossless and not frame.scaled) and not frame.block_copy and sequence.restoration:
        _restoration(bits, sequence)
    if not frame.lossless:
        bits.skip(1)
    bits.skip(1)
    if sequence.grain and bits():
        _grain(bits, sequence)
    return frame


def _size(bits: _Bits, sequence: _Sequence, frame: _Frame, other: bool) -> None:
    frame.width, frame.height = sequence.width, sequence.height
    if other:
        frame.width, frame.height = bits(sequence.width_bits) + 1, bits(sequence.height_bits) + 1
    if sequence.superres and bits():
        denominator = bits(3) + 9
        frame.width, frame.scaled = (frame.width * 8 + denominator // 2) // denominator, True
    if bits():
        bits.skip(16, 16)


def _tiles(bits: _Bits, sequence: _Sequence, frame: _Frame) -> None:
    shift = 7 if sequence.large else 6
    across, down = -(-frame.width >> shift), -(-frame.height >> shift)
    fewest = _logarithm(_MAX_TILE >> shift, across)
    if not bits():
        raise _Unsure
    columns = _increased(bits, fewest, _logarithm(1, min(across, _MAX_TILES)))
    in_all = max(fewest, _logarithm(_MAX_AREA >> 2 * shift, across * down))
    rows = _increased(bits, max(in_all - columns, 0), _logarithm(1, min(down, _MAX_TILES)))
    if columns or rows:
        bits.skip(columns + rows, 2)
    wide, high = -(-across >> columns), -(-down >> rows)
    frame.tiles = -(-across // wide) * -(-down // high)


def _increased(bits: _Bits, least: int, most: int) -> int:
    while least < most and bits():
        least += 1
    return least


def _logarithm(unit: int, target: int) -> int:
    """How often a unit has to be doubled to reach the target."""
    count = 0
    while unit << count < target:
        count += 1
    return count


def _quantisers(bits: _Bits, sequence: _Sequence, frame: _Frame) -> None:
    frame.quantiser = bits(8)
    deltas = [_delta(bits)]
    if not sequence.grey:
        differ = sequence.own_chroma and bits()
        deltas += [_delta(bits) for _ in range(4 if differ else 2)]
    if bits():
        bits.skip(4, 4, 4 if sequence.own_chroma else 0)
    levels = _segments(bits, frame.quantiser)
    frame.lossless = not any(levels) and not any(deltas)
    if frame.quantiser and bits():
        bits.skip(2)
        if not frame.block_copy and bits():
            bits.skip(3)


def _delta(bits: _Bits) -> int:
    return bits.signed(7) if bits() else 0


def _segments(bits: _Bits, quantiser: int) -> list[int]:
    """The quantiser of each segment."""
    if not bits():
        return [quantiser]
    levels = []
    for _ in range(8):
        level = quantiser
        for number, (count, signed) in enumerate(_FEATURES):
            if bits():
                value = bits.signed(count) if signed else bits(count)
                level += value if number == 0 else 0
        levels.append(max(0, level))
    return levels


def _filters(bits: _Bits, sequence: _Sequence) -> None:
    """Of block edges, and of directions."""
    levels = bits(6), bits(6)
    if not sequence.grey and any(levels):
        bits.skip(6, 6)
    bits.skip(3)
    if bits() and bits():
        for _ in range(10):
            if bits():
                bits.skip(7)
    if sequence.cdef:
        bits.skip(2)
        for _ in range(1 << bits(2)):
            bits.skip(6, 0 if sequence.grey else 6)


def _restoration(bits: _Bits, sequence: _Sequence) -> None:
    kinds = [bits(2) for _ in range(1 if sequence.grey else 3)]
    if any(kinds):
        if bits() and not sequence.large:
            bits.skip(1)
        if sequence.subsampled and any(kinds[1:]):
            bits.skip(1)


def _grain(bits: _Bits, sequence: _Sequence) -> None:
    bits.skip(16)
    points = [_points(bits)]
    from_luma = not sequence.grey and bits()
    with_chroma = not (sequence.grey or from_luma or (sequence.subsampled and not points[0]))
    points += [_points(bits), _points(bits)] if with_chroma else [0, 0]
    bits.skip(2)
    lag = bits(2)
    places = 2 * lag * (lag + 1)
    if points[0]:
        bits.skip(8 * places)
    for count in points[1:]:
        if from_luma or count:
            bits.skip(8 * (places + bool(points[0])))
    bits.skip(4)
    for count in points[1:]:
        if count:
            bits.skip(25)
    bits.skip(2)


def _points(bits: _Bits) -> int:
    count = bits(4)
    bits.skip(16 * count)
    return count
