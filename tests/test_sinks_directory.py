"""The directory sink on a real file system: layout, crashes, what stands in the way, what lies in wait."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from asynccrawl.errors import StorageError
from asynccrawl.models import Failure, Reason, Request, Sample
from asynccrawl.sinks import TEMPORARY, DirectorySink, write_to

DATA = b"a picture, as served"


def sample(name: str = "n01_1", data: bytes = DATA, **changes: Any) -> Sample:
    known = {"ordinal": 0, "label": "n01", "format": "jpeg", "bytes": len(data)}
    return Sample(Request("http://h/"), name=name, data=data, **(known | changes))


def files(dest: Path) -> dict[str, bytes]:
    """What is in a directory, by relative path; links and directories are told by their kind."""
    return {
        str(path.relative_to(dest)): b"link" if path.is_symlink() else path.read_bytes()
        for path in sorted(dest.rglob("*"))
        if not path.is_dir() or path.is_symlink()
    }


async def put(dest: Path, *batch: Sample) -> list[Any]:
    """Write a batch with a sink of its own, and close it."""
    sink = DirectorySink(dest)
    entries = await write_to(sink, batch)
    await sink.aclose()
    return entries


def descriptors() -> int:
    """How many files this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def conflict(entry: Any, reason: Reason = Reason.NAME_CONFLICT) -> str:
    assert isinstance(entry, Failure) and entry.reason is reason and not entry.retryable, entry
    return entry.detail or ""


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A directory outside the destination that nothing may touch."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "n01_1.jpg").write_bytes(b"canary")
    os.utime(outside, ns=(1, 1))
    yield outside
    assert outside.stat().st_mtime_ns == 1 and files(outside) == {"n01_1.jpg": b"canary"}


# Layout


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({}, "n01/n01_1.jpg"),
        ({"format": "png"}, "n01/n01_1.png"),
        ({"format": "tiff"}, "n01/n01_1.tiff"),
        ({"label": None}, "00000/n01_1.jpg"),
        ({"label": None, "name": "000012345", "ordinal": 12_345}, "00012/000012345.jpg"),
        ({"label": None, "ordinal": 123_456_789}, "123456/n01_1.jpg"),
        ({"split": "train"}, "train/n01/n01_1.jpg"),
        ({"split": "val", "label": None}, "val/00000/n01_1.jpg"),
        ({"label": "traffic sign", "name": "é"}, "traffic sign/é.jpg"),
    ],
)
async def test_where_a_sample_goes(dest: Path, changes: dict[str, Any], path: str):
    assert await put(dest, sample(**changes)) == [path]
    assert files(dest) == {path: DATA}


async def test_at_rest_there_are_only_class_directories(dest: Path):
    await put(dest, *(sample(f"n{i % 3}_{i}", label=f"n{i % 3}") for i in range(30)))
    assert sorted(path.name for path in dest.iterdir()) == ["n0", "n1", "n2"]
    assert len(files(dest)) == 30


async def test_files_are_made_with_the_rights_that_the_user_wants(dest: Path):
    before = os.umask(0o027)
    try:
        await put(dest, sample())
    finally:
        os.umask(before)
    assert stat.S_IMODE((dest / "n01/n01_1.jpg").stat().st_mode) == 0o640
    assert stat.S_IMODE((dest / "n01").stat().st_mode) == 0o750


async def test_nothing_is_made_before_the_first_batch(dest: Path):
    await DirectorySink(dest).aclose()
    await DirectorySink(dest).remove([sample()])
    assert not dest.exists()


async def test_many_classes_leave_no_descriptor_open(dest: Path):
    before = descriptors()
    batch = [sample(f"n{i % 50}_{i}", label=f"n{i % 50}", split=("train", "val")[i % 2]) for i in range(200)]
    sink = DirectorySink(dest)
    assert len(set(await sink.write(batch))) == 200 == len(files(dest))
    await sink.remove(batch)
    await sink.aclose()
    assert files(dest) == {} and list(dest.iterdir()) == []
    assert descriptors() == before


# After a crash


async def test_the_same_content_is_ours_already(dest: Path):
    await put(dest, sample())
    inode = (dest / "n01/n01_1.jpg").stat().st_ino
    assert await put(dest, sample(), sample()) == ["n01/n01_1.jpg"] * 2
    assert (dest / "n01/n01_1.jpg").stat().st_ino == inode and files(dest) == {"n01/n01_1.jpg": DATA}


async def test_what_is_there_already_leaves_no_partial_file(dest: Path):
    sink = DirectorySink(dest)
    await sink.write([sample(), sample()])
    assert files(dest / TEMPORARY) == {}
    await sink.aclose()


