"""A directory a class, as DirectorySink makes it, with what Hugging Face's `imagefolder` reads beside it.

    out/labels.txt                       line i is label i
    out/train/metadata.jsonl             only where pictures have further columns, such as captions
    out/train/ball/n02799071_1.jpg

In `metadata.jsonl`, one in each split directory, a line is a picture: `file_name` relative to it, `label` and the
further columns. Hugging Face takes labels from the directories only where there is no such file, which is why none is
written unless there is something to tell.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from ..errors import ListError
from ..models import Failure, Request, Sample
from ..threads import in_thread
from .adapters import write_to
from .columns import Column, typed
from .directory import DirectorySink
from .directory_reader import read_directory
from .labels import LABELS
from .layout import format_of
from .linking import Linking
from .listing import Listed
from .shard import hash_of
from .trouble import storage_error

METADATA = "metadata.jsonl"
SPLITS = ("train", "val", "test")


class ImageFolderSink:
    """Stores samples as `[split/]label/name.ext` under `dest`, for exports. See DirectorySink for files.

    labels: written to `labels.txt`, in their order. columns: the further columns that `metadata.jsonl` has, with their
    types; without any there is no such file. The same samples again change nothing, so an export that was interrupted
    goes on.
    """

    durable = False

    def __init__(
        self,
        dest: str | os.PathLike[str],
        labels: Sequence[str] = (),
        columns: Mapping[str, Column] | None = None,
        linking: Linking = Linking(set_aside=False),  # noqa: B008 -- frozen
    ) -> None:
        self._dest = Path(dest).absolute()
        self._labels = list(labels)
        self._columns = dict(columns or {})
        self._inner = DirectorySink(dest, linking)
        self._metadata: dict[str | None, IO[str]] = {}
        self._told: set[int] = set()

    def __repr__(self) -> str:
        return f"ImageFolderSink({str(self._dest)!r})"

    async def write(self, batch: Sequence[Sample]) -> list[str | Failure | None]:
        """Store every sample; returns the path of each, or its Failure. Raises StorageError."""
        entries = await write_to(self._inner, batch)
        if self._columns:
            await in_thread(self._tell, batch, entries)
        return entries

    async def aclose(self) -> None:
        """Finish `metadata.jsonl` and `labels.txt`. May be called twice. Raises StorageError."""
        await self._inner.aclose()
        await in_thread(self._finish)

    def _tell(self, batch: Sequence[Sample], entries: Sequence[str | Failure | None]) -> None:
        try:
            for sample, path in zip(batch, entries, strict=True):
                if isinstance(path, str) and hash_of(path) not in self._told:
                    self._told.add(hash_of(path))
                    print(self._line(sample, path), file=self._file(sample.split))
        except OSError as error:
            raise storage_error(self._dest, error) from error

    def _line(self, sample: Sample, path: str) -> str:
        extra = sample.request.extra or {}
        values: dict[str, Any] = {"file_name": path.removeprefix(f"{sample.split}/"), "label": sample.label}
        more = {name: typed(extra.get(name), kind) for name, kind in self._columns.items()}
        return json.dumps(values | more, ensure_ascii=False)

    def _file(self, split: str | None) -> IO[str]:
        if split not in self._metadata:
            part = self._dest / (split or ".") / f".{METADATA}.part"
            self._metadata[split] = part.open("w", encoding="utf-8", errors="surrogatepass")
        return self._metadata[split]

    def _finish(self) -> None:
        part = self._dest / f".{LABELS}.part"
        try:
            for file in self._metadata.values():
                part = Path(file.name)
                file.close()
                part.replace(part.with_name(METADATA))
            self._metadata = {}
            if self._labels and self._dest.is_dir():
                part = self._dest / f".{LABELS}.part"
                part.write_text("".join(f"{label}\n" for label in self._labels), "utf-8")
                part.replace(self._dest / LABELS)
        except OSError as error:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise storage_error(self._dest, error) from error


def splits_of(root: Path) -> tuple[str, ...]:
    """The splits of a data set whose directories are these and no others; none where it is not divided.

    A class may be called `train`, so a directory with pictures of its own is none. Raises OSError.
    """
    with os.scandir(root) as entries:
        found = {entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")}
    if "train" not in found or not found <= set(SPLITS) or any(_has_pictures(root / split) for split in found):
        return ()
    return tuple(split for split in SPLITS if split in found)


def list_imagefolder(root: Path) -> Iterator[Listed]:
    """The pictures of `label/name.ext` or `split/label/name.ext`, by split, label and name. Raises ListError."""
    try:
        splits = splits_of(root)
    except OSError as error:
        raise ListError(f"{root}: cannot be read as a directory of pictures: {error.strerror}") from error
    for split in splits or (None,):
        for sample in read_directory(root / (split or ".")):
            assert sample.path is not None
            yield Listed(split, sample.label, sample.name, sample.path.relative_to(root).as_posix())


def read_imagefolder(path: str | os.PathLike[str]) -> Iterator[Sample]:
    """The pictures of an image folder as samples, with what `metadata.jsonl` tells of them. Raises ListError."""
    root = Path(path)
    told: dict[str | None, Mapping[str, Mapping[str, Any]]] = {}
    for ordinal, listed in enumerate(list_imagefolder(root)):
        if listed.split not in told:
            told[listed.split] = _metadata_in(root / (listed.split or "."))
        extra = told[listed.split].get(listed.path.removeprefix(f"{listed.split}/"))
        yield sample_at(root, listed, ordinal, extra)


def sample_at(root: Path, listed: Listed, ordinal: int, extra: Mapping[str, Any] | None = None) -> Sample:
    """A listed picture as a sample with its path; nothing is opened."""
    found = format_of(listed.path.rpartition("/")[2])
    request = Request("", listed.name, listed.label, extra)
    file = root / listed.path
    return Sample(request, ordinal, listed.name, listed.label, found[1] if found else "", path=file, split=listed.split)


def _metadata_in(directory: Path) -> dict[str, Mapping[str, Any]]:
    try:
        lines = (directory / METADATA).read_text("utf-8").split("\n")
    except FileNotFoundError:
        return {}
    found = [json.loads(line) for line in lines if line]
    return {one.pop("file_name"): {k: v for k, v in one.items() if k != "label"} for one in found}


def _has_pictures(directory: Path) -> bool:
    with os.scandir(directory) as entries:
        return any(format_of(entry.name) for entry in entries)
