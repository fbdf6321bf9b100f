"""Shards: whole samples only, whatever is cut off; equal bytes for equal samples; read by the `webdataset` package."""

from __future__ import annotations

import asyncio
import hashlib
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from asynccrawl.errors import StorageError
from asynccrawl.models import Failure, Request, Sample
from asynccrawl.sinks import ShardBounds, WebDatasetSink, read_webdataset
from asynccrawl.sinks.tar import END, held_in, key_of
from asynccrawl.testing import picture
from asynccrawl.testing.conformance import check_sink

from .loading import read_shards

PINNED = "010c2717ce54db1ba0416ddb5cc3829926d9536b610438be29d45bf41452a668"


def sample(n: int, label: str | None = "n01440764", **more: Any) -> Sample:
    data = picture(seed=n, size=(16, 16))
    name = f"{label or 'x'}_{n}"
    request = Request(f"http://x/{n}.jpg", name, label, {"caption": f"né {n}"})
    facts = {"width": 16, "height": 16, "mode": "RGB", "bytes": len(data)}
    values = {"data": data, "sha256": hashlib.sha256(data).hexdigest()} | facts | more
    return Sample(request, n, values.pop("name", name), label, "jpeg", **values)


def stored(dest: Path) -> Mapping[str, bytes]:
    """What is in the shards, published or not, by name; each name once."""
    found: dict[str, bytes] = {}
    for path in sorted(dest.glob("*.tar")) + sorted(dest.glob(".*.part")):
        data = path.read_bytes()
        for held in held_in(data):
            name = json.loads(data[held.members["json"][0] :][: held.members["json"][1]])["name"]
            assert name not in found and held.picture is not None
            found[name] = data[held.picture[1] :][: held.picture[2]]
    return found


@pytest.mark.parametrize("options", [{}, {"bounds": ShardBounds(2)}, {"sync": True, "labels": ["n01440764"]}])
async def test_it_is_a_sink(dest: Path, options: dict[str, Any]):
    await check_sink(lambda: WebDatasetSink(dest, **options), stored=lambda: stored(dest))
    assert not list(dest.glob(".*"))
    samples = await asyncio.to_thread(lambda: list(read_webdataset(dest)))
    assert {one.name: one.data for one in samples} == stored(dest)


async def test_the_webdataset_package_reads_every_member(dest: Path):
    sink = WebDatasetSink(dest, ["ant", "bee"])
    long = sample(3, "bee", name="x" * 200)
    entries = await sink.write([sample(1, "bee"), sample(2, "ant"), long, sample(4, "wasp"), sample(5, None)])
    await sink.aclose()
    assert isinstance(entries[3], Failure) and entries[3].reason == "label_not_wanted"
    assert entries[0] == "000000.tar/bee_1.jpg" and (dest / "labels.txt").read_text() == "ant\nbee\n"
    found = await asyncio.to_thread(read_shards, dest)
    assert [(one["__key__"], one.get("cls")) for one in found] == [
        ("bee_1", b"1"), ("ant_2", b"0"), ("x" * 200, b"1"), ("x_5", None),
    ]  # fmt: skip
    told = json.loads(found[0]["json"])
    assert found[0]["jpg"] == sample(1).data and told["label"] == "bee" and told["extra"] == {"caption": "né 1"}
    again, *_ = await asyncio.to_thread(lambda: list(read_webdataset(dest)))
    assert (again.name, again.label, again.request.key, again.request.extra) == (
        "bee_1", "bee", "bee_1", {"caption": "né 1"},
    )  # fmt: skip


async def test_bounds_and_splits_make_shards_and_equal_samples_equal_bytes(tmp_path: Path):
    async def made(dest: Path) -> dict[str, bytes]:
        sink = WebDatasetSink(dest, bounds=ShardBounds(count=4, bytes=50_000))
        for n in range(8):
            await sink.write([sample(n, split="train" if n % 4 else "val")])
        await sink.write([sample(9, data=bytes(60_000), sha256=None), sample(10, data=b"pinned", sha256=None)])
        await sink.aclose()
        return {path.name: path.read_bytes() for path in dest.iterdir()}

    one, two = await made(tmp_path / "one"), await made(tmp_path / "two")
    assert one == two and sorted(one) == [
        "000000.tar", "000001.tar", "labels.txt", "train-000000.tar", "train-000001.tar", "val-000000.tar",
    ]  # fmt: skip
    with tarfile.open(tmp_path / "one/train-000000.tar") as archive:
        for info in archive:
            assert (info.uid, info.gid, info.uname, info.gname, info.mtime, info.mode) == (0, 0, "", "", 0, 0o644)
    # Pinned: the same data set has to give the same shards in every later version.
    assert hashlib.sha256(one["000001.tar"]).hexdigest() == PINNED and one["labels.txt"] == b"n01440764\n"


