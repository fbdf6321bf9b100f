"""What an export came to: counts by class and split, and everything that was left out."""

from __future__ import annotations

from dataclasses import dataclass, field

_SHOWN = 20
READERS: dict[str, frozenset[str]] = {
    "DIGITS": frozenset({"png", "jpeg", "bmp"}),
    "timm": frozenset({"png", "jpeg"}),
    "torchvision": frozenset({"png", "jpeg", "bmp", "tiff", "webp"}),
    "keras": frozenset({"png", "jpeg", "bmp", "gif"}),
}
"""The formats of ours that each reader of folders looks at; files of others it passes over without a word.
(DIGITS 6.1.1, timm 1.0, torchvision 0.29, keras 3)"""


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export came to.

    labels: in the order of their numbers, with their pictures by split (None where there is none). unlabelled: pictures
    without a label. dropped: classes that DIGITS's rule leaves out. unwanted: pictures whose label is in no class.
    suspect: pictures that should have been taken back. refused: pictures that could not be exported, a line each.
    formats: pictures by format. restarted: an export that was broken off stood there, and was begun anew.
    """

    format: str
    out: str
    labels: dict[str, dict[str | None, int]]
    splits: tuple[str, ...]
    unlabelled: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    unwanted: int = 0
    suspect: int = 0
    refused: list[str] = field(default_factory=list)
    formats: dict[str, int] = field(default_factory=dict)
    leftovers: dict[str, int] = field(default_factory=dict)
    restarted: bool = False

    @property
    def images(self) -> int:
        """Pictures in the export."""
        return sum(sum(counts.values()) for counts in self.labels.values()) + self.unlabelled

    def count(self, split: str | None) -> int:
        """Pictures in one split."""
        return sum(counts.get(split, 0) for counts in self.labels.values())

    @property
    def complete(self) -> bool:
        """Whether nothing is to be complained of; what `--strict` asks for."""
        return not self.findings

    @property
    def findings(self) -> list[str]:
        """Everything that is to be complained of, a line each."""
        found = [
            f"{label}: {n:,} images are too few to divide; the class is left out" for label, n in self.dropped.items()
        ]
        for split in self.splits:
            found += [
                f"{label}: no picture of it falls into {split}, so a reader of folders would number classes otherwise"
                for label, counts in self.labels.items()
                if sum(counts.values()) and not counts.get(split)
            ]
        if self.suspect:
            found.append(f"{self.suspect:,} images are left out: they are placeholders that could not be taken back")
        if self.format == "imagefolder":
            found += self._passed_over()
        found += [
            f"{where}: {n:,} files that are none of this export; remove them" for where, n in self.leftovers.items()
        ]
        return found + self.refused

    def _passed_over(self) -> list[str]:
        lines = []
        for reader, known in READERS.items():
            unseen = {name: n for name, n in sorted(self.formats.items()) if name not in known}
            if unseen:
                what = ", ".join(f"{n:,} {name}" for name, n in unseen.items())
                lines.append(f"{reader} passes over {what}; `--encoding jpg` makes them readable")
        return lines

    def __str__(self) -> str:
        head = f"{len(self.labels)} classes, {self.images:,} images in {self.out} ({self.format})."
        lines = [head, "", f"{'images':>9}{''.join(f'{split:>9}' for split in self.splits)}  class"]
        for label, counts in self.labels.items():
            cells = "".join(f"{counts.get(split, 0):>9,}" for split in self.splits)
            lines.append(f"{sum(counts.values()):>9,}{cells}  {label}")
        if self.unlabelled:
            lines.append(f"{self.unlabelled:>9,}{'':>{9 * len(self.splits)}}  (no label)")
        if self.unwanted:
            lines += ["", f"{self.unwanted:,} images have labels that are in no class."]
        if self.findings:
            shown, more = self.findings[:_SHOWN], len(self.findings) - _SHOWN
            lines += ["", *shown, *([f"... and {more:,} more findings"] if more > 0 else [])]
        return "\n".join(lines)
