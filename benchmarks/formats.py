"""Pictures a second into each sink, and through each export; no network.

    python benchmarks/formats.py [--pictures 2000] [--rounds 3] [--dest DIRECTORY] [--quick]

Sinks get batches of 64 pictures of 50 kB in memory. Exports read JPEGs of 500x375 from disk, in two classes; where they
convert, it is to 256 x 256. Each row is the median of the rounds (least to most), and asserts that all were stored.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asynccrawl as ac
from asynccrawl.sinks import Sink, read_directory, read_webdataset
from asynccrawl.testing import picture

BATCH, BYTES = 64, 50_000
SINKS: dict[str, tuple[Callable[[Path], Sink], Callable[[Path], Any]]] = {
    "directory": (ac.DirectorySink, read_directory),
    "directory, each file synced": (lambda dest: ac.DirectorySink(dest, sync=True), read_directory),
    "webdataset": (ac.WebDatasetSink, read_webdataset),
    "webdataset, each batch synced": (lambda dest: ac.WebDatasetSink(dest, sync=True), read_webdataset),
}
EXPORTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "imagefolder": ("imagefolder", {}),
    "webdataset": ("webdataset", {}),
    "parquet": ("parquet", {}),
    "webdataset, center_crop, jpg": ("webdataset", {"resize": 256, "mode": "center_crop"}),
    "lmdb, squash, png": ("lmdb", {}),
    "lmdb, squash, jpg": ("lmdb", {"encoding": "jpg"}),
    "lmdb, squash, bare": ("lmdb", {"encoding": "none"}),
}


def samples(count: int) -> list[ac.Sample]:
    noise = [random.Random(n).randbytes(BYTES) for n in range(BATCH)]
    made = []
    for n in range(count):
        label, data = f"n0{n % 9}", noise[n % BATCH]
        request = ac.Request(f"http://images.example/{n}.jpg", f"{label}_{n}", label)
        made.append(ac.Sample(request, n, f"{label}_{n}", label, "jpeg", data=data, bytes=BYTES))
    return made


async def stored(sink: Sink, pictures: list[ac.Sample]) -> float:
    began = time.perf_counter()
    for start in range(0, len(pictures), BATCH):
        await sink.write(pictures[start : start + BATCH])  # type: ignore[misc]  # ours are all async
    await sink.aclose()  # type: ignore[misc]
    return len(pictures) / (time.perf_counter() - began)


def into_sink(name: str, room: Path, pictures: list[ac.Sample]) -> float:
    make, read = SINKS[name]
    rate = asyncio.run(stored(make(room / "out"), pictures))
    assert sum(1 for _ in read(room / "out")) == len(pictures)
    return rate


def exported(name: str, room: Path, dataset: Path, count: int) -> float:
    format_, options = EXPORTS[name]
    began = time.perf_counter()
    report = asyncio.run(ac.export(dataset, room / "out", format_, **options))
    assert report.images == count and report.complete, report
    return count / (time.perf_counter() - began)


def dataset_of(root: Path, count: int) -> Path:
    for n in range(count):
        label = root / "dataset" / f"class{n % 2}"
        label.mkdir(parents=True, exist_ok=True)
        (label / f"{n}.jpg").write_bytes(picture(size=(500, 375), seed=n % 200))
    return root / "dataset"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dest", type=Path, default=Path(tempfile.gettempdir()), help="where to write")
    parser.add_argument("--quick", action="store_true", help="small, for a test: the figures mean nothing")
    given = parser.parse_args()
    if given.quick:
        given.pictures, given.rounds = 20, 1
    if given.pictures < 2 or given.rounds < 1:
        parser.error("--pictures must be 2 or more, --rounds 1 or more")
    pictures, few = samples(given.pictures), max(2, given.pictures // 5)
    with tempfile.TemporaryDirectory(dir=given.dest) as made:
        dataset = dataset_of(Path(made), few)
        rows: dict[str, Callable[[Path], float]] = {
            **{f"sink    {name}": lambda room, name=name: into_sink(name, room, pictures) for name in SINKS},
            **{f"export  {name}": lambda room, name=name: exported(name, room, dataset, few) for name in EXPORTS},
        }
        print(f"{given.pictures:,} pictures into each sink, {few:,} through each export; pictures/s")
        for name, work in rows.items():
            rates = []
            for _ in range(given.rounds):
                with tempfile.TemporaryDirectory(dir=given.dest) as room:
                    rates.append(work(Path(room)))
            print(f"{name:<40}{statistics.median(rates):>8,.0f} ({min(rates):,.0f} to {max(rates):,.0f})", flush=True)


if __name__ == "__main__":
    main()
