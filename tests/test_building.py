"""Subsets of real directories: complete, relative, repeatable, and never through a link into the source."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import asynccrawl as ac
from asynccrawl.ledger.schema import prepare
from asynccrawl.subset import load_grouping, synsets
from asynccrawl.testing import Answer, ImageServer, picture

GROUPS = {"ball": {"baseball": "n1", "tennis_ball": "n2"}, "cat": {"tabby": "n3"}}
TWELVE = load_grouping("imagenet12")
SYNSETS = list(synsets())


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Four labels with eight pictures each, one of which is in no class."""
    root = tmp_path / "ilsvrc12"
    for label in ("n1", "n2", "n3", "n4"):
        (root / label).mkdir(parents=True)
        for n in range(8):
            (root / label / f"{label}_{n}.jpg").write_bytes(f"{label} {n}".encode())
    with closing(sqlite3.connect(root / ".asynccrawl.sqlite3")) as ledger:
        prepare(ledger)
    return root


def snapshot(root: Path) -> dict[str, Any]:
    """Everything below a directory: what it is, where it leads, what it holds, which file it is and since when."""
    found = {}
    for path in sorted(root.rglob("*")):
        if "__pycache__" in path.parts:
            continue
        about = path.lstat()
        content = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else ""
        found[str(path.relative_to(root))] = (about.st_mode, about.st_ino, about.st_mtime_ns, content)
    return found


def tree(root: Path) -> Counter[str]:
    return Counter(str(path.parent.relative_to(root)) for path in root.rglob("*.jpg"))


async def command(*words: object) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "asynccrawl", *map(str, words), stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_the_old_scripts_tree_link_for_link(tmp_path: Path):
    source, out = tmp_path / "here" / "ilsvrc12", tmp_path / "here" / "12_classes"
    for synset in SYNSETS:
        (source / synset).mkdir(parents=True)
        (source / synset / f"{synset}_1.jpg").write_bytes(synset.encode())
    report = await ac.build_subset(source, "imagenet12", out, layout="nested")
    assert report.complete and report.images == 211 and len(report.classes) == 12
    links = [path for path in out.rglob("*") if path.is_symlink()]
    assert len(links) == 211 and {path.parent.name for path in links} == set(TWELVE.groups)
    assert str((out / "ball" / "baseball").readlink()) == "../../ilsvrc12/n02799071"
    before = snapshot(tmp_path)
    assert str(await ac.build_subset(source, "imagenet12", out, layout="nested")) == str(report)
    assert snapshot(tmp_path) == before
    shutil.move(tmp_path / "here", tmp_path / "there")
    for group, name, label in TWELVE.members():
        assert (tmp_path / "there/12_classes" / group / name / f"{label}_1.jpg").read_bytes() == label.encode()


@pytest.mark.parametrize("link", ["symlink", "hardlink", "copy"])
async def test_flat_is_a_file_a_picture_and_a_second_run_changes_nothing(dataset: Path, tmp_path: Path, link: Any):
    source, out = snapshot(dataset), tmp_path / "out"
    report = await ac.build_subset(dataset, GROUPS, out, link=link)
    assert tree(out) == {"ball": 16, "cat": 8} and report.images == 24 and report.complete
    assert sorted(path.name for path in out.iterdir()) == ["ball", "cat"]
    for path in out.rglob("*.jpg"):
        assert path.read_bytes() == path.stem.replace("_", " ").encode()
        assert path.is_symlink() == (link == "symlink")
    before = snapshot(out)
    assert str(await ac.build_subset(dataset, GROUPS, out, link=link)) == str(report)
    assert snapshot(out) == before
    if link == "symlink":
        assert str((out / "ball/n1_0.jpg").readlink()) == "../../ilsvrc12/n1/n1_0.jpg"
        assert snapshot(dataset) == source


async def test_absolute_links_and_links_through_links(dataset: Path, tmp_path: Path):
    await ac.build_subset(dataset, GROUPS, tmp_path / "abs", absolute=True)
    assert (tmp_path / "abs/cat/n3_0.jpg").readlink() == dataset / "n3/n3_0.jpg"
    (tmp_path / "elsewhere/deep").mkdir(parents=True)
    (tmp_path / "data").symlink_to(dataset)
    (tmp_path / "results").symlink_to(tmp_path / "elsewhere/deep")
    await ac.build_subset(tmp_path / "data", GROUPS, tmp_path / "results/out")
    link = tmp_path / "elsewhere/deep/out/cat/n3_0.jpg"
    assert link.read_bytes() == b"n3 0" and str(link.readlink()) == "../../../../data/n3/n3_0.jpg"
    # relative to absolute and back: links to the same file are renewed
    report = await ac.build_subset(dataset, GROUPS, tmp_path / "abs")
    assert report.complete and str((tmp_path / "abs/cat/n3_0.jpg").readlink()) == "../../ilsvrc12/n3/n3_0.jpg"