async def test_other_content_is_set_aside(dest: Path):
    for data in (b"half", b"", b"x" * len(DATA), DATA):
        await put(dest, sample(data=data))
    assert files(dest) == {
        "n01/n01_1.jpg": DATA,
        "n01/n01_1.jpg.invalid": b"half",
        "n01/n01_1.jpg.invalid.1": b"",
        "n01/n01_1.jpg.invalid.2": b"x" * len(DATA),
    }


async def test_leftovers_of_a_killed_sink_are_swept_and_others_spared(dest: Path):
    room = dest / TEMPORARY
    (room / "sink-directory").mkdir(parents=True)
    (room / "sink-abc-1").write_bytes(b"half")
    (room / "spool-7-1").write_bytes(b"a fetcher is writing this")
    (room / "sink-link").symlink_to(dest)
    sink = DirectorySink(dest)
    assert (room / "sink-abc-1").exists(), "nothing may be swept before the crawl holds its lock"
    await sink.write([sample()])
    assert sorted(path.name for path in room.iterdir()) == ["sink-directory", "sink-link", "spool-7-1"]
    await sink.aclose()
    assert (room / "spool-7-1").exists()


async def test_leftovers_go_and_their_directory_with_them(dest: Path):
    (dest / TEMPORARY).mkdir(parents=True)
    (dest / TEMPORARY / "sink-abc-1").write_bytes(b"half")
    await put(dest, sample())
    assert files(dest) == {"n01/n01_1.jpg": DATA} and not (dest / TEMPORARY).exists()


async def test_the_directory_of_partial_files_is_private(dest: Path):
    sink = DirectorySink(dest)
    await sink.write([sample()])
    assert stat.S_IMODE((dest / TEMPORARY).stat().st_mode) == 0o700


# What is in the way


def _directory(path: Path, outside: Path) -> None:
    path.mkdir()


def _full_directory(path: Path, outside: Path) -> None:
    (path / "within").mkdir(parents=True)


def _file(path: Path, outside: Path) -> None:
    path.write_bytes(b"the user's own")


def _fifo(path: Path, outside: Path) -> None:
    os.mkfifo(path)


def _link_to_directory(path: Path, outside: Path) -> None:
    path.symlink_to(outside)


def _link_to_file(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "n01_1.jpg")


def _dangling(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "nothing")


@pytest.mark.parametrize("plant", [_file, _fifo, _link_to_directory, _link_to_file, _dangling])
@pytest.mark.parametrize("split", [None, "train"])
async def test_no_class_directory_can_be_made(dest: Path, canary: Path, plant: Callable[..., None], split: str | None):
    dest.mkdir()
    plant(dest / (split or "n01"), canary)
    before = files(dest) if plant is not _fifo else None
    entries = await put(dest, sample(split=split), sample("n02_1", label="n02"))
    assert f"dataset/{split or 'n01'} is a" in conflict(entries[0]) and entries[1] == "n02/n02_1.jpg"
    if before is not None:
        assert files(dest) == {**before, "n02/n02_1.jpg": DATA}


@pytest.mark.parametrize("plant", [_directory, _full_directory, _fifo, _link_to_directory, _link_to_file, _dangling])
async def test_no_file_can_be_made(dest: Path, canary: Path, plant: Callable[..., None]):
    (dest / "n01").mkdir(parents=True)
    plant(dest / "n01/n01_1.jpg", canary)
    before = (dest / "n01/n01_1.jpg").lstat()
    entries = await put(dest, sample(), sample("n01_2"))
    assert "n01/n01_1.jpg is a" in conflict(entries[0]) and entries[1] == "n01/n01_2.jpg"
    assert (dest / "n01/n01_1.jpg").lstat() == before
    assert sorted(path.name for path in dest.iterdir()) == ["n01"]


@pytest.mark.parametrize("plant", [_directory, _link_to_file, _dangling])
async def test_a_planted_invalid_name_is_passed_over(dest: Path, canary: Path, plant: Callable[..., None]):
    (dest / "n01").mkdir(parents=True)
    plant(dest / "n01/n01_1.jpg.invalid", canary)
    (dest / "n01/n01_1.jpg").write_bytes(b"old")
    await put(dest, sample())
    assert (dest / "n01/n01_1.jpg.invalid.1").read_bytes() == b"old"
    assert (dest / "n01/n01_1.jpg").read_bytes() == DATA


@pytest.mark.parametrize("plant", [_file, _link_to_directory, _dangling])
async def test_partial_files_are_not_led_astray(dest: Path, canary: Path, plant: Callable[..., None]):
    dest.mkdir()
    plant(dest / TEMPORARY, canary)
    with pytest.raises(StorageError, match=r"asynccrawl\.tmp is no directory; remove it"):
        await put(dest, sample())


