"""The header of a sequence (specification, 5.5)."""

from __future__ import annotations

from dataclasses import dataclass

from .bits import Bits, Unsure

CHOSEN = 2
"""What a sequence says where each frame chooses by itself (SELECT_SCREEN_CONTENT_TOOLS, SELECT_INTEGER_MV)."""
_SRGB_WITHOUT_MATRIX = (1, 13, 0)


@dataclass(slots=True)
class Sequence:
    """What frames need of their sequence."""

    reduced: bool = True
    levels: tuple[int, ...] = ()
    width_bits: int = 0
    height_bits: int = 0
    width: int = 0
    height: int = 0
    id_bits: int = 0
    large: bool = False
    screen_content: int = CHOSEN
    integer_motion: int = CHOSEN
    order_bits: int = 0
    superres: bool = False
    cdef: bool = False
    restoration: bool = False
    grey: bool = False
    subsampled: bool = True
    own_chroma: bool = False
    grain: bool = False


def read_sequence(bits: Bits) -> Sequence:
    """Read a sequence's header. Raises Unsure where it is none that is followed."""
    profile, _, reduced = bits(3), bits(), bits()
    sequence = Sequence(reduced=bool(reduced))
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


def _operating_points(bits: Bits) -> tuple[int, ...]:
    """The level of each."""
    if bits():  # how frames are timed: a film
        raise Unsure
    delays, levels = bits(), []
    for _ in range(bits(5) + 1):
        bits.skip(12)
        levels.append(bits(5))
        if levels[-1] > 7:
            bits.skip(1)
        if delays and bits():
            bits.skip(4)
    return tuple(levels)


def _tools(bits: Bits, sequence: Sequence) -> None:
    bits.skip(4)
    ordered = bits()
    if ordered:
        bits.skip(2)
    sequence.screen_content = CHOSEN if bits() else bits()
    if sequence.screen_content:
        sequence.integer_motion = CHOSEN if bits() else bits()
    if ordered:
        sequence.order_bits = bits(3) + 1


def _colours(bits: Bits, sequence: Sequence, profile: int) -> None:
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
