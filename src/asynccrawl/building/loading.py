"""Pictures of a data set as samples, with all that is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..ledger import FILE_NAME, outcomes_of, reading
from ..models import Outcome, Request, Sample
from ..sinks import sample_at, sample_in, shards_in
from .contents import Item


class Loader:
    """Makes samples of items, a batch at a time. What a crawl's ledger tells of them goes along."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._sharded = bool(shards_in(root))
        self._ledger = (root / FILE_NAME).is_file()

    def load(self, items: Sequence[Item], first: int) -> list[Sample]:
        """The samples of `items`, counted from `first`. Blocks. Raises ListError and StorageError."""
        told: dict[str, Outcome] = {}
        if self._ledger:
            with reading(self._root / FILE_NAME) as connection:
                told = outcomes_of(connection, [item.listed.name for item in items])
        return [self._sample(item, first + n, told.get(item.listed.path)) for n, item in enumerate(items)]

    def _sample(self, item: Item, ordinal: int, outcome: Outcome | None) -> Sample:
        read = sample_in if self._sharded else sample_at
        sample = read(self._root, item.listed, ordinal)
        if outcome is not None:
            sample = replace(
                sample, request=Request(outcome.url, outcome.key, item.label, outcome.extra), width=outcome.width,
                height=outcome.height, mode=outcome.mode, sha256=outcome.sha256, bytes=outcome.bytes or sample.bytes,
            )  # fmt: skip
        return replace(sample, name=item.name, label=item.label, split=item.split)
