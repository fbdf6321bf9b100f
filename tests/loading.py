"""The readers that results are opened with, and a table of what they read: python -m tests.loading

Real ones are the packages `webdataset`, `datasets` (Hugging Face), `pyarrow` and `lmdb`. torchvision, timm, keras and
DIGITS are too heavy for this, or run no more: how they find classes and pictures is written down here, rule by rule, as
their sources have it.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import io
import json
import os
import re
import struct
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lmdb
import webdataset
from pyarrow import parquet

import asynccrawl as ac
from asynccrawl.subset import load_grouping
from asynccrawl.testing import picture

PER_SYNSET = 3


@dataclass
class Reading:
    """What a reader found in one split: its labels in order, pictures by label, and a digest of each picture."""

    labels: list[str]
    counts: Counter[str] = field(default_factory=Counter)
    digests: set[str] = field(default_factory=set)

    def add(self, label: str, data: bytes) -> None:
        """One picture."""
        self.counts[label] += 1
        self.digests.add(hashlib.sha256(data).hexdigest())


def read_shards(dest: Path, pattern: str = "*.tar") -> list[dict[str, Any]]:
    """What the webdataset package reads, in order."""
    urls = [str(path) for path in sorted(dest.glob(pattern))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves the closing of files to the collector
        found = list(webdataset.WebDataset(urls, shardshuffle=False)) if urls else []
        gc.collect()
    return found


# --- folders


def torchvision(root: Path) -> Reading:
    """ImageFolder: every directory is a class, links to directories too; files below it by extension."""
    known = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
    reading = Reading(sorted(entry.name for entry in os.scandir(root) if entry.is_dir()))
    for label in reading.labels:
        for path in _walked(root / label, known, follow=True):
            reading.add(label, path.read_bytes())
        if not reading.counts[label]:
            raise FileNotFoundError(label)
    return reading


def timm(root: Path) -> Reading:
    """ReaderImageFolder: the label is the directory that a file lies in; labels are sorted as people count."""
    found = [(path.parent.name, path) for path in _walked(root, (".png", ".jpg", ".jpeg"), follow=True)]

    def natural(label: str) -> list[object]:
        return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", label.lower())]

    reading = Reading(sorted({label for label, _ in found}, key=natural))
    for label, path in found:
        reading.add(label, path.read_bytes())
    return reading


def keras(root: Path) -> Reading:
    """image_dataset_from_directory: directories without a dot in front; no link to a directory is followed."""
    names = sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith("."))
    reading = Reading(names)
    for label in names:
        for path in _walked(root / label, (".jpg", ".jpeg", ".png", ".gif", ".bmp"), follow=False):
            reading.add(label, path.read_bytes())
    return reading


def digits(root: Path) -> Reading:
    """parse_folder: two directories at least, sorted by path; what has another extension is passed over."""
    reading = Reading(sorted(entry.name for entry in os.scandir(root) if entry.is_dir()))
    assert len(reading.labels) >= 2
    for label in reading.labels:
        for path in _walked(root / label, (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm"), follow=True):
            reading.add(label, path.read_bytes())
    return reading


def _walked(root: Path, known: Sequence[str], *, follow: bool) -> Iterator[Path]:
    for at, directories, files in os.walk(root, followlinks=follow):
        directories.sort()
        yield from (Path(at) / file for file in sorted(files) if file.lower().endswith(tuple(known)))


# --- packages


def hugging_face(kind: str, root: Path, split: str, **more: Any) -> Reading:
    """`datasets.load_dataset`; ClassLabels as they are, other labels by `labels.txt`."""
    import datasets

    datasets.disable_progress_bars()
    name = "validation" if split == "val" else split
    with tempfile.TemporaryDirectory() as cache:
        loaded = datasets.load_dataset(kind, cache_dir=cache, **more)[name]
        image = "jpg" if kind == "webdataset" else "image"
        loaded = loaded.cast_column(image, datasets.Image(decode=False))
        if kind == "webdataset":
            reading = Reading((root / "labels.txt").read_text().split("\n")[:-1])
        else:
            reading = Reading(loaded.features["label"].names)
        for row in loaded:
            data = row[image]["bytes"] or Path(row[image]["path"]).read_bytes()
            reading.add(reading.labels[row["cls" if kind == "webdataset" else "label"]], data)
    return reading


def hugging_face_folder(root: Path, split: str) -> Reading:
    """Its `imagefolder`."""
    return hugging_face("imagefolder", root, split, data_dir=str(root))


def hugging_face_parquet(root: Path, split: str) -> Reading:
    """Its `parquet`, found by the directory alone."""
    return hugging_face(str(root), root, split)


def hugging_face_shards(root: Path, split: str) -> Reading:
    """Its `webdataset`."""
    files = {name: str(root / f"{own}-*.tar") for name, own in (("train", "train"), ("validation", "val"))}
    return hugging_face("webdataset", root, split, data_files=files)


def webdataset_package(root: Path, split: str) -> Reading:
    """The package of that name."""
    reading = Reading((root / "labels.txt").read_text().split("\n")[:-1])
    for one in read_shards(root, f"{split}-*.tar"):
        label = reading.labels[int(one["cls"])]
        assert json.loads(one["json"])["label"] == label
        reading.add(label, one["jpg"])
    return reading


def pyarrow_package(root: Path, split: str) -> Reading:
    """Arrow alone: the names of the labels stand in the schema."""
    table = parquet.read_table([str(path) for path in sorted(root.glob(f"{split}-*.parquet"))])
    told = json.loads(table.schema.metadata[b"huggingface"])
    reading = Reading(told["info"]["features"]["label"]["names"])
    for row in table.select(["image", "label"]).to_pylist():
        reading.add(reading.labels[row["label"]], row["image"]["bytes"])
    return reading


# --- Caffe's databases, with a reader that shares nothing with ours


def datums(database: Path) -> Iterator[tuple[bytes, dict[int, Any]]]:
    """Key and fields of each Datum."""
    with lmdb.open(str(database), readonly=True, lock=False) as env, env.begin() as transaction:
        for key, value in transaction.cursor():
            yield key, message(value)


def message(data: bytes) -> dict[int, Any]:
    """The fields of a protocol buffer message by number."""
    fields: dict[int, Any] = {}
    stream = io.BytesIO(data)

    def varint() -> int:
        value, shift = 0, 0
        while True:
            (byte,) = struct.unpack("B", stream.read(1))
            value += (byte % 128) << shift
            shift += 7
            if byte < 128:
                return value

    while stream.tell() < len(data):
        number, kind = divmod(varint(), 8)
        assert kind in (0, 2)
        fields[number] = varint() if kind == 0 else stream.read(varint())
    return fields


def caffe(root: Path, split: str) -> Reading:
    """The database as Caffe reads it, and the list beside it, which has to say the same."""
    reading = Reading((root / "labels.txt").read_text().split("\n")[:-1])
    lines = (root / f"{split}.txt").read_text().splitlines()
    for n, (key, fields) in enumerate(datums(root / f"{split}_db")):
        path, _, label = lines[n].rpartition(" ")
        assert int(label) == fields[5] and key == b"%08d_%d" % (n, fields[5]) and Path(path).is_absolute()
        assert (fields[1], fields[7]) == (3, 1)
        reading.add(reading.labels[fields[5]], Path(path).read_bytes())  # its own bytes are a smaller picture
    assert sum(reading.counts.values()) == len(lines)
    return reading


Reader = Callable[[Path, str], Reading]


def _folder(rule: Callable[[Path], Reading]) -> Reader:
    return lambda root, split: rule(root / split)


READERS: list[tuple[str, str, Reader]] = [
    ("imagefolder", "datasets", hugging_face_folder),
    ("imagefolder", "torchvision (its rules)", _folder(torchvision)),
    ("imagefolder", "timm (its rules)", _folder(timm)),
    ("imagefolder", "keras (its rules)", _folder(keras)),
    ("imagefolder", "DIGITS (its rules)", _folder(digits)),
    ("webdataset", "webdataset", webdataset_package),
    ("webdataset", "datasets", hugging_face_shards),
    ("parquet", "datasets", hugging_face_parquet),
    ("parquet", "pyarrow", pyarrow_package),
    ("lmdb", "lmdb, Caffe's Datum", caffe),
]


def make_dataset(root: Path, per_synset: int = PER_SYNSET) -> None:
    """Pictures of the 211 synsets of the twelve classes, and of one that is in none."""
    for n, synset in enumerate([*sorted(load_grouping("imagenet12").labels), "n03126707"]):
        (root / synset).mkdir(parents=True)
        for k in range(per_synset):
            data = picture(seed=n * per_synset + k, size=(24, 18))
            (root / synset / f"{synset}_{k}.jpg").write_bytes(data)


async def make_exports(root: Path, out: Path) -> dict[str, ac.ExportReport]:
    """The data set in every format, in twelve classes, divided by DIGITS's rule: no class is without a picture."""
    more: dict[str, Any] = {"groups": "imagenet12", "val": 10, "split": "digits", "seed": 3}
    return {
        "imagefolder": await ac.export(root, out / "imagefolder", "imagefolder", **more),
        "webdataset": await ac.export(root, out / "webdataset", "webdataset", **more),
        "parquet": await ac.export(root, out / "parquet", "parquet", **more),
        "lmdb": await ac.export(root, out / "lmdb", "lmdb", resize=16, **more),
    }


