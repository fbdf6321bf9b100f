"""Which number each label has: its line in `labels.txt`, counted from 0."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import StorageError

LABELS = "labels.txt"


class Labels:
    """The lines of a directory's `labels.txt`. A number that was once given is never given to another label.

    Labels that are known from the start are numbered in their order; `fixed`: there will be no others. Else a new one
    gets the next number when it is first met, and its line is written before anything that uses the number.
    """

    def __init__(self, directory: Path, known: Sequence[str] | None = None, *, fixed: bool = False) -> None:
        """Read what is there, and write what is not. Raises OSError, and StorageError where other labels are fixed."""
        self._path = directory / LABELS
        self._fixed = fixed
        self._numbers = {label: n for n, label in enumerate(self._lines())}
        if fixed and list(self._numbers) not in ([], list(known or ())):
            raise StorageError(f"{self._path} has other labels than these; name another directory")
        self._append([label for label in known or () if label not in self._numbers])

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def names(self) -> list[str]:
        """The labels in the order of their numbers."""
        return list(self._numbers)

    def number(self, label: str) -> int | None:
        """The label's number; None for one that is not among fixed ones. Raises OSError."""
        if label not in self._numbers and not self._fixed:
            self._append([label])
        return self._numbers.get(label)

    def _lines(self) -> list[str]:
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return []
        whole = text[: text.rfind(b"\n") + 1]
        if whole != text:
            os.truncate(self._path, len(whole))  # a line that a crash has cut; nothing used it yet
        return whole.decode().split("\n")[:-1]

    def _append(self, labels: Sequence[str]) -> None:
        if not labels:
            return
        with self._path.open("ab") as file:
            end = file.tell()
            try:
                file.write("".join(f"{label}\n" for label in labels).encode())
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                os.truncate(self._path, end)  # on a full disk, or the next line would go on where this one ended
                raise
        for label in labels:
            self._numbers[label] = len(self._numbers)


def read_labels(directory: Path) -> list[str]:
    """The lines of `labels.txt`; none where there is no such file. Raises OSError."""
    try:
        return (directory / LABELS).read_text("utf-8").rstrip("\n").split("\n")
    except FileNotFoundError:
        return []
