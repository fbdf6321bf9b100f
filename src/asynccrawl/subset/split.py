"""Which split a picture belongs to, decided by its name alone: the same on every machine, and when the set grows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Shares of validation and test pictures, in percent; the rest is for training. Both 0: no split at all.

    A name is hashed to a point between 0 and 100 (the first 8 bytes of its SHA-256). Validation takes the points
    below `val`, test those from 100 - `test` on, so each share can be changed without moving what the other holds.
    Shares hold on average: a small class may have none in a split. Raises ValueError for shares that leave nothing
    to train on.
    """

    val: float = 0.0
    test: float = 0.0

    def __post_init__(self) -> None:
        for field in ("val", "test"):
            share = getattr(self, field)
            if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 100:
                raise ValueError(f"{field} is {share!r}; it must be a share in percent, from 0 to below 100")
        if self.val + self.test >= 100:
            raise ValueError(f"val is {self.val} and test {self.test} percent, which leaves nothing to train on")

    @property
    def names(self) -> tuple[str, ...]:
        """The splits there are; none without shares."""
        if not (self.val or self.test):
            return ()
        return ("train", *(["val"] if self.val else []), *(["test"] if self.test else []))

    def of(self, name: str) -> str | None:
        """The split of the picture called `name`; None without shares."""
        if not (self.val or self.test):
            return None
        point = _point(name)
        if point < self.val:
            return "val"
        return "test" if point >= 100 - self.test else "train"


def _point(name: str) -> float:
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") * (100 / 2**64)