@dataclass
class Row:
    """One line of the table."""

    format: str
    reader: str
    split: str
    classes: int
    images: int
    agrees: bool


def table(out: Path, reports: dict[str, ac.ExportReport]) -> list[Row]:
    """What each reader finds in each split, and whether labels, their order, counts and pictures agree with all."""
    rows, digests = [], {split: caffe(out / "lmdb", split).digests for split in ("train", "val")}
    for format_, name, reader in READERS:
        report = reports[format_]
        for split in ("train", "val"):
            found = reader(out / format_, split)
            wanted = {label: counts[split] for label, counts in report.labels.items()}
            agrees = (found.labels, found.counts, found.digests) == (list(wanted), wanted, digests[split])
            rows.append(Row(format_, name, split, len(found.labels), sum(found.counts.values()), agrees))
    return rows


def main() -> int:
    """Make, read, print; 1 when a reader disagrees."""
    with tempfile.TemporaryDirectory() as made:
        make_dataset(Path(made) / "ilsvrc12")
        reports = asyncio.run(make_exports(Path(made) / "ilsvrc12", Path(made)))
        rows = table(Path(made), reports)
    print(f"{'format':<12} {'read by':<24} {'split':<6} {'classes':>7} {'images':>7}")
    for row in rows:
        verdict = "agrees" if row.agrees else "DISAGREES"
        print(f"{row.format:<12} {row.reader:<24} {row.split:<6} {row.classes:>7} {row.images:>7,}  {verdict}")
    return 0 if all(row.agrees for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
