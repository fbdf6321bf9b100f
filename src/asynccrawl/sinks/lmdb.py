"""A classification data set as DIGITS makes it for Caffe: LMDB databases of Datum messages (extra `lmdb`).

    out/labels.txt               line i is label i, with spaces for `_`, as DIGITS writes it here and nowhere else
    out/train.txt, val.txt ...   `<absolute path> <label>` of each picture, in the order of the database
    out/train_db, val_db ...     key `%08d_%d` (place, label), value a Datum; see `caffe`
    out/mean.binaryproto         the mean of the training pictures, a BlobProto
    out/mean.jpg                 the same, to look at

A picture comes as PNG or JPEG bytes (`encoded` is set, RGB), or as bare BGR planes (format `bgr`).
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import ListError
from ..models import Failure, Reason, Request, Sample
from ..threads import in_thread
from .caffe import Blob, Datum
from .extras import extra
from .labels import LABELS, read_labels
from .layout import extension_of
from .shard import hash_of
from .trouble import storage_error

MAP_BYTES = 2**28
"""Where the address space of a database begins; it is doubled whenever it proves too small."""
SPLITS = ("train", "val", "test")
_ENCODED = ("png", "jpeg")


class LmdbSink:
    """Stores samples in `train_db`, `val_db` and `test_db` under `dest`, for exports; those without a split in train.

    labels: the labels in the order of their numbers; a sample with none or another is refused (label_not_wanted), and
    so is one of unknown size, or in an encoding other than PNG, JPEG and bare planes. Raises SettingsError without
    py-lmdb.
    """

    durable = False

    def __init__(self, dest: str | os.PathLike[str], labels: Sequence[str]) -> None:
        self._dest = Path(dest).absolute()
        self._numbers = {label: n for n, label in enumerate(labels)}
        self._lmdb = extra("lmdb", "lmdb")
        self._databases: dict[str, _Database] = {}
        self._names: set[int] = set()

    def __repr__(self) -> str:
        return f"LmdbSink({str(self._dest)!r})"

    async def write(self, batch: Sequence[Sample]) -> list[Failure | None]:
        """Store every sample that was not stored yet. Raises StorageError."""
        return await in_thread(self._write, batch)

    async def aclose(self) -> None:
        """Close the databases, and write `labels.txt`. May be called twice. Raises StorageError."""
        await in_thread(self._close)

    def _write(self, batch: Sequence[Sample]) -> list[Failure | None]:
        entries = [self._refusal(sample) for sample in batch]
        new: dict[str, list[Sample]] = {}
        for sample, refused in zip(batch, entries, strict=True):
            if refused is None and hash_of(sample.name) not in self._names:
                self._names.add(hash_of(sample.name))
                new.setdefault(sample.split or "train", []).append(sample)
        try:
            for split, samples in new.items():
                self._database(split).put([self._datum(sample) for sample in samples], samples)
        except (OSError, self._lmdb.Error) as error:
            raise storage_error(self._dest, error if isinstance(error, OSError) else OSError(str(error))) from error
        return entries

    def _refusal(self, sample: Sample) -> Failure | None:
        if sample.label not in self._numbers:
            text = f"{sample.label or 'no label'} is none of the labels"
            return Failure.instead(sample, Reason.LABEL_NOT_WANTED, text)
        if not (sample.width and sample.height and sample.format in (*_ENCODED, "bgr")):
            text = f"{sample.format} of {sample.width} x {sample.height} is not what Caffe reads"
            return Failure.instead(sample, Reason.UNSUPPORTED_FORMAT, text)
        return None

    def _datum(self, sample: Sample) -> Datum:
        data = sample.data if sample.path is None else sample.path.read_bytes()
        assert data is not None and sample.height and sample.width and sample.label is not None
        channels = 1 if sample.mode == "L" else 3
        number = self._numbers[sample.label]
        return Datum(channels, sample.height, sample.width, data, number, sample.format in _ENCODED)

    def _database(self, split: str) -> _Database:
        if split not in self._databases:
            self._dest.mkdir(parents=True, exist_ok=True)
            self._databases[split] = _Database(self._lmdb, self._dest, split)
        return self._databases[split]

    def _close(self) -> None:
        try:
            for database in self._databases.values():
                database.close()
            if self._dest.is_dir():
                lines = "".join(f"{label.replace('_', ' ')}\n" for label in self._numbers)
                (self._dest / LABELS).write_text(lines, "utf-8")
        except OSError as error:
            raise storage_error(self._dest, error) from error
        self._databases = {}


class _Database:
    """The database of one split, and its list."""

    def __init__(self, lmdb: Any, dest: Path, split: str) -> None:
        self._lmdb = lmdb
        # Not synced: a database that is not whole is never used, and `close` syncs it once.
        self._env = lmdb.open(str(dest / f"{split}_db"), map_size=MAP_BYTES, sync=False)
        self._list = (dest / f"{split}.txt").open("w", encoding="utf-8", errors="surrogateescape")
        self._count = 0

    def put(self, datums: Sequence[Datum], samples: Sequence[Sample]) -> None:
        """Append pictures. Raises lmdb.Error and OSError."""
        values = [(b"%08d_%d" % (self._count + n, datum.label), datum.dump()) for n, datum in enumerate(datums)]
        while True:
            try:
                with self._env.begin(write=True) as transaction:
                    for key, value in values:
                        transaction.put(key, value, append=True)
                break
            except self._lmdb.MapFullError:
                self._env.set_mapsize(2 * self._env.info()["map_size"])
        for datum, sample in zip(datums, samples, strict=True):
            path = sample.source or sample.path or f"{sample.name}.{extension_of(sample.format)}"
            print(path, datum.label, file=self._list)
        self._count += len(datums)

    def close(self) -> None:
        """Bring it to the disk."""
        self._list.close()
        self._env.sync(True)
        self._env.close()


def write_mean(dest: Path, planes: Sequence[bytes], size: tuple[int, int], jpeg: bytes) -> None:
    """Write `mean.binaryproto` and `mean.jpg`; `planes` are the mean's red, green and blue bytes. Raises OSError."""
    numbers = array("f", list(b"".join(reversed(planes))))
    (dest / "mean.binaryproto").write_bytes(Blob(len(planes), size[1], size[0], numbers).dump())
    (dest / "mean.jpg").write_bytes(jpeg)


