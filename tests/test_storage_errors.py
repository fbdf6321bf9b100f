"""Storage that fails, in each of the ways and places it can: exit 3, one line, and the same command goes on later.

Real file systems where one can be had that fails like that; else the kernel refuses single system calls (`refusing`).
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

import asynccrawl as ac
from asynccrawl.ledger import FILE_NAME, manifest, reading
from asynccrawl.sinks import ImageFolderSink
from asynccrawl.sinks.parquet import GROUP_ROWS
from asynccrawl.testing import Answer, ImageServer, PictureSet, picture

from .disks import WITHOUT_RIGHTS, Disk, small_disk
from .test_cli import OPEN, command
from .test_kills import tree

RECORDS = 160
COMMAND = [sys.executable, "-W", "error", "-m", "asynccrawl"]


@pytest.fixture
def listed(server: ImageServer, tmp_path: Path) -> Path:
    """A list of pictures of 14 kB in four classes."""
    pictures = PictureSet(RECORDS, size=(160, 120), quality=92)
    server.route(lambda request: Answer(pictures.data(pictures.number(request.path) or 0)))
    path = tmp_path / "list"
    path.write_text("".join(f"n0{i % 4}_{i} {server.url(pictures.path(i), i % 20)}\n" for i in range(RECORDS)))
    return path


def compare(dest: Path, records: int) -> None:
    """Every record is saved, and files and manifest are the same, but for files that the disk has lost or torn."""
    # A copy, since SQLite takes a path in a namespace for one in its own.
    with TemporaryDirectory() as room, reading(Path(shutil.copy(dest / FILE_NAME, room))) as connection:
        outcomes = list(manifest(connection))
    assert [(o.ordinal, o.status) for o in outcomes] == [(ordinal, "saved") for ordinal in range(records)]
    found = {path: data for path, data in tree(dest).items() if not path.endswith(".invalid")}
    assert {o.path: o.sha256 for o in outcomes} == {path: sha256(data).hexdigest() for path, data in found.items()}
    assert sorted(p.name for p in dest.iterdir() if p.name.startswith(".")) == [".asynccrawl.sqlite3"]


async def agree(dest: Path, records: int = RECORDS) -> None:
    """See `compare`."""
    await asyncio.to_thread(compare, dest, records)


def one_line(err: str, *said: str) -> None:
    """The message is one line, besides those of the progress, and says what, where and how to go on."""
    lines = [
        line for line in err.splitlines() if not line.startswith(("Stopping", "0/")) and " in flight, " not in line
    ]
    assert len(lines) == 1 and lines[0].startswith("asynccrawl: ") and "run again" in lines[0], err
    for words in said:
        assert words in lines[0], err


async def run(*words: Any) -> tuple[int, str, str]:
    """Run any command."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*map(str, words), stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


# --- real file systems


@pytest.mark.slow  # mounts a file system and starts five processes
async def test_a_disk_that_fills_and_is_enlarged(listed: Path, server: ImageServer, tmp_path: Path):
    async with small_disk(tmp_path / "disk", "2m") as disk:
        dest = disk.path / "dataset"
        code, _, err = await disk.crawl("crawl", listed, dest, *OPEN)
        assert code == 3
        one_line(err, str(dest), "make room there")
        partial = tree(disk.outside(dest))
        code, out, _ = await disk.crawl("manifest", dest)
        assert code == 0 and {json.loads(line)["path"] for line in out.splitlines()} <= set(partial)
        await disk.must("mount", "-o", "remount,size=20m", disk.path)
        code, out, err = await disk.crawl("crawl", listed, dest, *OPEN)
        assert code == 0 and f"{RECORDS} of {RECORDS} records saved" in out, err
        await agree(disk.outside(dest))


@pytest.mark.slow  # mounts file systems and starts seven processes
@pytest.mark.parametrize("left", [0, 20, 150])
async def test_a_disk_that_is_full_for_the_ledger_at_any_size(listed: Path, tmp_path: Path, left: int):
    """With `left` kB free the ledger, its log or its first commits find no room."""
    async with small_disk(tmp_path / "disk", "2m") as disk:
        dest = disk.path / "dataset"
        await disk.must("sh", "-c", f'head -c {(2048 - left) * 1024} /dev/zero > "$1/ballast"', "sh", disk.path)
        code, _, err = await disk.crawl("crawl", listed, dest, *OPEN)
        assert code == 3
        one_line(err, str(dest), "make room there")
        await disk.must("mount", "-o", "remount,size=20m", disk.path)
        code, out, err = await disk.crawl("crawl", listed, dest, *OPEN)
        assert code == 0 and f"{RECORDS} of {RECORDS} records saved" in out, err
        await agree(disk.outside(dest))


