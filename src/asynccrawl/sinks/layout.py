"""The names of the directory layout: where a sample goes, and what a file's name says. Pure; no I/O.

label/name.ext, or 00012/name.ext in shards of 1,000 by ordinal for a sample without label; both under split/ for a
sample that has one.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from ..models import Reason, Record, Sample
from ..settings import FORMATS

TEMPORARY = ".asynccrawl.tmp"
"""The directory inside the destination where partial files live while a run is active."""

SHARD = 1_000
"""Samples without label that share a directory."""

_EXTENSION = {"jpeg": "jpg"}
_FORMAT = {**{name: name for name in FORMATS}, "jpg": "jpeg", "tif": "tiff"}
# No way out of the destination, and no hidden file: those are ours or the user's own.
_UNSAFE = re.compile(r"^$|^\.|[/\0]")


class Refused(Exception):
    """One sample that cannot be stored, for a cause that is its own: it becomes a Failure."""

    def __init__(self, reason: Reason, detail: str, *, retryable: bool = False) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.retryable = retryable


@dataclass(frozen=True, slots=True)
class Place:
    """A file's directories and its own name, relative to the destination."""

    directories: tuple[str, ...]
    file: str

    @property
    def path(self) -> str:
        """The path as the manifest has it, with slashes."""
        return "/".join((*self.directories, self.file))


def place_of(sample: Sample) -> Place:
    """Where `sample` goes. Raises Refused (bad_name) when a part of its path would lead elsewhere."""
    label = directory_of(sample)
    directories = (label,) if sample.split is None else (sample.split, label)
    file = f"{sample.name}.{extension_of(sample.format)}"
    for part in (*directories, file):
        check_part(part)
    return Place(directories, file)


def extension_of(format_: str) -> str:
    """The extension of a format's files."""
    return _EXTENSION.get(format_, format_)


def directory_of(one: Sample | Record) -> str:
    """The class directory, or the shard, of a picture or a record."""
    if one.label is not None:
        return one.label
    return f"{one.ordinal // SHARD if one.shard is None else one.shard:05d}"


def shard_at(path: str | None, label: str | None) -> int | None:
    """The number of the directory in a `path` of old; None with a label, where there is none."""
    shard = (path or "").partition("/")[0]
    return int(shard) if label is None and shard.isdecimal() else None


def path_of(sample: Sample) -> str | None:
    """The path of `sample` relative to the destination; None when it can have none."""
    try:
        return place_of(sample).path
    except Refused:
        return None


def format_of(file: str) -> tuple[str, str] | None:
    """The name and the format that a file's name tells, or None when it is no picture's."""
    name, dot, extension = file.rpartition(".")
    found = _FORMAT.get(extension.lower())
    return (name, found) if dot and name and not name.startswith(".") and found else None


def check_part(part: str) -> None:
    """Raise Refused (bad_name) for what cannot be the name of a file or directory of ours."""
    if _UNSAFE.search(part):
        raise Refused(Reason.BAD_NAME, f"{part[:60]!r} cannot be a file or directory name here")
    try:
        os.fsencode(part)
    except UnicodeEncodeError:
        raise Refused(Reason.BAD_NAME, f"{part[:60]!r} cannot be written in this system's encoding") from None
