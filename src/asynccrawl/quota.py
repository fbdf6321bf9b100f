"""How many pictures of each label are wanted, saved, and on their way. Pure; no I/O.

A picture is on its way, *in hand*, from the start of a fetch until its outcome is recorded. While saved and in hand
make up the quota nothing more of the label is fetched: what is in hand may fail, so the rest waits, and is let in one
by one as it does. So the quota is met as long as records remain, and never exceeded.

Near its end a label would thus be down to single fetches. Therefore up to `surplus` pictures in all may be fetched
beyond their quotas, at most as many again as a label still needs. Each of them that proves valid and unneeded is
dropped and uses the surplus up, so no more than `surplus` are ever fetched in vain.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Mapping


class Verdict(enum.Enum):
    """Whether a record of a label should be fetched now, later or never."""

    GO = "go"
    WAIT = "wait"
    FULL = "full"


class Quota:
    """Counts by label. `per_label`: pictures wanted of each; `saved`: those that earlier runs have saved.

    Records without a label belong to no class, and are never held back.
    """

    def __init__(self, per_label: int, surplus: int, saved: Mapping[str, int] | None = None) -> None:
        self.per_label = per_label
        self._surplus = surplus
        self._saved = Counter(saved or {})
        self._in_hand: Counter[str] = Counter()
        self._beyond = 0  # in hand beyond the quotas, over all labels
        self._changed: set[str] = set()
        self._expecting: set[str] = set()  # labels that were full, or looked so, and are no more
        self.dropped = 0

    def __repr__(self) -> str:
        saved, in_hand = sum(self._saved.values()), sum(self._in_hand.values())
        return f"<Quota {self.per_label} a label, {saved} saved, {in_hand} in hand, {self.dropped} dropped>"

    def verdict(self, label: str | None) -> Verdict:
        """Whether a record of `label` should be fetched now."""
        if label is None:
            return Verdict.GO
        wanted = self.per_label - self._saved[label]
        if wanted <= 0:
            return Verdict.FULL
        in_hand = self._in_hand[label]
        if in_hand < wanted:
            return Verdict.GO
        return Verdict.GO if in_hand < 2 * wanted and self.dropped + self._beyond < self._surplus else Verdict.WAIT

    def full(self, label: str | None) -> str:
        """Why nothing more of `label` is kept."""
        return f"{label} has the {self.per_label} images that were asked for"

    def room(self, label: str) -> int:
        """How many more pictures of `label` could be needed."""
        return max(1, self.per_label - self._saved[label] - self._in_hand[label])

    def begin(self, label: str | None) -> None:
        """A fetch begins."""
        if label is not None:
            self._hold(label, 1)

    def end(self, label: str | None) -> None:
        """What was in hand came to nothing: its fetch failed, or its picture was refused."""
        if label is not None:
            self._hold(label, -1)
            self._changed.add(label)

    def take(self, label: str | None) -> bool:
        """A valid picture is about to be stored. False: its label is full, and the picture is dropped."""
        if label is None:
            return True
        full = self._saved[label] >= self.per_label
        self._hold(label, -1)
        if full:
            self.dropped += 1
        else:
            self._save(label, 1)
        return not full

    def give_back(self, label: str | None) -> None:
        """What was taken could not be stored, or was taken back."""
        if label is not None:
            self._save(label, -1)
            self._changed.add(label)
            self._expecting.add(label)

    def expect(self, labels: Iterable[str | None]) -> None:
        """Records of these labels wait again although they were told that their label is full."""
        self._expecting.update(label for label in labels if label is not None)

    def lacking(self) -> dict[str, int]:
        """How many records of each label that was full should be opened again: twice as many as it lacks, since some
        will fail. To be asked when nothing is in hand; each label once, until something else happens to it.
        """
        lacks = {label: 2 * (self.per_label - self._saved[label]) for label in self._expecting}
        self._expecting.clear()
        return {label: n for label, n in lacks.items() if n > 0}

    def changed(self) -> set[str]:
        """The labels of which something came to nothing, or that became full, since this was last asked."""
        changed, self._changed = self._changed, set()
        return changed

    def _hold(self, label: str, n: int) -> None:
        before = self._over(label)
        self._in_hand[label] = max(0, self._in_hand[label] + n)
        if not self._in_hand[label]:
            del self._in_hand[label]
        self._beyond += self._over(label) - before

    def _save(self, label: str, n: int) -> None:
        before = self._over(label)
        self._saved[label] += n
        if self._saved[label] >= self.per_label:
            self._changed.add(label)
        self._beyond += self._over(label) - before

    def _over(self, label: str) -> int:
        return max(0, self._in_hand[label] - max(0, self.per_label - self._saved[label]))
