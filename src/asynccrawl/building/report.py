"""What a subset came to: counts by class and split, and everything that was missing or in the way."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ..models import safe_name
from ..subset import Grouping
from .options import SubsetOptions

THIN = 0.25
"""A class with fewer pictures than this share of the median class is called thin. (The tutorial's twelve classes
have 2 to 123 synsets, median 7; with as many pictures a synset, its smallest class is just above.)"""
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class ClassCount:
    """One class: how many `labels` it is made of and how many were `found`, its `images`, and those `by_split`."""

    labels: int
    found: int
    images: int
    by_split: dict[str | None, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SubsetReport:
    """What a subset came to.

    classes: a ClassCount each. missing: (class, name, label) without a directory or without a picture in it.
    unknown: synsets of the grouping that are none of the 1,000. empty: classes without a member. thin: classes with
    few pictures. bare: (split, class) without a picture. refused: what was in the way, one line each. leftovers:
    pictures in the output that are none of this subset, by directory. pruned: links to pictures that are gone, which
    were removed. dropped: classes with too few pictures for DIGITS's rule, which are left out.
    """

    source: str
    out: str
    layout: str
    classes: dict[str, ClassCount]
    missing: list[tuple[str, str, str]]
    unknown: list[str]
    empty: list[str]
    thin: list[str]
    bare: list[tuple[str, str]]
    refused: list[str]
    leftovers: dict[str, int]
    pruned: int = 0
    dropped: dict[str, int] = field(default_factory=dict)

    @property
    def images(self) -> int:
        """Pictures in the subset."""
        return sum(count.images for count in self.classes.values())

    @property
    def complete(self) -> bool:
        """Whether nothing is to be complained of; what `--strict` asks for."""
        return not self.findings

    @property
    def findings(self) -> list[str]:
        """Everything that is to be complained of, a line each."""
        found = self._missing_by_class()
        found += [f"{label}: none of the 1,000 synsets; is it misspelt?" for label in self.unknown]
        found += [f"{group}: the class has no member" for group in self.empty]
        found += [f"{group}: {n:,} images are too few; the class is left out" for group, n in self.dropped.items()]
        found += [f"{group}: only {self.classes[group].images:,} images, see the median class" for group in self.thin]
        found += [f"{group}: no picture of it falls into {split}" for split, group in self.bare]
        found += [
            f"{where}: {n:,} files that are none of this subset; remove them" for where, n in self.leftovers.items()
        ]
        return found + self.refused

    def _missing_by_class(self) -> list[str]:
        lines = []
        for group, count in self.classes.items():
            missing = [f"{label} ({name})" for of, name, label in self.missing if of == group]
            if missing:
                more = f" and {len(missing) - 3:,} more" if len(missing) > 3 else ""
                lines.append(
                    f"{group}: no pictures of {len(missing):,} of its {count.labels:,} labels: "
                    f"{', '.join(missing[:3])}{more}"
                )
        return lines

    def __str__(self) -> str:
        return text_of(self)


class Counting:
    """Counts while a subset is built. `found` maps labels to their directories."""

    def __init__(self, grouping: Grouping, found: dict[str, str]) -> None:
        self._grouping = grouping
        self._found = found
        self._images: Counter[str] = Counter()
        self._splits: Counter[tuple[str | None, str]] = Counter()
        self._refused: list[str] = []
        self._left: dict[str, int] = {}
        self._pruned = 0
        self.dropped: dict[str, int] = {}

    def add(self, directory: str, split: str | None, n: int = 1) -> None:
        """`n` pictures of the label in `directory` were stored."""
        self._images[directory] += n
        self._splits[split, self._grouping.class_of(directory) or ""] += n

    def refuse(self, trouble: str) -> None:
        """A picture or link could not be stored."""
        self._refused.append(trouble)

    def tidied(self, pruned: int, present: dict[tuple[str | None, str], int]) -> None:
        """So many links were removed, and so many pictures are in the directories of the output."""
        self._pruned = pruned
        for (split, group), n in sorted(present.items(), key=lambda item: (item[0][0] or "", item[0][1])):
            if n > self._splits[split, group]:
                self._left[f"{split}/{group}" if split else group] = n - self._splits[split, group]

    def report(self, options: SubsetOptions, out: str) -> SubsetReport:
        """The report so far."""
        grouping = self._grouping
        classes = {group: self._class(group, options) for group in grouping.groups}
        sizes = [count.images for count in classes.values() if count.labels]
        bar = THIN * statistics.median(sizes) if sizes else 0
        return SubsetReport(
            source=grouping.source, out=out, layout=options.layout, classes=classes,
            missing=[member for member in grouping.members() if not self._images[self._found.get(member[2], "")]],
            unknown=[label for label in grouping.unknown if label not in self._found],
            empty=grouping.empty,
            thin=[group for group, count in classes.items() if 0 < count.images < bar],
            bare=[(split, group) for split in options.splitter.names for group, count in classes.items()
                  if count.images and not count.by_split.get(split)],
            refused=self._refused, leftovers=self._left, pruned=self._pruned,
            dropped=self.dropped,
        )  # fmt: skip

    def _class(self, group: str, options: SubsetOptions) -> ClassCount:
        members = self._grouping.groups[group].values()
        by_split: dict[str | None, int] = {
            split: self._splits[split, group] for split in options.splitter.names or (None,)
        }
        found = sum(1 for label in members if self._images[self._found.get(label, "")])
        return ClassCount(len(members), found, sum(by_split.values()), by_split)


def label_directories(root: Path, grouping: Grouping) -> dict[str, str]:
    """Label -> the name of its directory, for each label that has one. Blocks."""
    found = {}
    for label in grouping.labels:
        for name in (label, safe_name(label, label)):
            if name and (root / name).is_dir() and not (root / name).is_symlink():
                found[label] = name
                break
    return found


def text_of(report: SubsetReport) -> str:
    """The lines that the command prints."""
    splits = [split for split in next(iter(report.classes.values())).by_split if split]
    what = "links to directories, with" if report.layout == "nested" else ""
    found = sum(count.found for count in report.classes.values())
    head = f"{len(report.classes)} classes, {found:,} {what or 'labels,'} {report.images:,} images in {report.out}."
    lines = [head, "", f"{'images':>9}{''.join(f'{split:>9}' for split in splits)}  {'labels':>11}  class"]
    for group, count in report.classes.items():
        cells = "".join(f"{count.by_split[split]:>9,}" for split in splits)
        lines.append(f"{count.images:>9,}{cells}  {f'{count.found} of {count.labels}':>11}  {group}")
    if report.pruned:
        lines += ["", f"{report.pruned:,} links to pictures that are gone were removed."]
    if report.findings:
        shown = report.findings[:_SHOWN]
        more = len(report.findings) - len(shown)
        lines += ["", *shown, *([f"... and {more:,} more findings"] if more else [])]
    return "\n".join(lines)
