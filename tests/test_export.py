"""Exports: repeatable to the byte, clearly restarted, never in somebody else's way; all that is known goes along."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

import asynccrawl as ac
from asynccrawl.imaging import Conversion, convert
from asynccrawl.sinks import (
    ImageFolderSink,
    LmdbSink,
    ParquetSink,
    ShardBounds,
    read_imagefolder,
    read_lmdb,
    read_parquet,
    read_webdataset,
)
from asynccrawl.testing import Answer, ImageServer, picture
from asynccrawl.testing.conformance import check_sink
from asynccrawl.testing.encodings import encoded

from .conftest import lenient
from .loading import Reading, datums, hugging_face_folder, message, read_shards
from .test_building import snapshot
from .test_cli import command

LABELS = ["n01440764"]
READ: dict[str, Any] = {"webdataset": read_webdataset, "parquet": read_parquet, "imagefolder": read_imagefolder}
FORMATS: list[Any] = ["imagefolder", "webdataset", "parquet", "lmdb"]


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Four labels with eight pictures each."""
    root = tmp_path / "ilsvrc12"
    for i, label in enumerate(("n1", "n2", "n3", "n4")):
        (root / label).mkdir(parents=True)
        for n in range(8):
            (root / label / f"{label}_{n}.jpg").write_bytes(picture(seed=10 * i + n, size=(24, 16)))
    return root


async def in_list(reader: Any, path: Path) -> list[Any]:
    return await asyncio.to_thread(lambda: list(reader(path)))


# --- the sinks


async def test_parquet_is_a_sink(dest: Path):
    await check_sink(
        lambda: ParquetSink(dest), stored=lambda: {s.name: s.data for s in read_parquet(dest)}, durable=False
    )
    assert [path.name for path in dest.iterdir()] == ["train-00000-of-00001.parquet"]


async def test_an_image_folder_is_a_sink(dest: Path):
    def stored() -> dict[str, bytes]:
        return {s.name: s.path.read_bytes() for s in read_imagefolder(dest) if s.path}

    await check_sink(lambda: ImageFolderSink(dest, LABELS, {"caption": "string"}), stored=stored, durable=False)
    assert len((dest / "metadata.jsonl").read_text().splitlines()) == 8


async def test_an_lmdb_is_a_sink(dest: Path):
    def stored() -> dict[str, bytes]:
        names = [Path(line.rpartition(" ")[0]).stem for line in (dest / "train.txt").read_text().splitlines()]
        names = [name.removesuffix("-False").removesuffix("-True") for name in names]
        return dict(zip(names, (s.data for s in read_lmdb(dest)), strict=True))

    await check_sink(lambda: LmdbSink(dest, LABELS), stored=stored, durable=False, unlabelled=False)


# --- the four formats


@pytest.mark.parametrize("format_", FORMATS)
async def test_the_same_export_again_gives_the_same_bytes(dataset: Path, tmp_path: Path, format_: Any):
    options: dict[str, Any] = {"val": 25, "split": "digits", "resize": 16, "encoding": "jpg"}
    source = snapshot(dataset)

    def files(root: Path) -> dict[str, bytes]:
        paths = (path for path in root.rglob("*") if path.is_file() and path.name != "lock.mdb")
        return {str(path.relative_to(root)): path.read_bytes() for path in paths}

    found = []
    for out in ("one", "two", "two"):
        report = await ac.export(dataset, tmp_path / out, format_, **options)
        assert report.complete and report.images == 32 and list(report.labels) == ["n1", "n2", "n3", "n4"]
        assert set(map(str, report.labels.values())) == {"{'train': 6, 'val': 2}"}
        found.append(await asyncio.to_thread(files, tmp_path / out))
    assert found[0] == found[1] == found[2]
    assert snapshot(dataset) == source
    seeded = await ac.export(dataset, tmp_path / "seed", format_, **options, seed=1)
    assert await asyncio.to_thread(files, tmp_path / "seed") != found[0] and seeded.images == 32


