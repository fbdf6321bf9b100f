"""The directory sink and files: samples that lie in one already, and the reader of what was stored."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from asynccrawl.errors import ListError
from asynccrawl.models import Reason, Sample
from asynccrawl.sinks import TEMPORARY, read_directory

from .test_sinks_directory import DATA, conflict, files, put, sample


def in_file(path: Path, *, temporary: bool, data: bytes = DATA, **changes: Any) -> Sample:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(data)
    return replace(sample(**changes), data=None, path=path, temporary=temporary)


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
    await put(dest, sample())
    entries = await put(dest, bad, sample("n01_2"))
    assert "source" in conflict(entries[0], Reason.INTERNAL) and entries[1] == "n01/n01_2.jpg"


async def test_without_links_and_exclusive_renames_it_looks_before_it_renames(
    dest: Path, monkeypatch: pytest.MonkeyPatch
):
    def no_link(*args: Any, **options: Any) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(os, "link", no_link)
    monkeypatch.setattr("asynccrawl.sinks.files._exclusive_rename", lambda: (None, 0))
    await put(dest, sample())
    assert files(dest) == {"n01/n01_1.jpg": DATA}
    await put(dest, sample("n01_2"), sample(data=b"other"))
    assert files(dest)["n01/n01_1.jpg.invalid"] == DATA, "what was there is set aside, not overwritten"
    assert files(dest)["n01/n01_2.jpg"] == DATA


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
    (dest / "n01/loop.jpg").symlink_to(dest / "n01/loop.jpg")
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
    assert await put(copy, *await asyncio.to_thread(list, read_directory(dest))) == [
        "00002/000002345.jpg",
        "n01/n01_1.jpg",
    ]
    assert files(copy) == files(dest)


def test_digits_may_be_a_class(dest: Path):
    (dest / "00042").mkdir(parents=True)
    for name in ("00042_00001.png", "000000001.png"):
        (dest / "00042" / name).write_bytes(b"x")
    assert [each.label for each in read_directory(dest)] == ["00042", "00042"]


def test_reading_what_is_not_there_says_so(dest: Path):
    with pytest.raises(ListError, match="dataset: cannot be read as a directory of pictures: No such file"):
        next(read_directory(dest))
