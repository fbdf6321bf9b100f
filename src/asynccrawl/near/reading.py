"""What `asynccrawl near` has found, for whoever divides a dataset: near-duplicates belong on one side. Pure reading."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..ledger import FILE_NAME, near_groups, reading


class Groups:
    """Groups of near-duplicates by the names of their pictures: what `export(near=)` takes."""

    def __init__(self, by_name: Mapping[str, str]) -> None:
        self._by_name = by_name

    def __repr__(self) -> str:
        return f"<Groups of {len(self._by_name)} pictures>"

    def group_of(self, name: str) -> str | None:
        """The group of a picture, which is the name of its first member; None for one that is like no other."""
        return self._by_name.get(name)


def read_groups(root: Path) -> Groups | None:
    """The groups that are recorded in the dataset at `root`; None where there are none. Raises StorageError."""
    if not (root / FILE_NAME).is_file():
        return None
    with reading(root / FILE_NAME) as connection:
        found = {member.name: group[0].name for group in near_groups(connection) for member in group}
    return Groups(found) if found else None
