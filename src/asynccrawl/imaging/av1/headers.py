"""The headers of a still picture in AV1 (specification, 5.5 and 5.9), as far as it takes to know where they end.

Between a frame's header and its tiles up to seven bits are left over. They are zero by the standard, libaom insists on
it as it does on a level that exists, and dav1d looks at neither. Only a key frame that is shown at once is followed; of
any other there is no opinion.
"""

from __future__ import annotations

from .bits import Bits, Unsure, units
from .frame import read_frame
from .sequence import Sequence, read_sequence

_SEQUENCE, _FRAME = 1, 6
_LEVELS = frozenset({0, 1, 4, 5, 8, 9, *range(12, 20), 31})
"""Levels that are defined (annex A.3), and 31 for none. Those of 7.0 and above came later, and libaom lacks them."""


def flaw(data: bytes) -> str | None:
    """What the standard forbids in the headers of the first frame; None where there is nothing, or nothing is known."""
    sequence = None
    try:
        for kind, body in units(data):
            if kind < 0:
                return "a unit has a forbidden bit, or no size"
            if kind == _SEQUENCE:
                sequence = read_sequence(Bits(body))
                if not _LEVELS.issuperset(sequence.levels):
                    return "its level is one that there is not"
            elif kind == _FRAME and sequence:
                return None if _zero_behind(Bits(body), sequence) else "bits are set behind its frame's header"
    except (Unsure, IndexError):
        return None
    return None


def _zero_behind(bits: Bits, sequence: Sequence) -> bool:
    frame = read_frame(bits, sequence)
    whole = not bits(-bits.at % 8)
    if whole and frame.tiles > 1 and not bits():  # each tile is there: no numbers follow
        whole = not bits(7)
    return whole
