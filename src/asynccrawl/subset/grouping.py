"""A grouping: coarse classes, each made of labels that have a name of their own in it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ..errors import SettingsError
from ..models import safe_name
from .synsets import synsets

_SYNSET = re.compile(r"n\d+")
_NO_NAME = re.compile(r"^$|^\.|[/\0-\x1f\x7f]")
_NAME_BYTES = 200

Members = Mapping[str, str]
"""What a class is made of: a name for each of its labels, such as {"baseball": "n02799071"}."""
Mapped = Mapping[str, str | Collection[str] | Members]
"""A grouping as plain Python: class -> {name: label}, or class -> labels, or label -> class."""


class BadGrouping(SettingsError):
    """What cannot be a grouping. `about` are words by which its line can be found: what is wrong, then where it is."""

    def __init__(self, source: str, about: tuple[str, ...], what: str) -> None:
        super().__init__(f"{source}: {what}")
        self.about = about
        self.what = what


@dataclass(frozen=True, slots=True)
class Grouping:
    """Classes of labels: `groups` maps each class to its members, name -> label. `source` says where it is from.

    A label belongs to one class only, or a picture would be in two. Classes and names become directories, so they
    hold no slash and do not begin with a dot. A class without members is kept and reported (`empty`). Raises
    SettingsError for what cannot be a grouping.
    """

    groups: Mapping[str, Members]
    source: str = "the mapping"
    _classes: Mapping[str, str] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        classes: dict[str, str] = {}
        folded: dict[str, str] = {}
        for group, members in self.groups.items():
            self._check_name(group, folded, "class")
            names: dict[str, str] = {}
            for name, label in members.items():
                self._check_name(name, names, f"member of {group}", group)
                self._claim(classes, label, name, group)
        if not classes:
            raise BadGrouping(self.source, (), "no class has a member; a class is a table such as [ball]")
        frozen = {group: MappingProxyType(dict(members)) for group, members in self.groups.items()}
        object.__setattr__(self, "groups", MappingProxyType(frozen))
        # Datasets have labels in their safe form for directories.
        classes |= {safe_name(label, label): group for label, group in classes.items()}
        object.__setattr__(self, "_classes", MappingProxyType(classes))

    def __repr__(self) -> str:
        return f"<Grouping {self.source}: {len(self.groups)} classes, {len(self.labels)} labels>"

    @classmethod
    def of(cls, mapping: Mapped, source: str = "the mapping") -> Grouping:
        """The grouping that plain Python means. Raises SettingsError."""
        if not isinstance(mapping, Mapping):
            raise BadGrouping(source, (), f"a grouping is a mapping, not {type(mapping).__name__}")
        groups: dict[str, dict[str, str]] = {}
        for key, value in mapping.items():
            if isinstance(value, str):
                groups.setdefault(value, {})[_text(key, source, value)] = key
            else:
                groups.setdefault(_text(key, source, ""), {}).update(_members(key, value, source))
        return cls(groups, source)

    @property
    def labels(self) -> frozenset[str]:
        """All labels that are in a class."""
        return frozenset(label for members in self.groups.values() for label in members.values())

    @property
    def empty(self) -> list[str]:
        """Classes without a member."""
        return [group for group, members in self.groups.items() if not members]

    @property
    def unknown(self) -> list[str]:
        """Labels that look like synsets and are none of the 1,000."""
        return [label for _, _, label in self.members() if _SYNSET.fullmatch(label) and label not in synsets()]

    def class_of(self, label: str | None) -> str | None:
        """The class of a label, also in the form it has as a directory; None for one that is in no class."""
        return None if label is None else self._classes.get(label)

    def members(self) -> Iterator[tuple[str, str, str]]:
        """(class, name, label) of every member."""
        for group, members in self.groups.items():
            for name, label in members.items():
                yield group, name, label

    def _check_name(self, name: str, seen: dict[str, str], what: str, *where: str) -> None:
        if _NO_NAME.search(name) or len(name.encode("utf-8", "replace")) > _NAME_BYTES:
            text = f"the {what} {name[:80]!r} cannot be a directory; give it another name"
            raise BadGrouping(self.source, (name, *where), text)
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            text = f"the {what} {name!r} and {other!r} differ in case only, and are one directory on many file systems"
            raise BadGrouping(self.source, (name, *where), f"{text}; rename one")

    def _claim(self, classes: dict[str, str], label: str, name: str, group: str) -> None:
        if not label or _NO_NAME.search(label):
            raise BadGrouping(self.source, (label, name, group), f"{label[:80]!r} in {group} cannot be a label")
        if label in classes:
            both = f"{classes[label]} and {group}" if classes[label] != group else f"{group} twice"
            raise BadGrouping(
                self.source, (label, name, group), f"{label} is in {both}; a label belongs to one class, once"
            )
        classes[label] = group


def _members(group: str, value: object, source: str) -> Members:
    if isinstance(value, Mapping):
        return {_text(name, source, group): _text(label, source, str(name), group) for name, label in value.items()}
    if isinstance(value, Collection) and not isinstance(value, bytes | bytearray):
        labels = [_text(label, source, group) for label in value]
        twice = next((label for label in labels if labels.count(label) > 1), None)
        if twice is not None:
            raise BadGrouping(
                source, (twice, group), f"{group} holds {twice} twice; a label belongs to one class, once"
            )
        return {label: label for label in labels}
    text = f"{group!r:.80} is {value!r:.80}; a class is a table of NAME = LABEL, or a list of labels"
    raise BadGrouping(source, (group,), text)


def _text(value: object, source: str, *where: str) -> str:
    if not isinstance(value, str):
        raise BadGrouping(
            source, (str(value), *where), f"{value!r:.80} is {type(value).__name__}; names and labels are text"
        )
    return value
