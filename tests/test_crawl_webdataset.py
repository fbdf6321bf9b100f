"""`crawl --sink webdataset`: ten kills lose nothing and double nothing; the shards are verified and retracted from."""

from __future__ import annotations

import asyncio
import json
import random
import signal
from pathlib import Path
from typing import Any

import pytest

import asynccrawl as ac
from asynccrawl.testing import Answer, ImageServer, PictureSet

from .conftest import lenient
from .disks import small_disk
from .loading import read_shards
from .test_cli import OPEN, command, manifest_of, start

KILLS, RECORDS = 6, 600


def list_of(server: ImageServer, pictures: PictureSet, records: int) -> str:
    return "".join(f"n0{i % 9}_{i} {server.url(pictures.path(i), i % 20)}\n" for i in range(records))


@pytest.mark.slow  # nine processes are started
@pytest.mark.timeout(300)
async def test_kills_and_every_record_is_in_one_shard_once(server: ImageServer, dest: Path, tmp_path: Path):
    pictures, rng = PictureSet(RECORDS), random.Random(7)
    server.route(lambda request: Answer(pictures.data(pictures.number(request.path) or 0)))
    listed = tmp_path / "list"
    await asyncio.to_thread(listed.write_text, list_of(server, pictures, RECORDS))
    settled: set[str] = set()
    kills = 0
    for _ in range(KILLS):
        before = server.audit.count()
        crawl = await start("crawl", listed, dest, "--sink", "webdataset", *OPEN)
        goal = before + rng.randrange(RECORDS // KILLS)
        while server.audit.count() < goal and crawl.returncode is None:
            await asyncio.sleep(0.001)
        await asyncio.sleep(rng.random() * 0.05)
        crawl.send_signal(signal.SIGKILL)
        await crawl.communicate()
        kills += crawl.returncode == -signal.SIGKILL
        asked = {entry.path for entry in server.audit.requests()[before:]}
        assert not asked & settled, "nothing that was recorded is fetched again"
        await asyncio.to_thread(read_shards, dest)  # what is visible is whole, at any time
        rows = await manifest_of(dest)
        settled = {"/" + row["url"].rpartition("/")[2] for row in rows}
    assert kills == KILLS
    code, _, err = await command("crawl", listed, dest, "--sink", "webdataset", *OPEN)
    assert code == 0, err
    found = await asyncio.to_thread(read_shards, dest)
    assert sorted(one["__key__"] for one in found) == sorted(f"n0{i % 9}_{i}" for i in range(RECORDS))
    for one in found:
        assert one["jpg"] == pictures.data(int(one["__key__"].partition("_")[2]))
    labels = (dest / "labels.txt").read_text().split()
    assert all(labels[int(one["cls"])] == json.loads(one["json"])["label"] for one in found)
    assert sorted(path.name for path in dest.iterdir() if path.name.startswith(".")) == [".asynccrawl.sqlite3"]
    rows = await manifest_of(dest)
    assert {row["path"].partition("/")[2] for row in rows} == {f"{one['__key__']}.jpg" for one in found}
    assert (await command("verify", dest))[:2] == (0, f"{RECORDS:,} saved pictures checked, 0 differ.\n")


def settings(**more: Any) -> ac.Settings:
    return lenient(sink="webdataset", **more)


async def streamed(lines: list[str]) -> list[ac.Sample]:
    """The samples of a list, which no ledger knows of."""
    return [one async for one in ac.stream(lines, settings=lenient()) if isinstance(one, ac.Sample)]


@pytest.mark.parametrize("published", [False, True])
async def test_what_was_stored_and_not_recorded_is_taken_out_before_others_take_its_place(
    server: ImageServer, dest: Path, published: bool
):
    """A kill between sink and ledger. The quota has no room for both, and the first may be gone when asked again."""
    pictures = PictureSet(5)
    server.route(lambda request: Answer(pictures.data(pictures.number(request.path) or 0)))
    lines = [f"n01_{i}.a {server.url(pictures.path(i))}" for i in range(5)]
    first = ac.ListOptions(per_label=1)
    await ac.crawl(lines, dest, settings=settings(list=first))
    sink = ac.WebDatasetSink(dest)
    await sink.write([sample for sample in await streamed(lines) if sample.ordinal in (1, 3)])
    if published:
        await sink.aclose()
    server.add(pictures.path(1), Answer(status=404))
    report = await ac.crawl(lines, dest, settings=settings(list=ac.ListOptions(per_label=2)))
    rows = [row for row in await manifest_of(dest) if row["status"] == "saved"]
    found = await asyncio.to_thread(read_shards, dest)
    assert report.saved == 2 and {json.loads(one["json"])["name"] for one in found} == {row["name"] for row in rows}
    assert (await command("verify", dest))[0] == 0 and len(found) == 2


async def test_shards_of_somebody_else_are_left_alone(server: ImageServer, dest: Path):
    pictures = PictureSet(2)
    server.route(lambda request: Answer(pictures.data(pictures.number(request.path) or 0)))
    lines = [f"n01_{i} {server.url(pictures.path(i))}" for i in range(2)]
    sink = ac.WebDatasetSink(dest)
    await sink.write(await streamed(lines[:1]))
    await sink.aclose()
    await ac.crawl(lines[1:], dest, settings=settings())
    await ac.crawl(lines[1:], dest, settings=settings())
    found = await asyncio.to_thread(read_shards, dest)
    assert [one["__key__"] for one in found] == ["n01_0", "n01_1"]


@pytest.mark.slow  # mounts a file system and starts four processes
async def test_a_full_disk_ends_it_with_exit_3_and_a_larger_one_lets_it_go_on(server: ImageServer, tmp_path: Path):
    records = 160
    pictures = PictureSet(records, size=(160, 120), quality=92)
    server.route(lambda request: Answer(pictures.data(pictures.number(request.path) or 0)))
    listed = tmp_path / "list"
    await asyncio.to_thread(listed.write_text, list_of(server, pictures, records))
    async with small_disk(tmp_path / "disk", "2m") as disk:
        dest = disk.path / "dataset"
        words = ("crawl", listed, dest, "--sink", "webdataset", *OPEN)
        code, _, err = await disk.crawl(*words)
        assert code == 3 and "make room there" in err and "Traceback" not in err, err
        code, out, _ = await disk.crawl("manifest", dest)
        saved = {json.loads(line)["key"] for line in out.splitlines()}
        assert code == 0 and 0 < len(saved) < records
        await disk.must("mount", "-o", "remount,size=20m", disk.path)
        before = server.audit.count()
        code, out, err = await disk.crawl(*words)
        assert code == 0 and f"{records} of {records} records saved" in out, err
        asked = {entry.path for entry in server.audit.requests()[before:]}
        assert not asked & {pictures.path(int(key.partition("_")[2])) for key in saved}
        found = await asyncio.to_thread(read_shards, disk.outside(dest))
        assert sorted(one["__key__"] for one in found) == sorted(f"n0{i % 9}_{i}" for i in range(records))
        assert (await disk.crawl("verify", dest))[0] == 0


async def test_verify_finds_what_has_changed_in_a_shard(server: ImageServer, dest: Path):
    pictures = PictureSet(3)
    server.route(lambda request: Answer(pictures.data(pictures.number(request.path) or 0)))
    lines = list_of(server, pictures, 3).splitlines()
    await ac.crawl(lines, dest, settings=settings())
    shard = dest / "000000.tar"
    data = bytearray(shard.read_bytes())
    at = data.index(pictures.data(1))
    data[at + 300] ^= 1
    await asyncio.to_thread(shard.write_bytes, data)
    code, out, _ = await command("verify", dest)
    assert code == 1 and out.startswith("000000.tar/n01_1.jpg has another content than recorded\n")
    shard.unlink()
    code, out, _ = await command("verify", dest)
    assert code == 1 and "000000.tar/n01_1.jpg is missing" in out and "3 differ" in out


async def test_labels_that_are_wanted_are_numbered_in_their_order(server: ImageServer, dest: Path):
    pictures = PictureSet(9)
    server.route(lambda request: Answer(pictures.data(pictures.number(request.path) or 0)))
    wanted = ac.ListOptions(only_labels=["n07", "n02", "n05"])
    await ac.crawl(list_of(server, pictures, 9).splitlines(), dest, settings=settings(list=wanted))
    assert (dest / "labels.txt").read_text().split() == ["n02", "n05", "n07"]
    found = await asyncio.to_thread(read_shards, dest)
    assert {one["__key__"]: one["cls"] for one in found} == {"n02_2": b"0", "n05_5": b"1", "n07_7": b"2"}


async def test_retry_goes_on_with_shards_and_subset_says_what_to_do_instead(
    server: ImageServer, dest: Path, tmp_path: Path
):
    pictures = PictureSet(3)
    server.route(lambda request: Answer(status=404))
    await ac.crawl(list_of(server, pictures, 3).splitlines(), dest, settings=settings())
    server.route(lambda request: Answer(pictures.data(pictures.number(request.path) or 0)))
    code, _, err = await command("retry", dest, "--only", "http_404", "--sink", "webdataset", *OPEN)
    assert code == 0, err
    code, _, err = await command("retry", dest, "--only", "http_404", *OPEN)
    assert code == 2 and "go on with `sink` webdataset" in err
    assert len(await asyncio.to_thread(read_shards, dest)) == 3
    with pytest.raises(ac.ListError, match="asynccrawl export"):
        await ac.build_subset(dest, {"all": ["n00"]}, tmp_path / "out")


@pytest.mark.parametrize("begun", ["directory", "webdataset"])
async def test_a_destination_keeps_the_sink_it_was_begun_with(server: ImageServer, dest: Path, begun: str):
    server.add("/1", PictureSet(1).data(0))
    await ac.crawl([("n01_1", server.url("/1"))], dest, settings=lenient(sink=begun))
    other = "directory" if begun == "webdataset" else "webdataset"
    with pytest.raises(ac.SettingsError, match=f"`sink` {begun}"):
        await ac.crawl([("n01_1", server.url("/1"))], dest, settings=lenient(sink=other))
