"""Checkpoints: when a sync begins, what it settles, and what follows when it fails."""

from __future__ import annotations

import asyncio
import errno
import threading
from pathlib import Path

import pytest

from asynccrawl import durability
from asynccrawl.durability import RECORDS, Checkpoints, sync_file_system
from asynccrawl.errors import StorageError


class Marks:
    """Marks by number, as the ledger keeps them; `events` is the order in which things happened."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.number = 1

    async def close_marks(self) -> int:
        self.events.append(f"close {self.number}")
        self.number += 1
        return self.number - 1

    async def remove_marks(self, number: int) -> None:
        self.events.append(f"remove {number}")

    def sync(self, root: Path) -> None:
        self.events.append("sync")


async def test_marks_are_closed_before_and_removed_after_the_sync(tmp_path: Path):
    marks = Marks()
    checkpoints = Checkpoints(tmp_path, marks, marks.sync)
    await checkpoints.note(3)
    assert marks.events == []
    await checkpoints.finish()
    assert marks.events == ["close 1", "sync", "remove 1"]
    await checkpoints.finish()
    assert len(marks.events) == 3, "nothing was recorded since"


async def test_half_of_what_may_be_lost_begins_a_sync_and_the_next_one_waits_for_it(tmp_path: Path):
    marks, go = Marks(), threading.Event()

    def sync(root: Path) -> None:
        go.wait(20)
        marks.sync(root)

    checkpoints = Checkpoints(tmp_path, marks, sync)
    await checkpoints.note(RECORDS // 2)
    await checkpoints.note(RECORDS // 2 - 1)  # goes on beside it
    waiting = asyncio.create_task(checkpoints.note(1))
    await asyncio.sleep(0)
    assert not waiting.done() and marks.events == ["close 1"]
    go.set()
    await waiting
    await checkpoints.finish()
    assert marks.events == ["close 1", "sync", "remove 1", "close 2", "sync", "remove 2"]


async def test_a_failed_sync_ends_the_crawl_and_is_never_tried_again(tmp_path: Path):
    marks, tries = Marks(), []

    def sync(root: Path) -> None:
        tries.append(root)
        raise OSError(errno.EIO, "Input/output error")

    checkpoints = Checkpoints(tmp_path, marks, sync)
    await checkpoints.note(RECORDS)
    with pytest.raises(StorageError, match=f"{tmp_path}.*Input/output error.*run again"):
        await checkpoints.finish()
    with pytest.raises(StorageError):
        await checkpoints.note(1)
    assert len(tries) == 1 and marks.events == ["close 1"], "the marks stay"


async def test_what_is_abandoned_stays_marked(tmp_path: Path):
    marks = Marks()
    checkpoints = Checkpoints(tmp_path, marks, marks.sync)
    await checkpoints.note(1)
    await checkpoints.abandon()
    assert marks.events == []


async def test_nothing_begins_after_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The ledger may be closed by then: neither what was running nor what is still recorded comes to it."""
    monkeypatch.setattr(durability, "SECONDS", 0.01)
    marks, synced = Marks(), threading.Event()
    checkpoints = Checkpoints(tmp_path, marks, lambda root: synced.wait(30))
    await checkpoints.note(RECORDS)
    await checkpoints.note(1)  # while that one is running
    await asyncio.sleep(0.01)
    await checkpoints.abandon()
    synced.set()
    await checkpoints.note(RECORDS)
    await asyncio.sleep(0.03)
    assert marks.events == ["close 1"], "a sync takes as long as the disk does: nobody waits, and the marks stay"


async def test_the_end_waits_for_the_sync_and_a_cancelled_one_does_not(tmp_path: Path):
    marks, synced = Marks(), threading.Event()
    checkpoints = Checkpoints(tmp_path, marks, lambda root: synced.wait(30))
    await checkpoints.note(RECORDS)
    await asyncio.sleep(0.01)
    ending = asyncio.ensure_future(checkpoints.finish())
    await asyncio.sleep(0.01)
    assert not ending.done()
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    synced.set()
    await asyncio.sleep(0.01)
    assert marks.events == ["close 1"]


def test_a_file_system_is_synced_or_says_why_not(tmp_path: Path):
    sync_file_system(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync_file_system(tmp_path / "gone")
