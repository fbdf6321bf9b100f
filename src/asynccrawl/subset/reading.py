"""Groupings and lists of labels from files: TOML, CSV, TSV, plain text. Errors name the line."""

from __future__ import annotations

import csv
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from ..errors import SettingsError
from .grouping import BadGrouping, Grouping, Mapped

SHIPPED = ("imagenet12",)
"""The groupings that come with the package."""

Groups = Grouping | Mapped | str | os.PathLike[str]
"""A grouping, a mapping that makes one, the name of a shipped one, or the path of a file."""
Labels = Groups | Iterable[str]
"""The same, or simply labels."""

_HEADER_ENDS = {"synset", "wnid", "label", "id"}
_MOST_BYTES = 2**24


def load_grouping(groups: Groups) -> Grouping:
    """The grouping meant. Blocks while it reads a file.

    A TOML file holds a table a class (`[ball]`) with `baseball = "n02799071"` in it; or `ball = ["n02799071"]`.
    A CSV or TSV file holds rows of class, name, label, or of class, label; a header row is passed over. Raises
    SettingsError, with file and line, for what is no grouping.
    """
    if isinstance(groups, Grouping):
        return groups
    if isinstance(groups, Mapping):
        return Grouping.of(groups)
    if isinstance(groups, str) and groups in SHIPPED:
        return Grouping.of(tomllib.loads(_shipped(groups)), groups)
    if not isinstance(groups, str | os.PathLike):
        raise SettingsError(f"a grouping is a mapping, a path or one of {', '.join(SHIPPED)}, not {groups!r:.80}")
    path = Path(groups)
    return _from_toml(path, _text_of(path)) if path.suffix.lower() == ".toml" else _from_table(path, _text_of(path))


def load_labels(labels: Labels) -> frozenset[str]:
    """The labels meant: those of a grouping, of an iterable, or of a text file with one a line (`#` begins a comment).

    Blocks while it reads a file. Raises SettingsError, also when there is no label at all.
    """
    if isinstance(labels, Grouping | Mapping) or (isinstance(labels, str) and labels in SHIPPED):
        return load_grouping(labels).labels
    if isinstance(labels, str | os.PathLike):
        return _labels_in(Path(labels))
    found = frozenset(labels)
    if not found or not all(isinstance(label, str) and label for label in found):
        raise SettingsError("only_labels must name at least one label, and labels are text")
    return found


def _labels_in(path: Path) -> frozenset[str]:
    text = _text_of(path)
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    if path.suffix.lower() == ".toml" or any("," in line or "\t" in line for line in lines):
        return load_grouping(path).labels
    if not lines:
        raise SettingsError(f"{path}: no label in it; write one a line, or a grouping")
    return frozenset(lines)


def _shipped(name: str) -> str:
    package = __package__.rpartition(".")[0]
    return resources.files(package).joinpath(f"data/{name}.toml").read_text("utf-8")


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise SettingsError(f"{path}: larger than 16 MiB, which no grouping is; is this the right file?")
        return data.decode("utf-8-sig")
    except FileNotFoundError:
        raise SettingsError(f"{path}: no such file, and no shipped grouping ({', '.join(SHIPPED)})") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise SettingsError(f"{path}, line {line}: not UTF-8; convert the file to UTF-8") from None
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: cannot be read ({error}); check the path") from error


def _from_toml(path: Path, text: str) -> Grouping:
    try:
        parsed = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        number = line[1] if line else max(1, len(text.splitlines()))  # "at end of document"
        raise SettingsError(f"{path}, line {number}: not TOML: {error}") from error
    try:
        return Grouping.of(parsed, str(path))
    except BadGrouping as error:
        where = next(filter(None, (_lines_with(word, text) for word in error.about)), "")
        raise SettingsError(f"{path}{where}: {error.what}") from None


def _lines_with(word: str, text: str) -> str:
    """Where `word` stands in a TOML file, if it is written there as it is; its parser does not keep that."""
    mark = re.compile(rf"(?:^|[\s\"'\[=.,]){re.escape(word)}(?:$|[\s\"'\].,=])")
    lines = [str(n) for n, line in enumerate(text.splitlines(), 1) if word and mark.search(line)]
    return f", {'line' if len(lines) == 1 else 'lines'} {' and '.join(lines[:4])}" if lines else ""


def _from_table(path: Path, text: str) -> Grouping:
    groups: dict[str, dict[str, str]] = {}
    lines: dict[str, int] = {}
    for number, row in _rows(path, text):
        group, name, label = row if len(row) == 3 else (row[0], row[1], row[1])
        where = f"{path}, line {number}"
        if not (group and name and label):
            raise SettingsError(f"{where}: an empty field; a row is class, name, label")
        if label in lines:
            raise SettingsError(f"{where}: {label} stood in line {lines[label]} already; it belongs to one class, once")
        if name in groups.get(group, {}):
            raise SettingsError(f"{where}: {group} has a member {name!r} already; give this one another name")
        lines[label] = number
        one: dict[str, Any] = {group: {name: label}}
        Grouping.of(one, where)  # so that a name that cannot be is told with its line
        groups.setdefault(group, {})[name] = label
    return Grouping.of(groups, str(path))


def _rows(path: Path, text: str) -> Iterable[tuple[int, list[str]]]:
    delimiter = "\t" if "\t" in text else ","
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True)
    first = True
    try:
        for row in reader:
            fields = [field.strip() for field in row]
            if not any(fields) or fields[0].startswith("#"):
                continue
            if len(fields) not in (2, 3):
                what = f"{len(fields)} fields; a row is class, name, label, or class, label"
                raise SettingsError(f"{path}, line {reader.line_num}: {what}")
            if not (first and fields[-1].casefold() in _HEADER_ENDS):
                yield reader.line_num, fields
            first = False
    except csv.Error as error:
        raise SettingsError(f"{path}, line {reader.line_num}: {error}") from error
