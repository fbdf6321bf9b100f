"""After a kill: what was stored and not recorded is validated and recorded, and nothing else is touched."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import asynccrawl as ac
from asynccrawl.ledger import FILE_NAME
from asynccrawl.sinks import TEMPORARY
from asynccrawl.testing import Answer, ImageServer, picture

from .conftest import LOOPBACK
from .test_crawl_quota import on_disk, rows, wanting


def forget(dest: Path, *names: str, mark: bool = True) -> None:
    """Leave `dest` as a process leaves it that dies between storing and recording these pictures."""
    with closing(sqlite3.connect(dest / FILE_NAME)) as db:
        for name in names:
            db.execute("UPDATE records SET status='pending', path=NULL, sha256=NULL WHERE name=?", (name,))
        db.commit()
    if mark:
        (dest / TEMPORARY).mkdir()


@pytest.fixture
async def listed(server: ImageServer) -> list[tuple[str, str]]:
    server.route(lambda request: Answer(picture(seed=len(request.path))))
    return [(f"cat_{n}", server.url(f"/{n}.jpg")) for n in range(12)]


@pytest.mark.may_block
async def test_stored_pictures_are_recorded_and_not_fetched_again(
    server: ImageServer, listed: list[tuple[str, str]], dest: Path
):
    await ac.crawl(listed, dest, settings=LOOPBACK)
    before = rows(dest)
    await asyncio.to_thread(forget, dest, "cat_1", "cat_7")
    report = await ac.crawl(listed, dest, settings=LOOPBACK)
    assert report.saved == 12 and server.audit.count() == 12 and not (dest / TEMPORARY).exists()
    for then, now in zip(before, rows(dest), strict=True):
        assert [then[field] for field in ("name", "path", "sha256", "format", "width", "bytes", "status")] == [
            now[field] for field in ("name", "path", "sha256", "format", "width", "bytes", "status")
        ]


@pytest.mark.may_block
async def test_they_count_for_their_labels_quota(server: ImageServer, listed: list[tuple[str, str]], dest: Path):
    await ac.crawl(listed, dest, settings=wanting(1, per_label=5))
    saved = [row["name"] for row in rows(dest) if row["status"] == "saved"]
    asked = server.audit.count()
    await asyncio.to_thread(forget, dest, *saved[-2:], "cat_11")
    report = await ac.crawl(listed, dest, settings=wanting(1, per_label=5))
    assert report.saved == 5 and await on_disk(dest) == {"cat": 5} and server.audit.count() == asked
    assert {row["path"] for row in rows(dest) if row["path"]} == {f"cat/{name}.jpg" for name in saved}


@pytest.mark.may_block
async def test_what_is_damaged_or_another_format_is_fetched(
    server: ImageServer, listed: list[tuple[str, str]], dest: Path
):
    await ac.crawl(listed, dest, settings=LOOPBACK)
    await asyncio.to_thread(forget, dest, "cat_0", "cat_1", "cat_2")
    (dest / "cat/cat_0.jpg").write_bytes(picture(seed=6)[:-200])
    (dest / "cat/cat_1.jpg").write_bytes(picture("png"))
    (dest / "cat/mine.jpg").write_bytes(picture(seed=9))
    report = await ac.crawl(listed, dest, settings=LOOPBACK)
    assert report.saved == 12 and server.audit.count() == 14
    assert sorted(path.name for path in dest.glob("cat/*.invalid")) == ["cat_0.jpg.invalid", "cat_1.jpg.invalid"]
    assert (dest / "cat/mine.jpg").read_bytes() == picture(seed=9)


@pytest.mark.may_block
async def test_nothing_is_looked_at_after_a_clean_end(server: ImageServer, listed: list[tuple[str, str]], dest: Path):
    await ac.crawl(listed, dest, settings=LOOPBACK)
    await asyncio.to_thread(forget, dest, "cat_3", mark=False)
    await ac.crawl(listed, dest, settings=LOOPBACK)
    assert server.audit.count() == 13
