"""Which split a picture belongs to, decided by its name alone: the same on every machine, and when the set grows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Splitter(Protocol):
    """A rule that divides the pictures of each class."""

    @property
    def names(self) -> tuple[str, ...]:
        """The splits there are; none when nothing is divided."""

    def assign(self, names: Sequence[str]) -> list[str | None] | None:
        """The split of each picture of one class, or None for a class that the rule leaves out."""


class NearGroups(Protocol):
    """What is known of pictures that look alike."""

    def group_of(self, name: str) -> str | None:
        """The name of the group that the picture called `name` belongs to; None for one that is like no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Shares of validation and test pictures, in percent; the rest is for training. Both 0: no split at all.

    A name is hashed to a point between 0 and 100 (the first 8 bytes of its SHA-256). Validation takes the points
    below `val`, test those from 100 - `test` on, so each share can be changed without moving what the other holds.
    Shares hold on average: a small class may have none in a split. Raises ValueError for shares that leave nothing
    to train on.

    near: pictures of one of its groups go where their group's name hashes to, so that none that was trained on is
    met again, slightly changed, in validation.
    """

    val: float = 0.0
    test: float = 0.0
    near: NearGroups | None = None

    def __post_init__(self) -> None:
        check_shares(self.val, self.test)

    @property
    def names(self) -> tuple[str, ...]:
        """The splits there are; none without shares."""
        return split_names(self.val, self.test)

    def of(self, name: str) -> str | None:
        """The split of the picture called `name`; None without shares."""
        if not (self.val or self.test):
            return None
        group = self.near.group_of(name) if self.near else None
        point = point_of(name if group is None else group)
        if point < self.val:
            return "val"
        return "test" if point >= 100 - self.test else "train"

    def assign(self, names: Sequence[str]) -> list[str | None]:
        """The split of each of `names`, whatever class they are of."""
        return [self.of(name) for name in names]


def check_shares(val: float, test: float) -> None:
    """Raise ValueError for shares that are none, or that leave nothing to train on."""
    for field, share in (("val", val), ("test", test)):
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 100:
            raise ValueError(f"{field} is {share!r}; it must be a share in percent, from 0 to below 100")
    if val + test >= 100:
        raise ValueError(f"val is {val} and test {test} percent, which leaves nothing to train on")


def split_names(val: float, test: float) -> tuple[str, ...]:
    """The splits that such shares make; none without shares."""
    if not (val or test):
        return ()
    return ("train", *(["val"] if val else []), *(["test"] if test else []))


def point_of(name: str) -> float:
    """The point between 0 and 100 that a name is hashed to."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") * (100 / 2**64)
