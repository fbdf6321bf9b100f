"""Which split each picture of a data set goes to, for whoever reads it picture by picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container
from pathlib import Path

from ..models import Sample
from ..sinks import read_directory
from ..subset import Grouping, Split, Splitter


class Sides:
    """The splits of the pictures in `root`. A rule that needs whole classes is told them first: names are in memory.

    dropped: classes that the rule leaves out, with their pictures.
    """

    def __init__(self, root: Path, grouping: Grouping, splitter: Splitter, wanted: Container[str]) -> None:
        """Blocks. Raises ListError."""
        self.dropped: dict[str, int] = {}
        self._grouping = grouping
        self._hash = splitter if isinstance(splitter, Split) else None
        self._known: dict[tuple[str | None, str], str | None] = {}
        if self._hash is None:
            self._divide(root, splitter, wanted)

    def of(self, sample: Sample) -> str | None:
        """The split of a picture; None where nothing is divided."""
        if self._hash is not None:
            return self._hash.of(sample.name)
        return self._known.get((sample.label, sample.name))

    def has(self, sample: Sample) -> bool:
        """Whether the picture's class is not left out."""
        return self._grouping.class_of(sample.label) not in self.dropped

    def _divide(self, root: Path, splitter: Splitter, wanted: Container[str]) -> None:
        classes: dict[str, list[tuple[str | None, str]]] = defaultdict(list)
        for sample in read_directory(root, wanted.__contains__):
            classes[self._grouping.class_of(sample.label) or ""].append((sample.label, sample.name))
        for group, members in classes.items():
            splits = splitter.assign([name for _, name in members])
            if splits is None:
                self.dropped[group] = len(members)
            else:
                self._known |= dict(zip(members, splits, strict=True))