def read_mean(dest: Path) -> Blob:
    """The mean of a data set. Raises OSError and ValueError."""
    return Blob.load((dest / "mean.binaryproto").read_bytes())


def read_lmdb(path: str | os.PathLike[str]) -> Iterator[Sample]:
    """The pictures of a DIGITS data set, split by split, in the order of their keys, which are their names.

    Labels are those of `labels.txt`. Raises ListError and SettingsError.
    """
    root, lmdb = Path(path), extra("lmdb", "lmdb")
    labels = read_labels(root)
    ordinal = 0
    for split in SPLITS:
        if not (root / f"{split}_db").is_dir():
            continue
        try:
            with (
                lmdb.open(str(root / f"{split}_db"), readonly=True, lock=False) as env,
                env.begin() as transaction,
            ):
                for key, value in transaction.cursor():
                    yield _sample(key.decode(), Datum.load(value), ordinal, split, labels)
                    ordinal += 1
        except (lmdb.Error, ValueError) as error:
            raise ListError(f"{root / split}_db: cannot be read as a database of pictures: {error}") from error


def _sample(key: str, datum: Datum, ordinal: int, split: str, labels: Sequence[str]) -> Sample:
    label = labels[datum.label] if datum.label < len(labels) else str(datum.label)
    format_ = "bgr" if not datum.encoded else "png" if datum.data.startswith(b"\x89PNG") else "jpeg"
    mode = "L" if datum.channels == 1 else "RGB"
    return Sample(
        Request("", key, label), ordinal, key, label, format_, data=datum.data, split=split, width=datum.width,
        height=datum.height, mode=mode, bytes=len(datum.data),
    )  # fmt: skip
