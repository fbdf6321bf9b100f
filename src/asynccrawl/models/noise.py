"""The same picture under several labels: what a report says of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class LabelPair(NamedTuple):
    """How many pictures two labels share; the first label comes first in the alphabet."""

    first: str
    second: str
    pictures: int


class Shared(NamedTuple):
    """A picture with several labels: how many, the first few of them, and its records by name, some of them."""

    sha256: str
    labels: int
    some: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(slots=True)
class LabelNoise:
    """Pictures that stand under several labels, byte for byte the same, over a whole ledger.

    `pictures` counts them, `records` the records that have them, be they saved or left out as duplicates. `pairs` are
    the labels that share most, `examples` the pictures with the most labels.
    """

    pictures: int = 0
    records: int = 0
    pairs: list[LabelPair] = field(default_factory=list)
    examples: list[Shared] = field(default_factory=list)