@pytest.mark.parametrize("format_", ["imagefolder", "webdataset", "parquet"])
async def test_pictures_are_kept_as_they_are_unless_asked(dataset: Path, tmp_path: Path, format_: Any):
    (dataset / "n1/n1_8.gif").write_bytes(encoded("gif"))
    report = await ac.export(dataset, tmp_path / "out", format_)
    samples = await in_list(READ[format_], tmp_path / "out")
    data = {s.name: s.data if s.path is None else s.path.read_bytes() for s in samples}
    assert data == {path.stem: path.read_bytes() for path in dataset.rglob("*.*") if path.suffix != ".txt"}
    assert report.formats == {"jpeg": 32, "gif": 1}
    passed_over = [line for line in report.findings if "1 gif" in line]
    assert len(passed_over) == (3 if format_ == "imagefolder" else 0), "DIGITS, timm and torchvision read no GIF"
    made = await ac.export(dataset, tmp_path / "jpg", format_, encoding="jpg")
    assert made.formats == {"jpeg": 33} and made.complete


async def test_captions_and_urls_travel_from_the_list_into_every_format(
    server: ImageServer, dest: Path, tmp_path: Path
):
    server.route(lambda request: Answer(picture(seed=len(request.path), size=(16, 16))))
    rows = [
        {"key": f"{'cat' if n % 2 else 'dog'}_{n}", "url": server.url("/" + "x" * (n + 1)), "caption": f"né {n}",
         "width": n, "score": n if n % 3 else n + 0.5, "seen": bool(n % 2), "tags": ["a", n],
         "large": 10**20 + n}
        for n in range(12)
    ]  # fmt: skip
    listed = tmp_path / "list.jsonl"
    await asyncio.to_thread(listed.write_text, "\n".join(map(json.dumps, rows)))
    await ac.crawl(listed, dest, settings=lenient())
    for out in ("parquet", "webdataset", "imagefolder"):
        await ac.export(dest, tmp_path / out, out, val=30)  # type: ignore[arg-type]
    (one,) = [s for s in await in_list(read_parquet, tmp_path / "parquet") if s.name == "cat_7"]
    assert one.request.url == rows[7]["url"] and (one.width, one.label) == (16, "cat") and len(one.sha256) == 64
    assert dict(one.request.extra) == {
        "caption": "né 7", "extra_width": 7, "score": 7.0, "seen": True, "tags": '["a", 7]',
        "large": "100000000000000000007",
    }  # fmt: skip
    extra = {key: rows[7][key] for key in ("caption", "width", "score", "seen", "tags", "large")}
    (one,) = [s for s in await in_list(read_webdataset, tmp_path / "webdataset") if s.name == "cat_7"]
    assert one.request.extra == extra and one.request.url == rows[7]["url"]
    (one,) = [s for s in await in_list(read_imagefolder, tmp_path / "imagefolder") if s.name == "cat_7"]
    assert one.request.extra == extra | {
        "score": 7.0, "tags": '["a", 7]', "large": "100000000000000000007",
    }  # fmt: skip
    from datasets import load_dataset

    def load(kind: str, name: str) -> Any:
        return load_dataset(kind, data_dir=str(tmp_path / name), cache_dir=str(tmp_path / f"cache-{name}"))

    loaded = await asyncio.to_thread(load, "imagefolder", "imagefolder")
    assert sorted([*loaded["train"]["caption"], *loaded["validation"]["caption"]]) == sorted(r["caption"] for r in rows)
    assert set(loaded["train"]["label"]) == {"cat", "dog"} and loaded["train"][0]["image"].size == (16, 16)
    loaded = await asyncio.to_thread(load, "parquet", "parquet")
    features = loaded["train"].features
    assert features["label"].names == ["cat", "dog"] and str(features["image"]).startswith("Image(")
    assert loaded["train"][0]["image"].size == (16, 16) and features["seen"].dtype == "bool"


async def test_shards_of_a_crawl_are_a_data_set_like_any_other(server: ImageServer, dest: Path, tmp_path: Path):
    pictures = {f"{'cat' if n % 2 else 'dog'}_{n}": picture(seed=n, size=(16, 16)) for n in range(12)}
    for name, data in pictures.items():
        server.add(f"/{name}", data)
    listed = [ac.Request(server.url(f"/{name}"), name, name[:3], {"caption": name * 2}) for name in pictures]
    await ac.crawl(listed, dest, settings=lenient(sink="webdataset"))
    report = await ac.export(dest, tmp_path / "out", "imagefolder", val=30)
    assert report.images == 12 and list(report.labels) == ["cat", "dog"]
    samples = await in_list(read_imagefolder, tmp_path / "out")
    assert {s.name: s.path.read_bytes() for s in samples} == pictures
    assert {s.name: s.request.extra["caption"] for s in samples} == {name: name * 2 for name in pictures}
    await ac.export(dest, tmp_path / "shards", "webdataset", bounds=ShardBounds(count=5))
    assert len(await asyncio.to_thread(read_shards, tmp_path / "shards")) == 12
    assert sorted(p.name for p in (tmp_path / "shards").glob("*.tar")) == [f"00000{n}.tar" for n in range(3)]


