"""File systems that lack something: hard links, exclusive renaming, shared memory for SQLite's log, syncfs.

The kernel refuses the calls as such file systems do (`refusing`): EPERM for links (exFAT, vfat), EINVAL for exclusive
renames (NFS, many FUSE ones), ENODEV for shared maps (FUSE with direct I/O), ENOSYS for syncfs.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from asynccrawl.ledger import FILE_NAME
from asynccrawl.testing import ImageServer

from .test_cli import OPEN, command, manifest_of
from .test_storage_errors import COMMAND, RECORDS, agree, listed, run

__all__ = ["listed"]  # the fixture


def lacking(*refused: str) -> list[str]:
    """The start of a command on a file system that lacks something."""
    return [sys.executable, "-m", "tests.refusing", *refused, "--", *COMMAND]


@pytest.mark.slow  # starts two processes
@pytest.mark.parametrize(("refused", "note"), [
    (("linkat=EPERM",), None),
    (("linkat=EOPNOTSUPP", "renameat2=EINVAL"), "can neither link files nor rename them without overwriting"),
    (("share=ENODEV",), "offers SQLite no write-ahead log"),
    (("syncfs=ENOSYS",), None),
])  # fmt: skip
async def test_a_crawl_falls_back_and_says_so_once(
    listed: Path, server: ImageServer, dest: Path, refused: tuple[str, ...], note: str | None
):
    (dest / "n01").mkdir(parents=True)
    (dest / "n01/n01_1.jpg").write_bytes(b"somebody else's")
    code, out, err = await run(*lacking(*refused), "crawl", listed, dest, *OPEN)
    assert code == 0 and f"{RECORDS} of {RECORDS} records saved" in out, err
    said = " ".join(out.split())
    assert said.count(note) == 1 if note else "file system" not in said, out
    assert (dest / "n01/n01_1.jpg.invalid").read_bytes() == b"somebody else's", "nothing is overwritten"
    await agree(dest)
    asked = server.audit.count()
    code, out, _ = await run(*lacking(*refused), "crawl", listed, dest, *OPEN)
    assert code == 0 and server.audit.count() == asked


@pytest.mark.slow  # starts five processes
async def test_without_a_log_the_ledger_can_be_read_during_a_run(
    listed: Path, server: ImageServer, dest: Path, tmp_path: Path
):
    pipe = asyncio.subprocess.PIPE
    words = [*lacking("share=ENODEV"), "crawl", listed, dest, *OPEN, "--rate", 0.5]
    crawl = await asyncio.create_subprocess_exec(*map(str, words), stdout=pipe, stderr=pipe)
    while server.audit.count() < 30:
        await asyncio.sleep(0.01)
    for command_ in ("manifest", "report", "verify"):
        code, out, err = await run(*lacking("share=ENODEV"), command_, dest)
        assert code == 0 and out, err
    assert mode(dest) == "delete" and crawl.returncode is None
    crawl.send_signal(signal.SIGKILL)
    await crawl.communicate()
    code, out, err = await command("crawl", listed, dest, *OPEN)
    assert code == 0 and f"{RECORDS} of {RECORDS} records saved" in out, err
    await agree(dest)


@pytest.mark.slow  # starts four processes
async def test_a_ledger_with_a_log_is_read_where_there_can_be_none(
    listed: Path, server: ImageServer, dest: Path, tmp_path: Path
):
    """Copied with its log after a kill, as from a disk to a memory card."""
    pipe = asyncio.subprocess.PIPE
    crawl = await asyncio.create_subprocess_exec(
        *map(str, [*COMMAND, "crawl", listed, dest, *OPEN, "--rate", 1]), stdout=pipe, stderr=pipe
    )
    while server.audit.count() < 60 or len(await manifest_of(dest)) <= 10:
        await asyncio.sleep(0.01)
    crawl.send_signal(signal.SIGKILL)
    await crawl.communicate()
    known = [row["name"] for row in await manifest_of(await copied(dest, tmp_path / "one"))]
    assert len(known) > 10
    other = await copied(dest, tmp_path / "other")
    code, out, err = await run(*lacking("share=ENODEV"), "manifest", other)
    assert code == 0 and len(out.splitlines()) == len(known), err
    code, out, err = await run(*lacking("share=ENODEV"), "crawl", listed, dest, *OPEN)
    assert code == 0 and f"{RECORDS} of {RECORDS} records saved" in out, err
    await agree(dest)


async def copied(dest: Path, to: Path) -> Path:
    return Path(await asyncio.to_thread(shutil.copytree, dest, to))


def mode(dest: Path) -> Any:
    with closing(sqlite3.connect(dest / FILE_NAME)) as db:
        return db.execute("PRAGMA journal_mode").fetchone()[0]
