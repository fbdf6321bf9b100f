"""Parquet files as Hugging Face's `datasets` reads them: `image` (bytes and path), `label`, captions, other columns.

    out/train-00000-of-00003.parquet

`image` is a struct of `bytes` and `path`; `label` counts from 0, and its names stand in the schema's metadata, from
which `datasets` makes a ClassLabel. The list's further columns stand beside them under their own names.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from ..errors import ListError, StorageError
from ..models import Failure, Reason, Request, Sample
from ..threads import in_thread
from .columns import Column, typed
from .extras import extra
from .layout import extension_of, format_of
from .shard import ShardBounds, hash_of
from .trouble import storage_error

GROUP_ROWS, GROUP_BYTES = 256, 64 * 2**20
"""Rows of a row group: few, so that a reader who wants one picture does not read hundreds."""
PARQUET_BOUNDS = ShardBounds(count=10**6, bytes=500_000_000)
"""The size of a file that `datasets` itself aims at."""
_OWN: dict[str, Column | Literal["int32"]] = {
    "name": "string", "url": "string", "format": "string", "width": "int32", "height": "int32", "sha256": "string",
}  # fmt: skip
FILE = re.compile(r"(?P<split>train|val|test)-\d{5}-of-\d{5}\.parquet")


class ParquetSink:
    """Stores samples in Parquet files under `dest`, for exports (extra `parquet`).

    labels: the labels in their order; without any there is no column of labels, and a sample with another one is
    refused (label_not_wanted). columns: the further columns and their types; one that has a name of ours is called
    `extra_...`. Without a split all are `train`, as `datasets` has it. bounds: how large a file may become.
    Nothing is complete before `aclose`. Raises SettingsError without pyarrow.
    """

    durable = False

    def __init__(
        self,
        dest: str | os.PathLike[str],
        labels: Sequence[str] = (),
        columns: Mapping[str, Column] | None = None,
        *,
        bounds: ShardBounds = PARQUET_BOUNDS,
    ) -> None:
        self._dest = Path(dest).absolute()
        self._numbers = {label: n for n, label in enumerate(labels)}
        self._columns = {_column(name): (name, kind) for name, kind in (columns or {}).items()}
        self._bounds = bounds
        self._pyarrow = extra("pyarrow", "parquet")
        self._schema = self._schema_of(list(labels))
        self._files: dict[str, _Files] = {}
        self._names: set[int] = set()
        self._failed: StorageError | None = None

    def __repr__(self) -> str:
        return f"ParquetSink({str(self._dest)!r})"

    async def write(self, batch: Sequence[Sample]) -> list[Failure | None]:
        """Take every sample that was not taken yet. Raises StorageError."""
        return await in_thread(self._write, batch)

    async def aclose(self) -> None:
        """Write what is left, and give the files their names. May be called twice. Raises StorageError."""
        await in_thread(self._close)

    def _write(self, batch: Sequence[Sample]) -> list[Failure | None]:
        if self._failed:
            raise self._failed
        try:
            return [self._take(sample) for sample in batch]
        except OSError as error:
            self._failed = storage_error(self._dest, error)
            raise self._failed from error

    def _take(self, sample: Sample) -> Failure | None:
        if sample.label is not None and self._numbers and sample.label not in self._numbers:
            return Failure.instead(sample, Reason.LABEL_NOT_WANTED, f"{sample.label} is none of the labels")
        known = hash_of(sample.name)
        if known not in self._names:
            data = sample.data if sample.path is None else sample.path.read_bytes()
            split = sample.split or "train"
            if split not in self._files:
                self._dest.mkdir(parents=True, exist_ok=True)
                self._files[split] = _Files(self._dest, split, self._schema, self._bounds)
            self._files[split].add(self._row(sample, data or b""), len(data or b""))
            self._names.add(known)
        return None

    def _row(self, sample: Sample, data: bytes) -> dict[str, Any]:
        path = f"{sample.name}.{extension_of(sample.format)}"
        row: dict[str, Any] = {name: getattr(sample, name) for name in _OWN if name != "url"}
        row |= {"image": {"bytes": data, "path": path}, "url": sample.request.url or None}
        if self._numbers:
            row["label"] = None if sample.label is None else self._numbers[sample.label]
        extra = sample.request.extra or {}
        return row | {own: typed(extra.get(name), kind) for own, (name, kind) in self._columns.items()}

    def _close(self) -> None:
        ended, self._files = self._files, {}
        if self._failed:
            return  # they cannot be ended any more; that would be told in place of why
        try:
            for files in ended.values():
                files.close()
        except OSError as error:
            raise storage_error(self._dest, error) from error

    def _schema_of(self, labels: list[str]) -> Any:
        arrow = self._pyarrow
        image = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
        fields, features = [("image", image)], {"image": {"_type": "Image"}}
        if labels:
            fields.append(("label", arrow.int64()))
            features["label"] = {"names": labels, "_type": "ClassLabel"}  # type: ignore[dict-item]
        for name, kind in {**_OWN, **{own: kind for own, (_, kind) in self._columns.items()}}.items():
            fields.append((name, getattr(arrow, {"bool": "bool_"}.get(kind, kind))()))
            features[name] = {"dtype": kind, "_type": "Value"}
        # The place and form in which `datasets` looks for features that Arrow has no types for.
        told = json.dumps({"info": {"features": features}})
        return arrow.schema(fields, metadata={"huggingface": told})


class _Files:
    """The files of one split, one after the other; their names tell how many there are, so they come at the end."""

    def __init__(self, directory: Path, split: str, schema: Any, bounds: ShardBounds) -> None:
        self._directory, self._split, self._schema, self._bounds = directory, split, schema, bounds
        self._rows: list[dict[str, Any]] = []
        self._row_bytes = self._count = self._bytes = 0
        self._parts: list[Path] = []
        self._writer: Any = None

    def add(self, row: dict[str, Any], size: int) -> None:
        """Take a row with a picture of `size` bytes."""
        if self._count and (self._count >= self._bounds.count or self._bytes + size > self._bounds.bytes):
            self._end_file()
        self._rows.append(row)
        self._row_bytes += size
        self._count += 1
        self._bytes += size
        if len(self._rows) >= GROUP_ROWS or self._row_bytes >= GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        """End the last file, and name them all."""
        self._end_file()
        for n, part in enumerate(self._parts):
            part.replace(self._directory / f"{self._split}-{n:05d}-of-{len(self._parts):05d}.parquet")

    def _flush(self) -> None:
        if not self._rows:
            return
        parquet, arrow = extra("pyarrow.parquet", "parquet"), extra("pyarrow", "parquet")
        if self._writer is None:
            self._parts.append(self._directory / f".{self._split}-{len(self._parts):05d}.parquet.part")
            self._writer = parquet.ParquetWriter(self._parts[-1], self._schema)
        self._writer.write_table(arrow.Table.from_pylist(self._rows, self._schema))
        self._rows, self._row_bytes = [], 0

    def _end_file(self) -> None:
        self._flush()
        if self._writer is not None:
            self._writer.close()
        self._writer, self._count, self._bytes = None, 0, 0


def read_parquet(path: str | os.PathLike[str]) -> Iterator[Sample]:
    """The samples of a directory's Parquet files, with their bytes in `data`. Raises ListError and SettingsError."""
    root, parquet = Path(path), extra("pyarrow.parquet", "parquet")
    ordinal = 0
    for file in sorted(root.glob("*-of-*.parquet")):
        match = FILE.fullmatch(file.name)
        try:
            with parquet.ParquetFile(file) as opened:
                told = json.loads((opened.schema_arrow.metadata or {}).get(b"huggingface", b"{}"))
                names = told.get("info", {}).get("features", {}).get("label", {}).get("names", [])
                for batch in opened.iter_batches(batch_size=GROUP_ROWS):
                    for row in batch.to_pylist():
                        yield _sample(row, ordinal, match["split"] if match else None, names)
                        ordinal += 1
        except OSError as error:
            raise ListError(f"{file}: cannot be read as Parquet: {error}") from error


def _sample(row: dict[str, Any], ordinal: int, split: str | None, names: Sequence[str]) -> Sample:
    image, number = row.pop("image"), row.pop("label", None)
    own = {name: row.pop(name, None) for name in _OWN}
    label = None if number is None else names[number]
    found = format_of(image["path"] or "")
    name = own["name"] or (found[0] if found else f"{ordinal:09d}")
    return Sample(
        Request(own["url"] or "", name, label, row or None), ordinal, name, label, own["format"] or "",
        data=image["bytes"], split=split, width=own["width"], height=own["height"], bytes=len(image["bytes"]),
        sha256=own["sha256"],
    )  # fmt: skip


def _column(name: str) -> str:
    return f"extra_{name}" if name in _OWN or name in ("image", "label") else name