async def test_what_subset_has_divided_stays_divided(dataset: Path, tmp_path: Path):
    await ac.build_subset(dataset, {"a": ["n1", "n2"], "b": ["n3"]}, tmp_path / "sub", val=30)
    report = await ac.export(tmp_path / "sub", tmp_path / "out", "parquet")
    wanted = Counter((path.parts[-3], path.parts[-2]) for path in (tmp_path / "sub").rglob("*.jpg"))
    found = Counter((s.split, s.label) for s in await in_list(read_parquet, tmp_path / "out"))
    assert found == wanted and report.images == 24 and report.splits == ("train", "val")
    same = await ac.export(dataset, tmp_path / "direct", "parquet", groups={"a": ["n1", "n2"], "b": ["n3"]}, val=30)
    assert same.labels == report.labels and same.unwanted == 8
    with pytest.raises(ac.SettingsError, match="train, val already"):
        await ac.export(tmp_path / "sub", tmp_path / "out", "parquet", val=10)
    # a class may be called train, when there are pictures in it
    shutil.copytree(dataset / "n1", tmp_path / "vehicles/train")
    shutil.copytree(dataset / "n2", tmp_path / "vehicles/val")
    assert list((await ac.export(tmp_path / "vehicles", tmp_path / "v", "parquet")).labels) == ["train", "val"]


