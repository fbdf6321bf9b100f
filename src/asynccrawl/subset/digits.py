"""The split of DIGITS, NVIDIA's training front end (version 6.1.1, `parse_folder`): exact shares of every class.

    round(x)    half away from zero, as Python 2 did it
    train       round(n * (100 - val - test) / 100), at least 1
    val         round(n * val / 100), or what is left; where that is none, one is taken from train
    test        the rest; where that is none, one is taken from val, or else from train

A class is left out when it has fewer pictures than there are splits, or fewer than two. DIGITS shuffles each class by a
generator without a seed; ours has one, so the same pictures and the same seed give the same split. It is not stable
when the class grows: that is what `Split` is for.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from .split import check_shares, split_names

LEAST = 2
"""A class of DIGITS has at least so many pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitsSplit:
    """DIGITS's rule with `val` and `test` percent and the `seed` of the shuffle. Raises ValueError for bad shares."""

    val: float = 0.0
    test: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_shares(self.val, self.test)

    @property
    def names(self) -> tuple[str, ...]:
        """The splits there are; none without shares."""
        return split_names(self.val, self.test)

    def assign(self, names: Sequence[str]) -> list[str | None] | None:
        """The split of each picture of one class, given in any order; None for a class that is left out."""
        if len(names) < max(LEAST, len(self.names)):
            return None
        if not self.names:
            return [None] * len(names)
        train, val, _ = digits_counts(len(names), self.val, self.test)
        order = sorted(range(len(names)), key=names.__getitem__)
        random.Random(self.seed).shuffle(order)
        splits: list[str | None] = ["test"] * len(names)
        for place, index in enumerate(order[: train + val]):
            splits[index] = "train" if place < train else "val"
        return splits


def digits_counts(n: int, val: float, test: float = 0.0) -> tuple[int, int, int]:
    """How many of `n` pictures of a class go to train, val and test, at so many percent."""
    train = max(1, half_up(n * (100 - val - test) / 100))
    held = min(half_up(n * val / 100), n - train)
    if val and not held:
        held, train = (1, train - 1) if train > 1 else (int(n > train), train)
    rest = n - train - held
    if test and not rest:
        if held > 1:
            held, rest = held - 1, 1
        elif train > 1:
            train, rest = train - 1, 1
    return train, held, rest


def half_up(x: float) -> int:
    """`x`, which is not negative, rounded to the nearest whole number, halves up."""
    return math.floor(x + 0.5)
