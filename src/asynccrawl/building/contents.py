"""What goes into an export, decided before anything is written: names, classes, splits, order."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from ..errors import SettingsError
from ..ledger import FILE_NAME, kinds_of_extra, reading, suspects
from ..models import suffixed
from ..sinks import Column, Listed, list_imagefolder, list_shards, shards_in
from ..subset import Grouping, point_of
from .export_options import ExportOptions

_COLUMNS: dict[frozenset[str], Column] = {
    frozenset({"bool"}): "bool", frozenset({"int"}): "int64", frozenset({"float"}): "float64",
    frozenset({"int", "float"}): "float64",
}  # fmt: skip


class Item(NamedTuple):
    """A picture of the data set, and what it is called in the export."""

    listed: Listed
    name: str
    label: str | None
    split: str | None


@dataclass(frozen=True, slots=True)
class Contents:
    """All pictures of an export in the order in which they are written.

    labels: in the order of their numbers, sorted. columns: the list's further columns and their types. dropped:
    classes that the rule of splitting leaves out, with their pictures. unwanted: pictures whose label is in no class.
    suspect: pictures that are left out, since they should have been taken back.
    """

    items: list[Item]
    labels: list[str]
    splits: tuple[str, ...]
    columns: dict[str, Column] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    unwanted: int = 0
    suspect: int = 0


def contents_of(root: Path, grouping: Grouping | None, options: ExportOptions) -> Contents:
    """List a data set, and decide. Blocks. Raises ListError, StorageError and SettingsError.

    Names are as in the data set; those that several pictures of a plain folder have get a digest of their label. Held
    in memory are the names of all pictures, some 400 bytes each.
    """
    has_ledger = (root / FILE_NAME).is_file()
    bad, columns = _told(root) if has_ledger else (set(), {})
    listed = list(list_shards(root) if shards_in(root) else list_imagefolder(root))
    kept = [one for one in listed if one.path not in bad]
    items = _mapped(kept, grouping, _shared_names(kept))
    divided = {item.split for item in items} - {None}
    if divided and options.splitter.names:
        names = ", ".join(sorted(map(str, divided)))
        raise SettingsError(f"{root} is divided into {names} already; leave out val and test")
    items, dropped = (items, {}) if divided else _divided(items, options)
    labels = sorted({item.label for item in items if item.label is not None})
    if options.format == "lmdb" and len(labels) < 2:
        raise SettingsError(f"{root}: a DIGITS data set needs two classes at least, and here are {len(labels)}")
    if options.format != "imagefolder":  # in shards and databases, neighbours stay neighbours for a reader
        items.sort(key=lambda item: point_of(f"{options.seed}/{item.name}"))
    splits = tuple(split for split in ("train", "val", "test") if split in divided) or options.splitter.names
    return Contents(items, labels, splits, columns, dropped, len(kept) - len(items) - sum(dropped.values()),
                    len(listed) - len(kept))  # fmt: skip


def _told(root: Path) -> tuple[set[str], dict[str, Column]]:
    """What the ledger says: which files are not to be trusted, and which further columns there are."""
    with reading(root / FILE_NAME) as connection:
        kinds = kinds_of_extra(connection)
        return suspects(connection), {name: _column(found) for name, found in kinds.items()}


def _column(kinds: Iterable[str]) -> Column:
    return _COLUMNS.get(frozenset(kinds) - {"NoneType"}, "string")


def _shared_names(listed: Iterable[Listed]) -> set[int]:
    """Hashes of the names that more than one picture has, case folded."""
    hashes = array("q", sorted(hash(one.name.lower()) for one in listed))
    return {one for one, following in pairwise(hashes) if one == following}


def _mapped(listed: Iterable[Listed], grouping: Grouping | None, shared: set[int]) -> list[Item]:
    items = []
    for one in listed:
        label = one.label if grouping is None else grouping.class_of(one.label)
        if label is None and grouping is not None:
            continue
        name = one.name
        if hash(name.lower()) in shared:
            name = suffixed(name, f"{one.split}/{one.label}/{name}" if one.split else f"{one.label}/{name}")
        items.append(Item(one, name, label, one.split))
    return items


def _divided(items: list[Item], options: ExportOptions) -> tuple[list[Item], dict[str, int]]:
    """Give every picture its split, class by class; returns the pictures, and the classes that are left out."""
    classes: Mapping[str | None, list[Item]] = defaultdict(list)
    for item in items:
        classes[item.label].append(item)
    divided: list[Item] = []
    dropped: Counter[str] = Counter()
    for label in sorted(classes, key=lambda label: label or ""):
        splits = options.splitter.assign([item.listed.name for item in classes[label]])
        if splits is None:
            dropped[label or "no label"] = len(classes[label])
            continue
        divided += [item._replace(split=split) for item, split in zip(classes[label], splits, strict=True)]
    return divided, dict(dropped)