@pytest.mark.parametrize("first", ["symlink", "hardlink", "copy"])
@pytest.mark.parametrize("then", ["symlink", "hardlink", "copy"])
async def test_another_split_or_manner_moves_pictures_and_leaves_none_behind(
    dataset: Path, tmp_path: Path, first: Any, then: Any
):
    source, out = {p: v[3] for p, v in snapshot(dataset).items()}, tmp_path / "out"
    await ac.build_subset(dataset, GROUPS, out, link=first, val=30, test=30)
    split = tree(out)
    assert sum(split.values()) == 24 and {place.split("/")[0] for place in split} == {"train", "val", "test"}
    report = await ac.build_subset(dataset, GROUPS, out, link=then, val=60)
    assert sum(tree(out).values()) == 24 and not report.leftovers and not report.refused
    assert not (out / "test").exists()
    await ac.build_subset(dataset, GROUPS, out, link=then)
    assert tree(out) == {"ball": 16, "cat": 8} and {p.name for p in out.iterdir()} == {"ball", "cat"}
    await ac.build_subset(dataset, GROUPS, out, link=first, val=30, test=30)
    assert tree(out) == split and {p: v[3] for p, v in snapshot(dataset).items()} == source


async def test_a_split_is_stable_when_the_dataset_grows(dataset: Path, tmp_path: Path):
    out = tmp_path / "out"
    await ac.build_subset(dataset, GROUPS, out, val=40)
    before = {path.relative_to(out) for path in out.rglob("*.jpg")}
    for n in range(8, 40):
        (dataset / "n3" / f"n3_{n}.jpg").write_bytes(b"new")
    await ac.build_subset(dataset, GROUPS, out, val=40)
    after = {path.relative_to(out) for path in out.rglob("*.jpg")}
    assert before < after and len(after) == 24 + 32


async def test_missing_thin_unknown_empty_and_left_over_are_told(dataset: Path, tmp_path: Path):
    shutil.rmtree(dataset / "n2")
    (dataset / "n2").mkdir()
    (dataset / "one").mkdir()
    (dataset / "one/one_1.jpg").write_bytes(b"1")
    groups = {**GROUPS, "thin": ["one"], "none": {}, "lost": {"typo": "n00000001"}}
    out = tmp_path / "out"
    (out / "cat").mkdir(parents=True)
    (out / "cat/mine.jpg").write_bytes(b"not yours")
    report = await ac.build_subset(dataset, groups, out)
    assert report.missing == [("ball", "tennis_ball", "n2"), ("lost", "typo", "n00000001")]
    assert (report.thin, report.empty, report.unknown) == (["thin"], ["none"], ["n00000001"])
    assert report.leftovers == {"cat": 1} and (out / "cat/mine.jpg").read_bytes() == b"not yours"
    assert not report.complete and report.classes["ball"].found == 1 and report.classes["ball"].images == 8
    for text in (
        "ball: no pictures of 1 of its 2 labels: n2 (tennis_ball)",
        "n00000001",
        "none: the class has no member",
        "thin: only 1",
        "cat: 1 files",
    ):
        assert text in str(report)


async def test_pictures_that_are_gone_lose_their_links(dataset: Path, tmp_path: Path):
    out = tmp_path / "out"
    await ac.build_subset(dataset, GROUPS, out, val=30)
    (dataset / "n3/n3_2.jpg").unlink()
    (tmp_path / "foreign").symlink_to("nowhere")
    shutil.move(tmp_path / "foreign", out / "train/cat/foreign.jpg")
    report = await ac.build_subset(dataset, GROUPS, out, val=30)
    assert report.pruned == 1 and report.images == 23 and report.leftovers == {"train/cat": 1}
    assert (out / "train/cat/foreign.jpg").is_symlink()