@pytest.mark.slow  # mounts a file system and starts five processes
async def test_a_file_system_that_is_read_only(listed: Path, tmp_path: Path):
    async with small_disk(tmp_path / "disk", "20m") as disk:
        dest = disk.path / "dataset"
        assert (await disk.crawl("crawl", listed, dest, *OPEN, "--offset", RECORDS - 10))[0] == 0
        await disk.must("mount", "-o", "remount,ro", disk.path)
        for there in (dest, disk.path / "other"):
            code, _, err = await disk.crawl("crawl", listed, there, *OPEN)
            assert code == 3
            one_line(err, f"{there}", "ead-only file system; make the file system writable")
        for words in ("report", "manifest", "verify"):
            assert (await disk.crawl(words, dest))[0] == 0
        await disk.must("mount", "-o", "remount,rw", disk.path)
        code, out, err = await disk.crawl("crawl", listed, dest, *OPEN)
        assert code == 0 and f"{RECORDS} of {RECORDS} records saved" in out, err
        await agree(disk.outside(dest))


@pytest.mark.slow  # makes a file system and starts five processes
async def test_a_file_system_that_turns_read_only_in_the_middle(listed: Path, server: ImageServer, tmp_path: Path):
    """As ext4 does of itself when it finds that it is damaged."""
    async with ext4(tmp_path, "20m") as (disk, image, mounted):
        dest = mounted / "dataset"
        device = (await disk.must("findmnt", "-no", "SOURCE", mounted)).strip()
        crawling = asyncio.create_task(disk.crawl("crawl", listed, dest, *OPEN, "--rate", 4))
        while server.audit.count() < 60:
            await asyncio.sleep(0.01)
        Path(f"/sys/fs/ext4/{Path(device).name}/trigger_fs_error").write_text("1")
        code, _, err = await crawling
        assert code == 3
        one_line(err, str(dest))
        assert "make the file system writable" in err or "see to the disk" in err, err
        await disk.must("umount", mounted)
        await mend(disk, image, mounted)
        code, out, err = await disk.crawl("crawl", listed, dest, *OPEN)
        assert code == 0 and f"{RECORDS} of {RECORDS} records saved" in out, err
        await agree(disk.outside(dest))


@pytest.mark.slow  # makes a file system and starts four processes
async def test_a_device_that_cannot_take_what_it_promised(listed: Path, tmp_path: Path):
    """As one with bad blocks does: here, an image for which its own disk has no room. Writes succeed, syncfs fails, and
    what was written is gone once the file system is mounted again.
    """
    async with ext4(tmp_path, "2m") as (disk, image, mounted):
        dest = mounted / "dataset"
        code, _, err = await disk.crawl("crawl", listed, dest, *OPEN)
        assert code == 3
        one_line(err, f"{dest}: what was stored could not be brought to the disk")
        assert "Input/output error; see to the disk" in err or "No space left on device; make room" in err, err
        await disk.must("umount", mounted)
        await disk.must("mount", "-o", "remount,size=60m", image.parent)
        await mend(disk, image, mounted)
        code, out, err = await disk.crawl("crawl", listed, dest, *OPEN)
        assert code == 0 and f"{RECORDS} of {RECORDS} records saved" in out, err
        await agree(disk.outside(dest))


@asynccontextmanager
async def ext4(tmp_path: Path, size: str) -> AsyncIterator[tuple[Disk, Path, Path]]:
    """An ext4 of 48 MB on a disk in memory of `size`; with it the image and where it is mounted."""
    async with small_disk(tmp_path / "below", size) as disk:
        image, mounted = disk.path / "image", tmp_path / "mounted"
        mounted.mkdir()
        await disk.must("truncate", "-s", "48M", image)
        await disk.must("mkfs.ext4", "-q", "-O", "^has_journal", "-E", "nodiscard", image)
        await disk.must("mount", "-o", "loop,errors=remount-ro", image, mounted)
        yield disk, image, mounted


async def mend(disk: Disk, image: Path, mounted: Path) -> None:
    """What one does about a damaged ext4."""
    code, out, err = await disk.run("e2fsck", "-fy", image)
    assert code in (0, 1), out + err
    await disk.must("mount", "-o", "loop", image, mounted)


async def test_rights_that_are_missing(listed: Path, tmp_path: Path):
    theirs, dest = tmp_path / "theirs", tmp_path / "dataset"
    for directory in (theirs, dest):
        directory.mkdir()
    theirs.chmod(0o555)
    crawl = [*WITHOUT_RIGHTS, *COMMAND, "crawl", listed]
    code, _, err = await run(*crawl, theirs / "mine", *OPEN)
    assert code == 3
    one_line(err, f"{theirs}/mine: cannot be used as the destination: Permission denied; give the right to work there")
    code, _, err = await run(*crawl, theirs, *OPEN)
    assert code == 3
    one_line(err, str(theirs), "give the right")
    (dest / "n02").mkdir(mode=0o555)
    code, _, err = await run(*crawl, dest, *OPEN)
    assert code == 3
    one_line(err, f"{dest}/n02/n02_", "Permission denied; give the right to work there")
    (dest / "n02").chmod(0o755)
    (dest / ".asynccrawl.sqlite3").chmod(0o000)
    code, _, err = await run(*crawl, dest, *OPEN)
    assert code == 3
    one_line(err, ".asynccrawl.sqlite3: the ledger failed: unable to open database file; give the right to work there")
    (dest / ".asynccrawl.sqlite3").chmod(0o644)
    code, out, err = await run(*crawl, dest, *OPEN)
    assert code == 0 and f"{RECORDS} of {RECORDS} records saved" in out, err
    await agree(dest)


