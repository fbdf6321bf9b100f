"""The directory sink on a real file system: layout, crashes, what stands in the way, what lies in wait."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from asynccrawl.errors import ListError, StorageError
from asynccrawl.models import Failure, Reason, Request, Sample
from asynccrawl.sinks import TEMPORARY, DirectorySink, read_directory, write_to

DATA = b"a picture, as served"


def sample(name: str = "n01_1", data: bytes = DATA, **changes: Any) -> Sample:
    known = {"ordinal": 0, "label": "n01", "format": "jpeg", "bytes": len(data)}
    return Sample(Request("http://h/"), name=name, data=data, **(known | changes))


def in_file(path: Path, *, temporary: bool, data: bytes = DATA, **changes: Any) -> Sample:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(data)
    return replace(sample(**changes), data=None, path=path, temporary=temporary)


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
    batch = [sample(f"n{i % 150}_{i}", label=f"n{i % 150}", split=("train", "val")[i % 2]) for i in range(600)]
    sink = DirectorySink(dest)
    assert len(set(await sink.write(batch))) == 600 == len(files(dest))
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


# Samples in files


async def test_a_temporary_file_is_moved(dest: Path):
    spooled = in_file(dest / TEMPORARY / "spool-1", temporary=True)
    inode = spooled.path.stat().st_ino
    assert await put(dest, spooled) == ["n01/n01_1.jpg"]
    assert (dest / "n01/n01_1.jpg").stat().st_ino == inode and files(dest) == {"n01/n01_1.jpg": DATA}


async def test_a_temporary_file_whose_sample_is_there_is_removed(dest: Path):
    await put(dest, sample())
    assert await put(dest, in_file(dest / TEMPORARY / "spool-1", temporary=True)) == ["n01/n01_1.jpg"]
    assert files(dest) == {"n01/n01_1.jpg": DATA}


async def test_a_moved_file_may_be_written_again(dest: Path):
    digest = hashlib.sha256(DATA).hexdigest()
    spooled = in_file(dest / TEMPORARY / "spool-1", temporary=True, sha256=digest)
    assert await put(dest, spooled) == await put(dest, spooled) == ["n01/n01_1.jpg"]
    (gone,) = await put(dest, replace(spooled, sha256="0" * 64))
    assert gone.reason is Reason.INTERNAL and gone.retryable and "spool-1" in gone.detail


async def test_another_file_is_linked(dest: Path, tmp_path: Path):
    source = in_file(tmp_path / "other/picture.jpg", temporary=False)
    assert await put(dest, source) == await put(dest, source) == ["n01/n01_1.jpg"]
    assert (dest / "n01/n01_1.jpg").samefile(source.path) and source.path.stat().st_nlink == 2


async def test_a_link_to_a_file_stands_for_the_file(dest: Path, tmp_path: Path):
    source = in_file(tmp_path / "other/picture.jpg", temporary=False)
    (tmp_path / "link").symlink_to(source.path)
    await put(dest, replace(source, path=tmp_path / "link"))
    assert files(dest) == {"n01/n01_1.jpg": DATA}


async def test_a_link_among_temporary_files_is_not_published(dest: Path, canary: Path):
    (dest / TEMPORARY).mkdir(parents=True)
    (dest / TEMPORARY / "spool-1").symlink_to(canary / "n01_1.jpg")
    sly = replace(sample(), data=None, path=dest / TEMPORARY / "spool-1", temporary=True)
    (entry,) = await put(dest, sly)
    assert entry.reason is Reason.INTERNAL and not (dest / "n01").exists()


@pytest.mark.parametrize("temporary", [True, False])
@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK])
async def test_what_cannot_be_linked_is_copied_or_renamed(
    dest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, temporary: bool, code: int
):
    real, source = os.link, in_file(tmp_path / "other/picture.jpg", temporary=temporary)

    def link(src: Any, dst: Any, **options: Any) -> None:
        if "picture" in str(src) or code != errno.EXDEV:
            raise OSError(code, os.strerror(code))
        real(src, dst, **options)

    monkeypatch.setattr(os, "link", link)
    assert await put(dest, source) == ["n01/n01_1.jpg"]
    assert files(dest) == {"n01/n01_1.jpg": DATA} and source.path.exists() is not temporary
    in_file(source.path, temporary=temporary, data=b"other")
    await put(dest, source)
    assert files(dest) == {"n01/n01_1.jpg": b"other", "n01/n01_1.jpg.invalid": DATA}


@pytest.mark.parametrize("what", ["nothing", "directory", "fifo"])
async def test_a_source_that_is_no_file_fails_its_sample_alone(dest: Path, tmp_path: Path, what: str):
    path = tmp_path / "source"
    {"nothing": lambda: None, "directory": path.mkdir, "fifo": lambda: os.mkfifo(path)}[what]()
    bad = replace(sample(), data=None, path=path)
    entries = await put(dest, bad, sample("n01_2"))
    assert "source" in conflict(entries[0], Reason.INTERNAL) and entries[1] == "n01/n01_2.jpg"


async def test_without_links_and_exclusive_renames_nothing_is_stored(dest: Path, monkeypatch: pytest.MonkeyPatch):
    def no_link(*args: Any, **options: Any) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(os, "link", no_link)
    monkeypatch.setattr("asynccrawl.sinks.files._exclusive_rename", lambda: (None, 0))
    with pytest.raises(StorageError, match="neither link nor rename without overwriting"):
        await put(dest, sample())
    assert not (dest / "n01").exists() and files(dest) == {}


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


async def test_closing_waits_for_a_write_that_was_cancelled(dest: Path):
    sink = DirectorySink(dest)
    batch = [sample(f"n01_{i}") for i in range(200)]
    writing = asyncio.create_task(sink.write(batch))
    await asyncio.sleep(0)
    writing.cancel()
    await sink.aclose()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert set(files(dest).values()) == {DATA} and len(files(dest)) == 200


# Reading


async def test_reading_gives_back_what_was_written(dest: Path):
    batch = [
        sample("n02_1", label="n02", format="png"),
        sample("n01_2", data=b"xy"),
        sample("n01_1"),
        sample("000012345", label=None, ordinal=12_345, format="webp"),
        sample("cat", label=None, ordinal=99),
    ]
    await put(dest, *batch)
    for other in (".hidden/x.jpg", "n01/.x.jpg", "n01/n01_3.jpg.invalid", "n01/readme.txt", "n01/jpg", "x.jpg"):
        (dest / other).parent.mkdir(exist_ok=True)
        (dest / other).write_bytes(b"?")
    (dest / "n01/directory.jpg").mkdir()
    (dest / "n03").symlink_to(dest / "n01")
    (dest / "n01/dangling.jpg").symlink_to(dest / "nothing")
    (dest / "n01/UPPER.JPEG").symlink_to(dest / "n01/n01_1.jpg")
    read = await asyncio.to_thread(list, read_directory(dest))
    assert [(each.label, each.name, each.format, each.ordinal, each.bytes) for each in read] == [
        ("00000", "cat", "jpeg", 0, 20),
        (None, "000012345", "webp", 12_345, 20),
        ("n01", "UPPER", "jpeg", 2, 20),
        ("n01", "n01_1", "jpeg", 3, 20),
        ("n01", "n01_2", "jpeg", 4, 2),
        ("n02", "n02_1", "png", 5, 20),
    ]
    assert {(each.request.url, each.sha256, each.temporary) for each in read} == {("", None, False)}
    assert await read[4].read() == b"xy"


async def test_what_was_read_can_be_written_elsewhere(dest: Path, tmp_path: Path):
    await put(dest, sample(), sample("000002345", label=None, ordinal=2_345))
    copy = tmp_path / "copy"
    assert await put(copy, *await asyncio.to_thread(list, read_directory(dest))) == ["00002/000002345.jpg", "n01/n01_1.jpg"]
    assert files(copy) == files(dest)


def test_digits_may_be_a_class(dest: Path):
    (dest / "00042").mkdir(parents=True)
    for name in ("00042_00001.png", "000000001.png"):
        (dest / "00042" / name).write_bytes(b"x")
    assert [each.label for each in read_directory(dest)] == ["00042", "00042"]


def test_reading_what_is_not_there_says_so(dest: Path):
    with pytest.raises(ListError, match="dataset: cannot be read as a directory of pictures: No such file"):
        next(read_directory(dest))
