"""After a kill: what was stored and not recorded is validated and recorded, and nothing else is touched."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

import asynccrawl as ac
from asynccrawl.decoder import ThreadDecoder
from asynccrawl.ledger import FILE_NAME, Ledger
from asynccrawl.recorder import Recorder
from asynccrawl.recovery import Recovery
from asynccrawl.screening import Screening, Signature
from asynccrawl.sinks import TEMPORARY, Finding, check_file
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
async def test_what_is_damaged_is_renamed_and_fetched_and_a_wrong_extension_mended(
    server: ImageServer, listed: list[tuple[str, str]], dest: Path
):
    await ac.crawl(listed, dest, settings=LOOPBACK)
    await asyncio.to_thread(forget, dest, "cat_0", "cat_1", "cat_2")
    (dest / "cat/cat_0.jpg").write_bytes(picture(seed=6)[:-200])
    (dest / "cat/cat_1.jpg").write_bytes(picture("png"))
    (dest / "cat/mine.jpg").write_bytes(picture(seed=9))
    report = await ac.crawl(listed, dest, settings=LOOPBACK)
    assert report.saved == 12 and server.audit.count() == 13
    assert [path.name for path in dest.glob("cat/*.invalid")] == ["cat_0.jpg.invalid"]
    assert (dest / "cat/cat_1.png").read_bytes() == picture("png") and not (dest / "cat/cat_1.jpg").exists()
    assert (dest / "cat/mine.jpg").read_bytes() == picture(seed=9)


@pytest.mark.may_block
async def test_pictures_without_any_ledger_are_adopted(server: ImageServer, listed: list[tuple[str, str]], dest: Path):
    await ac.crawl(listed, dest, settings=LOOPBACK)
    (dest / FILE_NAME).unlink()
    (dest / "cat/cat_3.jpg").write_bytes(b"not a picture at all")
    (dest / "cat/cat_4.jpg").unlink()
    (dest / "cat/cat_4.jpg").symlink_to("cat_5.jpg")
    told: list[str] = []
    report = await ac.crawl(listed, dest, settings=LOOPBACK, on_outcome=lambda o: told.append(o.name or ""))
    assert server.audit.count() == 12 + 2 and sorted(told) == sorted(key for key, _ in listed)
    assert (report.saved, report.by_reason) == (11, {"name_conflict": 1}), "a link is nobody's picture"
    assert (dest / "cat/cat_3.jpg.invalid").read_bytes() == b"not a picture at all"


@pytest.mark.may_block
async def test_a_placeholder_is_not_adopted(server: ImageServer, listed: list[tuple[str, str]], dest: Path):
    await ac.crawl(listed[:1], dest, settings=LOOPBACK)
    await asyncio.to_thread(forget, dest, "cat_0")
    content = (dest / "cat/cat_0.jpg").read_bytes()
    signature = Signature("ours", "a test", size=len(content), sha1=hashlib.sha1(content).hexdigest())
    async with opened(dest, [signature]) as (recovery, recorder):
        await recovery.settle(recorder)
        assert recorder.progress.saved == 0
    assert [path.name for path in dest.glob("cat/*")] == ["cat_0.jpg.invalid"]


# --- after a power cut


def marked(dest: Path) -> int:
    with closing(sqlite3.connect(dest / FILE_NAME)) as db:
        return int(db.execute("SELECT count(*) FROM unsynced").fetchone()[0])


def mark(dest: Path) -> None:
    """As if no checkpoint had come since the first picture."""
    with closing(sqlite3.connect(dest / FILE_NAME)) as db:
        db.execute("INSERT INTO unsynced SELECT id, 1 FROM records WHERE status='saved'")
        db.commit()


@pytest.mark.may_block
async def test_a_clean_end_leaves_no_marks(listed: list[tuple[str, str]], dest: Path):
    await ac.crawl(listed, dest, settings=LOOPBACK)
    assert marked(dest) == 0


@pytest.mark.may_block
async def test_rows_whose_files_a_power_cut_took_are_open_again(
    server: ImageServer, listed: list[tuple[str, str]], dest: Path
):
    await ac.crawl(listed, dest, settings=LOOPBACK)
    before = {path.name: path.read_bytes() for path in dest.glob("cat/*")}
    await asyncio.to_thread(mark, dest)
    (dest / "cat/cat_1.jpg").unlink()
    (dest / "cat/cat_2.jpg").write_bytes(b"")
    torn = bytearray(before["cat_3.jpg"])
    torn[100:200] = bytes(100)
    (dest / "cat/cat_3.jpg").write_bytes(torn)
    report = await ac.crawl(listed, dest, settings=LOOPBACK)
    assert report.saved == 12 and server.audit.count() == 12 + 3 and marked(dest) == 0
    assert {path.name: path.read_bytes() for path in dest.glob("cat/*.jpg")} == before
    assert sorted(path.name for path in dest.glob("cat/*.invalid")) == ["cat_2.jpg.invalid", "cat_3.jpg.invalid"]


@pytest.mark.may_block
async def test_unmarked_rows_are_not_read_again(server: ImageServer, listed: list[tuple[str, str]], dest: Path):
    await ac.crawl(listed, dest, settings=LOOPBACK)
    (dest / "cat/cat_2.jpg").write_bytes(b"")
    await ac.crawl(listed, dest, settings=LOOPBACK)
    assert server.audit.count() == 12
    assert check_file(dest, "cat/cat_2.jpg", 1, None) is Finding.SIZE


@asynccontextmanager
async def opened(dest: Path, signatures: list[Signature]) -> AsyncIterator[tuple[Recovery, Recorder]]:
    ledger = await Ledger.open(dest / FILE_NAME, {})
    decoder, sink = ThreadDecoder(ac.ImagePolicy()), ac.DirectorySink(dest)
    recorder = Recorder(Screening(ac.ImagePolicy(), signatures), sink, ledger)
    try:
        yield Recovery(dest, ledger, decoder), recorder
    finally:
        await decoder.aclose()
        await ledger.aclose()


# --- what somebody does to a destination while a crawl is running


@pytest.mark.slow  # a crawl that is slow on purpose
@pytest.mark.may_block
@pytest.mark.parametrize("moved", [True, False])
async def test_a_ledger_that_is_taken_away_ends_the_crawl(
    server: ImageServer, listed: list[tuple[str, str]], dest: Path, moved: bool
):
    """Rows that go to a file without a name are lost when the run ends: nobody may be told that they are saved."""
    server.route(lambda request: Answer(picture(seed=len(request.path)), delay=0.2))
    settings = LOOPBACK if moved else wanting(1)
    crawl = asyncio.create_task(ac.crawl(listed, dest, concurrency=1, settings=settings))
    while not (dest / "cat").exists():
        await asyncio.sleep(0.01)
    if moved:
        dest.rename(dest.with_name("elsewhere"))
        dest.mkdir()
    else:
        (dest / FILE_NAME).unlink()
    with pytest.raises(ac.StorageError, match=f"{dest}/{FILE_NAME}: the ledger was removed or replaced"):
        await crawl
    report = await ac.crawl(listed, dest, settings=LOOPBACK)
    assert report.saved == 12
