"""The header of a key frame that is shown at once (specification, 5.9)."""

from __future__ import annotations

from dataclasses import dataclass

from .bits import Bits, Unsure
from .sequence import CHOSEN, Sequence

_FEATURES = ((9, True), (7, True), (7, True), (7, True), (7, True), (3, False), (0, False), (0, False))
"""Bits of each feature of a segment with its sign, and whether it has one; the first is the quantiser's (5.9.14)."""
_MAX_TILE, _MAX_AREA, _MAX_TILES = 4096, 4096 * 2304, 64
"""Pixels of a tile's side and of a whole tile; tiles in a row or column (section 3)."""


@dataclass(slots=True)
class Frame:
    """What later fields of a frame's header hang on."""

    width: int = 0
    height: int = 0
    scaled: bool = False
    block_copy: bool = False
    quantiser: int = 0
    lossless: bool = False
    tiles: int = 1


def read_frame(bits: Bits, sequence: Sequence) -> Frame:
    """Read a frame's header up to its end. Raises Unsure where it is none that is followed."""
    frame = Frame()
    # A frame that is shown again, that is no key frame, or that is not shown is not followed.
    if not sequence.reduced and (bits(), bits(2), bits()) != (0, 0, 1):
        raise Unsure
    fixed_symbols = bits()
    screen_content = bits() if sequence.screen_content == CHOSEN else sequence.screen_content
    if screen_content and sequence.integer_motion == CHOSEN:
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


def _size(bits: Bits, sequence: Sequence, frame: Frame, other: bool) -> None:
    frame.width, frame.height = sequence.width, sequence.height
    if other:
        frame.width, frame.height = bits(sequence.width_bits) + 1, bits(sequence.height_bits) + 1
    if sequence.superres and bits():
        denominator = bits(3) + 9
        frame.width, frame.scaled = (frame.width * 8 + denominator // 2) // denominator, True
    if bits():
        bits.skip(16, 16)


def _tiles(bits: Bits, sequence: Sequence, frame: Frame) -> None:
    shift = 7 if sequence.large else 6
    across, down = -(-frame.width >> shift), -(-frame.height >> shift)
    fewest = _logarithm(_MAX_TILE >> shift, across)
    if not bits():
        raise Unsure
    columns = _increased(bits, fewest, _logarithm(1, min(across, _MAX_TILES)))
    in_all = max(fewest, _logarithm(_MAX_AREA >> 2 * shift, across * down))
    rows = _increased(bits, max(in_all - columns, 0), _logarithm(1, min(down, _MAX_TILES)))
    if columns or rows:
        bits.skip(columns + rows, 2)
    wide, high = -(-across >> columns), -(-down >> rows)
    frame.tiles = -(-across // wide) * -(-down // high)


def _increased(bits: Bits, least: int, most: int) -> int:
    while least < most and bits():
        least += 1
    return least


def _logarithm(unit: int, target: int) -> int:
    """How often a unit has to be doubled to reach the target."""
    count = 0
    while unit << count < target:
        count += 1
    return count


def _quantisers(bits: Bits, sequence: Sequence, frame: Frame) -> None:
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


def _delta(bits: Bits) -> int:
    return bits.signed(7) if bits() else 0


def _segments(bits: Bits, quantiser: int) -> list[int]:
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


def _filters(bits: Bits, sequence: Sequence) -> None:
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


def _restoration(bits: Bits, sequence: Sequence) -> None:
    kinds = [bits(2) for _ in range(1 if sequence.grey else 3)]
    if any(kinds):
        if bits() and not sequence.large:
            bits.skip(1)
        if sequence.subsampled and any(kinds[1:]):
            bits.skip(1)


def _grain(bits: Bits, sequence: Sequence) -> None:
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


def _points(bits: Bits) -> int:
    count = bits(4)
    bits.skip(16 * count)
    return count
