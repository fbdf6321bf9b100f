"""How far a picture reaches by its own structure, and the error of one that does not reach its end."""

from __future__ import annotations

from typing import NamedTuple

MAX_STEPS = 2_000_000
"""Blocks walked before a file is called damaged: real pictures have thousands at most."""


class CutShort(ValueError):
    """The structure runs over the end of the file, or into nonsense."""


class Extent(NamedTuple):
    """`end`: the offset just behind the picture's last byte; `frames`: how many it has, 0 where only decoding tells."""

    end: int
    frames: int = 1