async def test_equal_names_of_two_labels_are_kept_apart(tmp_path: Path):
    for label in ("n1", "n2"):
        (tmp_path / "data" / label).mkdir(parents=True)
        (tmp_path / "data" / label / "1.jpg").write_bytes(label.encode())
    links: list[Any] = ["symlink", "hardlink", "copy"]
    for link in links:
        out = tmp_path / link
        report = await ac.build_subset(tmp_path / "data", {"ball": ["n1", "n2"]}, out, link=link)
        again = await ac.build_subset(tmp_path / "data", {"ball": ["n1", "n2"]}, out, link=link)
        assert report.complete and again.complete and len(list((out / "ball").iterdir())) == 2
        assert {path.read_bytes() for path in (out / "ball").iterdir()} == {b"n1", b"n2"}
        split = await ac.build_subset(tmp_path / "data", {"ball": ["n1", "n2"]}, out, link=link, val=99.9)
        assert not split.leftovers and tree(out) == {"val/ball": 2}


async def test_the_old_tree_in_the_same_place_is_told(dataset: Path, tmp_path: Path):
    await ac.build_subset(dataset, GROUPS, tmp_path / "out", layout="nested")
    report = await ac.build_subset(dataset, GROUPS, tmp_path / "out")
    assert report.leftovers == {"ball": 2, "cat": 1} and report.images == 24


def _link_class(dataset: Path, out: Path) -> None:
    out.mkdir()
    (out / "cat").symlink_to(dataset / "n3")


def _link_to_other(dataset: Path, out: Path) -> None:
    (out / "cat").mkdir(parents=True)
    (out / "cat/tabby").symlink_to(dataset / "n4")
    (out / "cat/n3_0.jpg").symlink_to(dataset / "n4/n4_0.jpg")


def _directory(dataset: Path, out: Path) -> None:
    (out / "cat/tabby").mkdir(parents=True)
    (out / "cat/n3_0.jpg").mkdir()


@pytest.mark.parametrize(
    ("layout", "link"), [("nested", "symlink"), ("flat", "symlink"), ("flat", "hardlink"), ("flat", "copy")]
)
@pytest.mark.parametrize("plant", [_link_class, _link_to_other, _directory])
async def test_nothing_is_written_through_what_is_in_the_way(
    dataset: Path, tmp_path: Path, layout: Any, link: Any, plant: Callable[[Path, Path], None]
):
    out = tmp_path / "out"
    plant(dataset, out)
    source, before = snapshot(dataset), {p: v[3] for p, v in snapshot(out).items()}
    report = await ac.build_subset(dataset, GROUPS, out, layout=layout, link=link)
    after = {p: v[3] for p, v in snapshot(out).items()}
    assert after | before == after, "what was there stays as it was"
    names = {p: (v[0], v[1], v[3]) for p, v in snapshot(dataset).items()}
    assert names == {p: (v[0], v[1], v[3]) for p, v in source.items()}
    assert report.refused or plant is not _link_class


async def test_a_sink_in_place_of_the_path(dataset: Path, tmp_path: Path):
    sink = ac.MemorySink()
    report = await ac.build_subset(dataset, GROUPS, sink, val=30)
    assert len(sink.samples) == 24 and report.images == 24
    sample = sink.samples["n3_1"]
    assert (sample.label, sample.path) == ("cat", dataset / "n3/n3_1.jpg") and sample.split in ("train", "val")
    with pytest.raises(ac.SettingsError, match="use flat"):
        await ac.build_subset(dataset, GROUPS, sink, layout="nested")


async def test_while_a_crawl_writes_and_beside_another_builder(dataset: Path, tmp_path: Path):
    (dataset / ".asynccrawl.tmp").mkdir()
    (dataset / ".asynccrawl.tmp/sink-1.jpg").write_bytes(b"part")
    (dataset / "n1/n1_9.jpg.invalid").write_bytes(b"old")
    from asynccrawl.ledger import Lock

    busy = await asyncio.to_thread(Lock, dataset)
    report = await ac.build_subset(dataset, GROUPS, tmp_path / "out")
    assert report.images == 24
    busy.release()
    other = await asyncio.to_thread(Lock, tmp_path / "out")
    with pytest.raises(ac.DestinationBusy):
        await ac.build_subset(dataset, GROUPS, tmp_path / "out")
    other.release()