# --- single calls that the kernel refuses

HOW = {"EIO": "see to the disk", "EDQUOT": "make room in the quota", "ENOSPC": "make room there",
       "EROFS": "make the file system writable", "EACCES": "give the right to work there"}  # fmt: skip


@pytest.mark.slow  # starts three processes
@pytest.mark.parametrize("refused", [
    "create=EDQUOT", "create=EIO", "linkat=ENOSPC", "linkat=EACCES", "mkdirat=EDQUOT", "mkdir=EIO", "syncfs=EIO",
])  # fmt: skip
async def test_whatever_call_fails_the_same_command_goes_on(listed: Path, dest: Path, refused: str):
    refusing = [sys.executable, "-m", "tests.refusing", refused, "--"]
    code, _, err = await run(*refusing, *COMMAND, "crawl", listed, dest, *OPEN)
    name = refused.partition("=")[2]
    assert code == 3
    one_line(err, str(dest), os.strerror(getattr(errno, name)), HOW[name])
    code, out, err = await command("crawl", listed, dest, *OPEN)
    assert code == 0 and f"{RECORDS} of {RECORDS} records saved" in out, err
    await agree(dest)


@pytest.mark.slow  # starts three processes
@pytest.mark.parametrize(("refused", "flags", "said"), [
    ("pwrite64=EIO", (), "the ledger failed: disk I/O error; see to the disk"),
    ("pwrite64=ENOSPC", (), "the ledger failed: database or disk is full; make room there"),
    ("fsync=EIO", ("--durability", "file"), "Input/output error; see to the disk"),
    ("fdatasync=EIO", ("--durability", "file"), "the ledger failed: disk I/O error; see to the disk"),
    ("flock=ENOLCK", (), "this file system offers no locks"),
])  # fmt: skip
async def test_ledger_lock_and_syncs_that_fail(
    listed: Path, dest: Path, refused: str, flags: tuple[str, ...], said: str
):
    refusing = [sys.executable, "-m", "tests.refusing", refused, "--"]
    code, _, err = await run(*refusing, *COMMAND, "crawl", listed, dest, *OPEN, *flags)
    assert code == 3
    one_line(err, str(dest), said)
    code, out, err = await command("crawl", listed, dest, *OPEN, *flags)
    assert code == 0 and f"{RECORDS} of {RECORDS} records saved" in out, err
    await agree(dest)


@pytest.mark.slow  # makes a large picture and starts three processes
@pytest.mark.parametrize("name", ["EIO", "EDQUOT"])
async def test_a_large_body_that_cannot_be_kept(server: ImageServer, dest: Path, tmp_path: Path, name: str):
    large = picture("png", size=(800, 700))
    assert len(large) > 2**20
    server.route(lambda request: Answer(large))
    (tmp_path / "list").write_text(f"n01_1 {server.url('/1')}\n")
    refusing = [sys.executable, "-m", "tests.refusing", f"create={name}", "--"]
    code, _, err = await run(*refusing, *COMMAND, "crawl", tmp_path / "list", dest, *OPEN)
    assert code == 3
    one_line(err, f"{dest}/.asynccrawl.tmp: a large body could not be spooled", HOW[name])
    code, out, err = await command("crawl", tmp_path / "list", dest, *OPEN)
    assert code == 0 and "1 of 1 records saved" in out, err
    await agree(dest, 1)


@pytest.mark.slow  # mounts a file system and starts a process
async def test_an_export_that_finds_no_room_says_so(tmp_path: Path):
    one = picture()
    for n in range(GROUP_ROWS + 10):  # so many that the first are written before the last have come
        path = tmp_path / "pictures" / f"n0{n % 2}" / f"{n}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one + os.urandom(3000))
    async with small_disk(tmp_path / "disk", "64k") as disk:
        code, _, err = await disk.crawl("export", tmp_path / "pictures", disk.path / "out", "--format", "parquet")
        assert code == 3
        one_line(err, "No space left on device", "make room there")
        assert list(disk.outside(disk.path).rglob("*.part*")) == []


async def test_an_image_folder_that_cannot_be_finished_has_nothing_unfinished(tmp_path: Path):
    sink = ImageFolderSink(tmp_path, labels=["n01"])
    (tmp_path / "labels.txt").mkdir()
    with pytest.raises(ac.StorageError, match=re.escape(str(tmp_path))):
        await sink.aclose()
    assert [path.name for path in tmp_path.iterdir()] == ["labels.txt"]