async def test_equal_names_of_two_labels_are_both_kept(tmp_path: Path):
    for label in ("a", "b"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for n in range(2):
            (tmp_path / "data" / label / f"{n}.jpg").write_bytes(picture(seed=n + ord(label), size=(8, 8)))
    for format_ in FORMATS:
        report = await ac.export(tmp_path / "data", tmp_path / format_, format_)
        assert report.images == 4 and report.complete, format_
    assert len({one["__key__"] for one in await asyncio.to_thread(read_shards, tmp_path / "webdataset")}) == 4
    assert len(await in_list(read_lmdb, tmp_path / "lmdb")) == 4


async def test_digits_rule_divides_a_subset_as_it_divides_an_export(dataset: Path, tmp_path: Path):
    (dataset / "n4/n4_8.jpg").write_bytes(picture(seed=77, size=(9, 9)))
    (dataset / "n9").mkdir()
    (dataset / "n9/n9_0.jpg").write_bytes(picture(seed=78, size=(9, 9)))
    groups: Any = {"a": ["n1", "n2"], "b": ["n3"], "c": ["n4"], "one": ["n9"]}
    rule: Any = {"groups": groups, "val": 10, "test": 10, "split": "digits", "seed": 5}
    code, out, _ = await command(
        "subset", dataset, tmp_path / "cli", "--groups", await _toml(tmp_path, groups), "--val", "10", "--test", "10",
        "--split", "digits", "--seed", "5",
    )  # fmt: skip
    assert code == 0 and "one: 1 images are too few; the class is left out" in out
    subset = await ac.build_subset(dataset, groups, tmp_path / "subset", val=10, test=10, split="digits", seed=5)
    export = await ac.export(dataset, tmp_path / "export", "imagefolder", **rule)
    assert subset.dropped == export.dropped == {"one": 1}
    counts = {name: count.by_split for name, count in subset.classes.items() if name != "one"}
    assert counts == export.labels == {
        "a": {"train": 13, "val": 2, "test": 1}, "b": {"train": 6, "val": 1, "test": 1},
        "c": {"train": 7, "val": 1, "test": 1},
    }  # fmt: skip

    def tree(root: Path) -> set[str]:
        return {str(path.relative_to(root)) for path in root.rglob("*.jpg")}

    assert tree(tmp_path / "subset") == tree(tmp_path / "export") == tree(tmp_path / "cli")
    again = await ac.build_subset(dataset, groups, tmp_path / "subset", val=10, test=10, split="digits", seed=5)
    assert not again.leftovers and tree(tmp_path / "subset") == tree(tmp_path / "export")
    other = await ac.build_subset(dataset, groups, tmp_path / "subset", val=10, test=10, split="digits", seed=6)
    assert not other.leftovers and tree(tmp_path / "subset") != tree(tmp_path / "export")


async def _toml(directory: Path, groups: dict[str, list[str]]) -> Path:
    path = directory / "groups.toml"
    lines = [f"{group} = {json.dumps(labels)}" for group, labels in groups.items()]
    await asyncio.to_thread(path.write_text, "\n".join(lines))
    return path


class Pairs:
    """Every picture is like the next one."""

    def group_of(self, name: str) -> str | None:
        label, _, n = name.partition("_")
        return f"{label}_{int(n) // 2}" if n != "7" else None


@pytest.mark.parametrize("build", ["export", "subset"])
async def test_pictures_that_look_alike_stay_on_one_side(dataset: Path, build: str):
    sink = ac.MemorySink()
    if build == "export":
        assert (await ac.export(dataset, sink, val=40, near=Pairs())).images == 32
    else:
        groups = {"all": ["n1", "n2", "n3", "n4"]}
        assert (await ac.build_subset(dataset, groups, sink, val=40, near=Pairs())).images == 32
    assert {sample.split for sample in sink.samples.values()} == {"train", "val"}
    for label in ("n1", "n2", "n3", "n4"):
        for n in (0, 2, 4):
            assert sink.samples[f"{label}_{n}"].split == sink.samples[f"{label}_{n + 1}"].split


@pytest.mark.may_block  # readers block
@pytest.mark.parametrize("encoding", ["png", "jpg", "none"])
@pytest.mark.parametrize("mode", ["squash", "crop", "fill", "half_crop"])
async def test_every_record_of_an_lmdb_decodes_to_its_source_after_the_same_resize(
    dataset: Path, tmp_path: Path, encoding: Any, mode: Any
):
    out = tmp_path / "out"
    await ac.export(dataset, out, "lmdb", val=25, split="digits", resize=10, mode=mode, encoding=encoding)
    sums = numpy.zeros((3, 10, 10))
    for split in ("train", "val"):
        lines = (out / f"{split}.txt").read_text().splitlines()
        found = list(datums(out / f"{split}_db"))
        assert len(found) == len(lines) == (24 if split == "train" else 8)
        for line, (_, fields) in zip(lines, found, strict=True):
            assert (fields[1], fields[2], fields[3]) == (3, 10, 10)
            source = Image.open(line.rpartition(" ")[0])
            wanted = numpy.asarray(source.resize((10, 10), Image.Resampling.BILINEAR)).transpose(2, 0, 1)[::-1]
            if encoding == "none":
                assert 7 not in fields
                pixels = numpy.frombuffer(fields[4], "uint8").reshape(3, 10, 10)
            else:
                assert fields[7] == 1
                pixels = numpy.asarray(Image.open(io.BytesIO(fields[4]))).transpose(2, 0, 1)[::-1]
            if mode == "squash" and encoding != "jpg":
                assert (pixels == wanted).all()
            again = convert(Path(source.filename), Conversion(size=10, mode=mode, encoding="bgr", rgb=True))
            exact = numpy.frombuffer(again.data, "uint8").reshape(3, 10, 10)
            if encoding == "jpg":
                jpeg = Conversion(size=10, mode=mode, encoding="jpg", quality=90, rgb=True)
                assert fields[4] == convert(Path(source.filename), jpeg).data
            else:
                assert (pixels == exact).all()
            if split == "train":
                sums += exact
    blob = message((out / "mean.binaryproto").read_bytes())
    assert (blob[1], blob[2], blob[3], blob[4]) == (1, 3, 10, 10)
    mean = numpy.frombuffer(blob[5], "<f4").reshape(3, 10, 10)
    assert (mean == numpy.around(sums / 24)).all(), "training pictures alone, before they are encoded"
    shown = numpy.asarray(Image.open(out / "mean.jpg")).transpose(2, 0, 1)[::-1]
    assert abs(shown.astype(int) - mean).mean() < 16


# --- where it goes


@pytest.mark.parametrize("format_", ["webdataset", "parquet", "lmdb"])
async def test_an_earlier_result_is_replaced_and_a_stranger_is_not(dataset: Path, tmp_path: Path, format_: Any):
    out = tmp_path / "out"
    await ac.export(dataset, out, format_, val=30, resize=9)
    shutil.rmtree(dataset / "n4")
    report = await ac.export(dataset, out, format_, encoding="png", resize=9)
    assert report.images == 24 and not report.restarted
    assert not [path.name for path in out.iterdir() if path.name.startswith(("val", "."))]
    (out / "thesis.txt").write_text("keep me")
    with pytest.raises(ac.SettingsError, match=r"thesis\.txt, which is no earlier export"):
        await ac.export(dataset, out, format_)
    (out / "thesis.txt").unlink()
    other = "lmdb" if format_ != "lmdb" else "parquet"
    with pytest.raises(ac.SettingsError, match="no earlier export"):
        await ac.export(dataset, out, other)  # type: ignore[arg-type]


async def test_an_image_folder_with_strangers_or_another_division_tells_them(dataset: Path, tmp_path: Path):
    out = tmp_path / "out"
    await ac.export(dataset, out, "imagefolder")
    (out / "n1/mine.jpg").write_bytes(b"mine")
    report = await ac.export(dataset, out, "imagefolder")
    assert report.leftovers == {"n1": 1} and not report.complete and "n1: 1 files" in str(report)
    other = await ac.export(dataset, out, "imagefolder", resize=8)
    assert other.images == 0 and len(other.refused) == 32 and "name another directory" in other.refused[0]
    assert (out / "n1/mine.jpg").read_bytes() == b"mine"


HANGS = """
import sys, time
from asynccrawl.cli import main
from asynccrawl.sinks import lmdb
put = lmdb._Database.put
lmdb._Database.put = lambda *arguments: put(*arguments) or print("put", flush=True) or time.sleep(60)
main(sys.argv[1:])
"""
"""The command, which hangs once its first batch is in the database."""


@pytest.mark.slow  # a process is started and killed
async def test_a_killed_export_leaves_nothing_visible_and_is_begun_anew(tmp_path: Path):
    root, out = tmp_path / "data", tmp_path / "out"
    for label in ("a", "b"):
        (root / label).mkdir(parents=True)
        for n in range(150):
            (root / label / f"{label}{n}.jpg").write_bytes(picture(seed=n, size=(300, 200)))
    words = ("export", root, out, "--format", "lmdb", "--encoding", "none")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HANGS, *map(str, words), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout and await process.stdout.readline() == b"put\n"
    assert (out / ".asynccrawl.tmp" / "train_db" / "data.mdb").exists()
    process.send_signal(signal.SIGKILL)
    await process.communicate()
    assert [path.name for path in out.iterdir()] == [".asynccrawl.tmp"]
    code, stdout, err = await command(*words)
    assert code == 0 and "it was begun anew" in err and "300 images" in stdout
    assert sorted(path.name for path in out.iterdir()) == [
        "labels.txt", "mean.binaryproto", "mean.jpg", "train.txt", "train_db",
    ]  # fmt: skip
    assert len(await in_list(read_lmdb, out)) == 300


async def test_what_cannot_be_converted_is_told_and_left_out(dataset: Path, tmp_path: Path):
    (dataset / "n1/n1_0.jpg").write_bytes(b"no picture")
    (dataset / "n2/n2_0.jpg").write_bytes((dataset / "n2/n2_0.jpg").read_bytes()[:300])
    report = await ac.export(dataset, tmp_path / "out", "lmdb", resize=16)
    assert report.images == 30 and len(report.refused) == 2 and report.refused[0].startswith(("n1/n1_0: ", "n2/"))
    code, out, _ = await command("export", dataset, tmp_path / "out", "--format", "lmdb", "--resize", "9", "--strict")
    assert code == 1 and "n1/n1_0: its first bytes are text" in out


async def test_classes_that_are_too_small_are_left_out_by_digits_rule(dataset: Path, tmp_path: Path):
    (dataset / "tiny").mkdir()
    (dataset / "tiny/one.jpg").write_bytes(picture(size=(8, 8)))
    report = await ac.export(dataset, tmp_path / "out", "lmdb", val=10, split="digits", resize=8)
    assert report.dropped == {"tiny": 1} and (tmp_path / "out/labels.txt").read_text().split() == [
        "n1", "n2", "n3", "n4",
    ]  # fmt: skip
    hashed = await ac.export(dataset, tmp_path / "hashed", "lmdb", val=10, resize=8)
    assert "tiny" in hashed.labels and any("tiny: no picture of it falls into val" in line for line in hashed.findings)


@pytest.mark.slow  # eight processes
async def test_the_command_says_what_is_wrong(dataset: Path, tmp_path: Path):
    path = tmp_path
    to, data = (dataset, path / "x", "--format"), dataset
    one, two = [
        ((data, path / "x"), "Missing option '--format'"),
        ((*to, "hdf5"), "'hdf5' is not one of"),
        ((data, data / "x", "--format", "lmdb"), "taken for a class"),
        ((path / "no", path / "x", "--format", "lmdb"), "no such directory"),
        ((*to, "lmdb", "--groups", "imagenet12"), "two classes at least"),
        ((*to, "parquet", "--quality", "80"), "quality is JPEG's"),
        ((*to, "lmdb", "--shard-count", "8"), "are for webdataset and parquet"),
        ((*to, "webdataset", "--shard-count", "0"), "must be at least 1"),
    ], [
        ({"val": 100.0}, "val is 100"), ({"resize": 0}, "resize is 0"), ({"resize": 2.5}, "resize is 2.5"),
        ({"mode": "keep_ratio"}, "leaves pictures of many sizes"), ({"mode": "stretch"}, "mode is 'stretch'"),
        ({"quality": 101}, "quality is 101"), ({"encoding": "webp"}, "encoding is 'webp'"),
        ({"quality": 80}, "quality is JPEG's"), ({"split": "random"}, "split is 'random'"),
        ({"split": "digits", "near": Pairs()}, "use split hash"), ({"groups": "no.toml"}, "no such file"),
    ]  # fmt: skip
    for words, told in one:
        code, out, err = await command("export", *words)
        assert code == 2 and told in err and not out, (words, err)
    for options, told in two:
        with pytest.raises(ac.SettingsError, match=told):
            await ac.export(data, path / "x", "lmdb", **options)
    with pytest.raises(ac.SettingsError, match="needs an encoding"):
        await ac.export(data, path / "x", "parquet", resize=8, encoding="none")
    assert not (tmp_path / "x").exists()


async def test_an_extra_that_is_missing_is_named(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("lmdb", "pyarrow"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ac.SettingsError, match=r"pip install 'asynccrawl\[lmdb\]'"):
        await ac.export(dataset, tmp_path / "out", "lmdb")
    with pytest.raises(ac.SettingsError, match=r"pip install 'asynccrawl\[parquet\]'"):
        await ac.export(dataset, tmp_path / "out", "parquet")


async def test_a_sink_in_place_of_directory_and_format(dataset: Path, tmp_path: Path):
    sink = ac.MemorySink()
    done: list[tuple[int, int]] = []
    report = await ac.export(
        dataset, sink, groups={"a": ["n1"], "b": ["n2"]}, resize=8, mode="border",
        advance=lambda n, total: done.append((n, total)),
    )  # fmt: skip
    one = sink.samples["n1_3"]
    assert (one.label, one.width, one.format, one.source) == ("a", 8, "jpeg", dataset / "n1/n1_3.jpg")
    assert report.images == 16 and done == [(16, 16)]
    with pytest.raises(ac.SettingsError, match="a directory and a format"):
        await ac.export(dataset, sink, "parquet")
    with pytest.raises(ac.SettingsError, match="a directory and a format"):
        await ac.export(dataset, tmp_path / "out")


@pytest.mark.may_block  # the reader blocks
async def test_hugging_face_reads_what_was_resized(dataset: Path, tmp_path: Path):
    await ac.export(dataset, tmp_path / "out", "imagefolder", val=30, resize=8, mode="center_crop", quality=80)
    found: Reading = hugging_face_folder(tmp_path / "out", "train")
    assert found.labels == ["n1", "n2", "n3", "n4"]