async def test_the_command(dataset: Path, tmp_path: Path):
    (tmp_path / "g.toml").write_text('[ball]\na = "n1"\nb = "n2"\n[cat]\nc = "n3"\n[more]\nd = "n9"\n')
    code, out, err = await command("subset", dataset, tmp_path / "out", "--groups", tmp_path / "g.toml")
    assert code == 0 and "24 images" in out and "more: no pictures of 1 of its 1 labels: n9 (d)" in out and not err
    assert (await command("subset", dataset, tmp_path / "out", "--groups", tmp_path / "g.toml", "--strict"))[0] == 1
    code, out, err = await command("subset", dataset, tmp_path / "12", "--strict")
    assert code == 1 and "0 images" in out
    for words, message in [
        ((dataset, dataset / "x"), "taken for a class"),
        ((dataset, tmp_path), "holds the data set itself"),
        ((tmp_path / "no", tmp_path / "x"), "no such directory"),
        ((dataset, tmp_path / "x", "--groups", "no.toml"), "no such file"),
        ((dataset, tmp_path / "x", "--layout", "nested", "--val", "10"), "nested layout"),
        ((dataset, tmp_path / "x", "--val", "90", "--test", "10"), "nothing to train on"),
        ((dataset, tmp_path / "x", "--val", "nan"), "val is nan"),
        ((dataset, ""), "it is empty"),
    ]:
        code, out, err = await command("subset", *words)
        assert code == 2 and message in err and "Traceback" not in err and not out, words
    (tmp_path / "crawled").mkdir()
    (tmp_path / "crawled/.asynccrawl.sqlite3").write_bytes(b"")
    assert "destination of a crawl" in (await command("subset", dataset, tmp_path / "crawled"))[2]
    assert not (tmp_path / "x").exists()


async def test_synset_on_the_command_line():
    assert await command("synset", "crane") == (0, "n02012849 crane\nn03126707 crane\n", "")
    code, out, _ = await command("synset", "great white")
    assert code == 0 and out.startswith("n01484850 great white shark")
    code, out, err = await command("synset", "zzz")
    assert code == 2 and not out and "'zzz' is none of the 1,000 synsets" in err


# --- who can read the flat form; the rules are those of the libraries, written down as checks


def image_folder(root: Path) -> tuple[list[str], list[tuple[str, int]]]:
    """torchvision's rules: every directory is a class, links to directories too; files below it by extension."""
    classes = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
    samples = []
    for index, name in enumerate(classes):
        for at, _, files in sorted(os.walk(root / name, followlinks=True)):
            samples += [(str(Path(at) / file), index) for file in sorted(files) if file.lower().endswith(".jpg")]
        if not any(label == index for _, label in samples):
            raise FileNotFoundError(name)
    return classes, samples


def keras_index(root: Path) -> dict[str, int]:
    """keras's rules: directories that do not begin with a dot are classes; no link to a directory is followed."""
    classes = sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith("."))
    return {
        name: sum(
            file.lower().endswith((".jpg", ".jpeg", ".png", ".gif", ".bmp"))
            for _, _, files in os.walk(root / name, followlinks=False)
            for file in files
        )
        for name in classes
    }


@pytest.mark.parametrize("link", ["symlink", "hardlink", "copy"])
async def test_the_flat_form_opens_in_what_people_train_with(tmp_path: Path, link: Any):
    from datasets import load_dataset

    source, out = tmp_path / "ilsvrc12", tmp_path / "12_classes"
    for n, (_, _, label) in enumerate(TWELVE.members()):
        (source / label).mkdir(parents=True)
        for k in range(2):
            (source / label / f"{label}_{k}.jpg").write_bytes(picture(seed=2 * n + k, size=(16, 16)))
    report = await ac.build_subset(source, "imagenet12", out, link=link)
    counts = {name: count.images for name, count in sorted(report.classes.items())}
    classes, samples = image_folder(out)
    assert classes == list(counts) and Counter(classes[i] for _, i in samples) == counts
    assert keras_index(out) == counts
    loaded = load_dataset("imagefolder", data_dir=str(out), cache_dir=str(tmp_path / "cache"))["train"]
    names = loaded.features["label"].names
    assert names == list(counts) and Counter(names[i] for i in loaded["label"]) == counts
    assert hashlib.sha256(Path(samples[0][0]).read_bytes()).digest()


async def test_a_crawls_own_destination_opens_with_its_classes_and_nothing_else(tmp_path: Path):
    settings = ac.Settings(network=ac.Network(allow_net=("127.0.0.0/8",)))
    async with ImageServer() as server:
        server.route(lambda request: Answer(picture(seed=len(request.path))))
        listed = [(f"n{n % 3}_{n}", server.url(f"/{n}.jpg")) for n in range(9)]
        await ac.crawl(listed, tmp_path / "data", settings=settings)
    assert image_folder(tmp_path / "data")[0] == list(keras_index(tmp_path / "data")) == ["n0", "n1", "n2"]
    assert len(image_folder(tmp_path / "data")[1]) == 9
    report = await ac.build_subset(tmp_path / "data", {"all": ["n0", "n1", "n2"]}, tmp_path / "out")
    assert report.complete and report.images == 9