@pytest.mark.parametrize(
    "changes",
    [
        {"label": ".."},
        {"label": "."},
        {"label": ""},
        {"label": "../outside"},
        {"label": "/etc"},
        {"label": TEMPORARY},
        {"label": "a/b"},
        {"label": "\0"},
        {"label": "\ud800"},
        {"label": "x" * 256},
        {"split": ".."},
        {"name": "../n01_1"},
        {"name": ".hidden"},
        {"name": ""},
        {"name": "x" * 252},
        {"format": "../x"},
    ],
)
async def test_no_name_leads_outside(dest: Path, canary: Path, changes: dict[str, Any]):
    entries = await put(dest, sample(**changes), sample("n02_1", label="n02"))
    conflict(entries[0], Reason.BAD_NAME)
    assert files(dest) == {"n02/n02_1.jpg": DATA} and not (dest / "n01").exists()


async def test_a_file_that_always_comes_back_ends_the_sample(dest: Path, monkeypatch: pytest.MonkeyPatch):
    real = os.link

    def link(src: Any, dst: Any, **options: Any) -> None:
        if str(dst) == "n01_1.jpg":
            (dest / "n01/n01_1.jpg").write_bytes(b"mine")
        real(src, dst, **options)

    monkeypatch.setattr(os, "link", link)
    (entry,) = await put(dest, sample())
    assert entry.reason is Reason.NAME_CONFLICT and entry.retryable


async def test_a_link_among_temporary_files_is_not_published(dest: Path, canary: Path):
    (dest / TEMPORARY).mkdir(parents=True)
    (dest / TEMPORARY / "spool-1").symlink_to(canary / "n01_1.jpg")
    sly = replace(sample(), data=None, path=dest / TEMPORARY / "spool-1", temporary=True)
    (entry,) = await put(dest, sly)
    assert entry.reason is Reason.INTERNAL and not (dest / "n01").exists()


# Removing


async def test_remove_takes_back_what_was_written(dest: Path):
    sink = DirectorySink(dest)
    kept, gone = sample("n01_1"), sample("n01_2", sha256=hashlib.sha256(DATA).hexdigest())
    await sink.write([kept, gone, sample("n02_1", label="n02", split="val")])
    for _ in range(2):
        await sink.remove([gone, sample("n02_1", label="n02", split="val"), sample("never"), sample(label="..")])
    await sink.aclose()
    assert files(dest) == {"n01/n01_1.jpg": DATA} and not (dest / "val").exists()


@pytest.mark.parametrize("known", ["data", "sha256"])
async def test_remove_spares_what_is_not_the_sample(dest: Path, known: str):
    await put(dest, sample(data=b"another picture"))
    ours = sample()
    if known == "sha256":
        ours = replace(ours, data=None, path=dest / "n01/n01_1.jpg", sha256=hashlib.sha256(DATA).hexdigest())
    await DirectorySink(dest).remove([ours])
    assert files(dest) == {"n01/n01_1.jpg": b"another picture"}


async def test_remove_follows_no_link(dest: Path, canary: Path):
    dest.mkdir()
    (dest / "n01").symlink_to(canary)
    (dest / "n02").mkdir()
    (dest / "n02/n01_1.jpg").symlink_to(canary / "n01_1.jpg")
    theirs = replace(sample(), data=None, path=canary / "n01_1.jpg")
    await DirectorySink(dest).remove([theirs, replace(theirs, label="n02")])
    assert files(dest) == {"n01": b"link", "n02/n01_1.jpg": b"link"}


# One at a time


async def test_closing_waits_for_a_write(dest: Path, monkeypatch: pytest.MonkeyPatch):
    real, began, go = os.link, threading.Event(), threading.Event()

    def link(*args: Any, **options: Any) -> None:
        began.set()
        go.wait(30)
        real(*args, **options)

    monkeypatch.setattr(os, "link", link)
    sink = DirectorySink(dest)
    writing = asyncio.create_task(sink.write([sample()]))
    await asyncio.to_thread(began.wait, 30)
    closing = asyncio.create_task(sink.aclose())
    assert not (await asyncio.wait({closing}, timeout=0.05))[0]
    go.set()
    assert await writing == ["n01/n01_1.jpg"]
    await closing
    assert files(dest) == {"n01/n01_1.jpg": DATA} and not (dest / TEMPORARY).exists()


async def test_a_cancelled_write_is_finished_first(dest: Path):
    sink = DirectorySink(dest)
    writing = asyncio.create_task(sink.write([sample(f"n01_{i}") for i in range(200)]))
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert len(files(dest / "n01")) == 200
    await sink.aclose()