async def test_whatever_is_cut_off_the_samples_before_are_kept_and_the_next_go_into_a_new_shard(dest: Path):
    sink = WebDatasetSink(dest)
    await sink.write([sample(n) for n in range(4)])
    (part,) = dest.glob(".*.part")
    whole = part.read_bytes()
    ends = [held.end for held in held_in(whole)]
    for cut in (*range(0, len(whole), 997), *ends, *(end - 1 for end in ends), *(end + 1 for end in ends)):
        for path in dest.iterdir():
            path.unlink()
        part.write_bytes(whole[:cut])
        again = WebDatasetSink(dest)
        kept = sum(end <= cut for end in ends)
        await again.write([sample(n) for n in range(4)])
        await again.aclose()
        assert list(stored(dest)) == [f"n01440764_{n}" for n in range(4)]
        assert len(list(dest.glob("*.tar"))) == (1 if kept in (0, 4) else 2) and not list(dest.glob(".*"))


async def test_a_picture_that_a_power_cut_has_emptied_is_no_longer_there(dest: Path):
    sink = WebDatasetSink(dest)
    await sink.write([sample(n) for n in range(3)])
    (part,) = dest.glob(".*.part")
    data = bytearray(part.read_bytes())
    middle = list(held_in(bytes(data)))[1].picture
    assert middle is not None
    data[middle[1] + 100 : middle[1] + 200] = bytes(100)
    part.write_bytes(data)
    again = WebDatasetSink(dest)
    await again.aclose()
    assert sorted(stored(dest)) == ["n01440764_0", "n01440764_2"]
    await again.write([sample(1)])
    await again.aclose()
    assert stored(dest)["n01440764_1"] == sample(1).data


async def test_another_picture_under_a_name_replaces_the_earlier_one(dest: Path):
    sink = WebDatasetSink(dest)
    await sink.write([sample(1), sample(2)])
    await sink.aclose()
    other = picture(seed=99, size=(16, 16))
    for _ in range(2):
        await sink.write([sample(1, data=other, sha256=None)])
    await sink.write([sample(2, data=other, sha256=None), sample(2)])
    await sink.aclose()
    assert stored(dest) == {"n01440764_1": other, "n01440764_2": sample(2).data}


async def test_dots_in_names_are_no_ends_of_keys(dest: Path):
    assert key_of("plain-1_b") == "plain-1_b" and "." not in key_of("a.b") and key_of("a.b") != key_of("a_b")
    sink = WebDatasetSink(dest)
    await sink.write([sample(1, name="a.b"), sample(2, name="a_b")])
    await sink.aclose()
    assert sorted(stored(dest)) == ["a.b", "a_b"] and len(await asyncio.to_thread(read_shards, dest)) == 2


async def test_labels_keep_their_numbers_and_a_cut_line_is_none(dest: Path):
    sink = WebDatasetSink(dest, known=["b"])
    await sink.write([sample(1, "c"), sample(2, "a")])
    await sink.aclose()
    with (dest / "labels.txt").open("a") as file:
        file.write("d")
    again = WebDatasetSink(dest, known=["e", "a"])
    await again.write([sample(3, "a")])
    await again.aclose()
    assert (dest / "labels.txt").read_text().split() == ["b", "c", "a", "e"]
    with pytest.raises(StorageError, match="other labels"):
        await WebDatasetSink(dest, ["a", "b"]).write([sample(4, "a")])


async def test_a_sync_that_failed_is_not_tried_again_and_nothing_is_published(
    dest: Path, monkeypatch: pytest.MonkeyPatch
):
    from asynccrawl.sinks import shard

    sink = WebDatasetSink(dest, sync=True)
    await sink.write([sample(1)])
    syncs = []

    def broken(file: int) -> None:
        syncs.append(file)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(shard, "_sync_data", broken)
    for _ in range(2):
        with pytest.raises(StorageError, match="see to the disk"):
            await sink.write([sample(2)])
    await sink.aclose()
    assert len(syncs) == 1 and not list(dest.glob("*.tar")) and len(list(dest.glob(".*.part"))) == 1
    monkeypatch.undo()
    again = WebDatasetSink(dest)
    await again.write([sample(2)])
    await again.aclose()
    assert sorted(one["__key__"] for one in await asyncio.to_thread(read_shards, dest)) == [
        "n01440764_1",
        "n01440764_2",
    ]


async def test_names_that_lead_elsewhere_are_refused_and_any_split_is_found_again(dest: Path):
    sink = WebDatasetSink(dest)
    bad = [sample(1, name=name) for name in ("../up", "a/b", ".hidden", "")] + [sample(1, split="../up")]
    assert [entry.reason for entry in await sink.write(bad) if isinstance(entry, Failure)] == ["bad_name"] * 5
    for _ in range(2):
        await sink.write([sample(1, split="fold-1")])
        await sink.aclose()
    assert [path.name for path in dest.glob("*.tar")] == ["fold-1-000000.tar"] and len(stored(dest)) == 1


async def test_a_full_disk_ends_it_and_room_lets_it_go_on(dest: Path, monkeypatch: pytest.MonkeyPatch):
    import os

    sink, real = WebDatasetSink(dest), os.pwrite
    await sink.write([sample(1)])

    def full(file: int, data: Any, at: int) -> int:
        real(file, bytes(data)[:700], at)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(StorageError, match="make room"):
        await sink.write([sample(2), sample(3)])
    monkeypatch.undo()
    await sink.write([sample(2), sample(3)])
    await sink.aclose()
    assert len(await asyncio.to_thread(read_shards, dest)) == 3 and (dest / "000000.tar").read_bytes().endswith(END)
