"""Hashes that a list demands, and the manifest as the lock file of a dataset: fetched again, byte for byte the same."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

import asynccrawl as ac
from asynccrawl.errors import ListError
from asynccrawl.expectation import check_expected
from asynccrawl.settings import ListOptions
from asynccrawl.sources import Entry, open_list
from asynccrawl.testing import Answer, ImageServer, picture

from .conftest import LOOPBACK, lenient
from .test_cli import OPEN, command, manifest_of
from .test_crawl import in_thread, rows
from .test_kills import tree

A, B = picture(seed=1), picture(seed=2)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def read(path: Path, text: str, **options: Any) -> list[Entry]:
    path.write_text(text)
    return list(open_list(path, ListOptions(**options)))


# --- columns


def test_hashes_are_taken_from_named_columns_alone(tmp_path: Path):
    text = f"url,sha256,md5\nhttp://h/1,{sha256(A).upper()},{md5(A)}\nhttp://h/2, ,\n"
    (plain, _) = read(tmp_path / "list", text)
    assert plain.request == ac.Request("http://h/1", extra={"sha256": sha256(A).upper(), "md5": md5(A)})
    named = read(tmp_path / "list", text, sha256_col="SHA256", md5_col="md5")
    assert [e.request for e in named] == [
        ac.Request("http://h/1", sha256=sha256(A), md5=md5(A)), ac.Request("http://h/2"),
    ]  # fmt: skip
    objects = json.dumps({"url": "http://h/1", "digest": sha256(A)}) + "\n" + json.dumps({"url": "http://h/2"})
    one, two = read(tmp_path / "list", objects, sha256_col="digest")
    assert one.request.sha256 == sha256(A)
    assert two.error is not None and "no column is called 'digest' (--sha256-col)" in two.error


@pytest.mark.parametrize(
    "value", ["zz", sha256(A)[:-1], sha256(A)[:-1] + "g", md5(A), "\uff10" * 64, "sha256:" + sha256(A)]
)
def test_a_hash_that_is_none_makes_a_bad_line(tmp_path: Path, value: str):
    first, bad, last = read(tmp_path / "list", f"url\tx\nhttp://h/1\t\nhttp://h/2\t{value}\nhttp://h/3\t{sha256(A)}\n",
                            sha256_col="x")  # fmt: skip
    assert bad.line == 3 and bad.error is not None and "64 hexadecimal digits (sha256)" in bad.error
    assert bad.request.url == "http://h/2" and first.error is None is last.error


@pytest.mark.parametrize("format", ["auto", "imagenet", "urls"])
def test_a_list_without_columns_can_demand_nothing(tmp_path: Path, format: str):
    with pytest.raises(ListError, match=r"the list is no table, and so without the column 'h'"):
        read(tmp_path / "list", "n01_1 http://h/1\n", sha256_col="h", format=format)
    with pytest.raises(ListError, match=r"no column is called 'h' \(--md5-col\)"):
        read(tmp_path / "list", "url,key\nhttp://h/1,a\n", md5_col="h")


def test_a_request_with_a_hash_that_is_none_is_a_mistake_of_its_maker():
    with pytest.raises(ValueError, match=r"Request.md5 is 'abc'; it must be 32 hexadecimal digits"):
        ac.Request("http://h/1", md5="abc")
    with pytest.raises(TypeError, match=r"Request.sha256 must be a str or None"):
        ac.Request("http://h/1", sha256=b"0" * 64)  # type: ignore[arg-type]


# --- checking


async def test_only_the_very_picture_is_kept(server: ImageServer, dest: Path):
    large = picture(seed=3, size=(900, 700))
    for path, data in {"/a": A, "/b": B, "/large": large}.items():
        server.add(path, data)
    server.add("/page", Answer(b"<html>gone</html>", content_type="text/html"))
    requests = [
        ac.Request(server.url("/a"), "a", sha256=sha256(A).upper(), md5=md5(A).upper()),
        ac.Request(server.url("/b"), "b", sha256=sha256(A)),
        ac.Request(server.url("/b"), "c", sha256=sha256(B), md5=md5(A)),
        ac.Request(server.url("/large"), "d", md5=md5(large)),
        ac.Request(server.url("/large"), "e", md5=md5(B)),
        ac.Request(server.url("/page"), "f", sha256=sha256(A)),
    ]
    settings = lenient(limits=ac.Limits(spool_above=20_000))
    report = await ac.crawl(requests, dest, settings=settings)
    table = rows(dest)
    assert [row["reason"] for row in table] == [
        None,
        "hash_mismatch",
        "hash_mismatch",
        None,
        "hash_mismatch",
        "not_an_image",
    ]
    assert table[1]["detail"] == f"the SHA-256 of what was served is {sha256(B)}, and the list demands {sha256(A)}"
    assert md5(B) in table[4]["detail"] and md5(large) in table[4]["detail"]
    assert (report.saved, report.retryable["hash_mismatch"]) == (2, 0)
    before = server.audit.count()
    await ac.crawl(requests, dest, settings=settings)
    assert server.audit.count() == before, "another picture than was meant is final"
    mended = [ac.Request(r.url, r.key, sha256=sha256(B)) if r.key == "b" else r for r in requests]
    await ac.crawl(mended, dest, settings=settings)
    assert server.audit.count() == before + 1 and rows(dest)[1]["status"] == "saved", "until the list demands another"


@pytest.mark.slow  # five commands
async def test_what_is_spilled_and_what_is_tried_again_keeps_its_hash(server: ImageServer, dest: Path, tmp_path: Path):
    """The hash is in the ledger: `retry` checks it, too; without the column nothing is demanded any more."""
    listed = tmp_path / "list.csv"
    lines = [f"{n},{server.url(f'/{n}')},{sha256(A if n % 2 else B)}" for n in range(150)]
    await asyncio.to_thread(listed.write_text, "\n".join(["key,url,sha256", *lines]))
    server.route(lambda request: Answer(status=410))
    words = ("--sha256-col", "sha256", *OPEN)
    assert (await command("crawl", listed, dest, *words))[0] == 0
    server.route(lambda request: Answer(A))
    assert (await command("retry", dest, *OPEN, "--only", "http_410"))[0] == 0
    table = await manifest_of(dest)
    assert [row["reason"] for row in table] == [None if n % 2 else "hash_mismatch" for n in range(150)]
    before = server.audit.count()
    assert (await command("crawl", listed, dest, *words))[0] == 0
    assert server.audit.count() == before
    assert (await command("crawl", listed, dest, *OPEN))[0] == 0
    assert server.audit.count() == before + 75 and "150 of 150 records saved" in (await command("report", dest))[1]


async def test_a_spooled_body_that_cannot_be_read_is_the_disks_fault(tmp_path: Path):
    request = ac.Request("http://h/1", md5=md5(A))
    with pytest.raises(ac.StorageError, match="what was kept there for now cannot be read: No such file"):
        await check_expected(request, tmp_path / "gone", sha256(A))


async def test_a_file_without_a_row_is_adopted_only_if_it_is_the_one(server: ImageServer, dest: Path):
    server.add("/a", A)

    def plant() -> None:
        (dest / "k").mkdir(parents=True)
        (dest / "k/k_1.jpg").write_bytes(B)
        (dest / "k/k_2.jpg").write_bytes(A)

    in_thread(plant)
    requests = [ac.Request(server.url("/a"), f"k_{n}", md5=md5(A)) for n in (1, 2)]
    await ac.crawl(requests, dest, settings=LOOPBACK)
    assert server.audit.count() == 1
    assert in_thread(tree, dest) == {"k/k_1.jpg": A, "k/k_1.jpg.invalid": B, "k/k_2.jpg": A}


# --- the manifest as a lock file


class Site:
    """Pictures by number on the kit's server; what is in `gone` answers 404."""

    def __init__(self, server: ImageServer) -> None:
        self.server = server
        self.gone: set[int] = set()
        server.route(lambda request: self._answer(int(request.path[1:])))

    def _answer(self, n: int) -> Answer:
        return Answer(status=404) if n in self.gone else Answer(picture(seed=n, format="png" if n % 3 else "jpeg"))

    def url(self, n: int) -> str:
        return self.server.url(f"/{n}", n % 20)


def awkward_list(site: Site) -> list[dict[str, Any]]:
    """Every way to come to a name and a directory."""
    return [
        {"url": site.url(1), "key": "n01_1"},
        {"url": site.url(2), "key": "n01_1", "caption": "the name is taken by another URL"},
        {"url": site.url(3)},
        {"url": site.url(3)},
        {"url": site.url(4), "key": "schön/1", "label": "große Hunde"},
        {"url": site.url(5), "label": "cats", "boxes": [[1, 2], [3, 4]]},
        {"url": site.url(6), "key": "no-label"},
        {"url": site.url(7), "key": "N01_1"},
        {"url": site.url(8), "key": "n02_8"},
        {"url": site.url(1), "key": "n01_1"},
        {"url": "http://10.0.0.1/x", "key": "n02_9"},
        {"url": site.url(9)},
    ]


def as_list(path: Path, entries: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return path


async def lock(dest: Path, path: Path) -> Path:
    code, out, _ = await command("manifest", dest)
    assert code == 0
    await asyncio.to_thread(path.write_text, out)
    return path


@pytest.mark.slow  # eight commands
async def test_a_dataset_is_made_again_from_its_manifest(server: ImageServer, dest: Path, tmp_path: Path):
    site = Site(server)
    site.gone = {8}
    entries = awkward_list(site)
    listed = await asyncio.to_thread(as_list, tmp_path / "list.jsonl", entries)
    assert (await command("crawl", listed, dest, *OPEN))[0] == 0
    # A record leaves the list, another comes in front of it: a name without key is no longer its ordinal.
    edited = [{"url": site.url(10), "key": "n09_1"}, *entries[1:6], *entries[7:]]
    await asyncio.to_thread(as_list, listed, edited)
    assert (await command("crawl", listed, dest, *OPEN))[0] == 0
    first = {row["path"]: row for row in await manifest_of(dest) if row["status"] == "saved"}
    assert any(row["ordinal"] is None for row in first.values())

    again, manifest = tmp_path / "again", await lock(dest, tmp_path / "manifest.jsonl")
    before = server.audit.count()
    code, out, err = await command("crawl", manifest, again, *OPEN)
    assert code == 0 and f"{len(first)} of {len(first)} records saved" in out, out + err
    assert server.audit.count() == before + len(first), "what failed then is left out"
    assert await asyncio.to_thread(tree, again) == await asyncio.to_thread(tree, dest)
    second = {row["path"]: row for row in await manifest_of(again)}
    fields = ("key", "name", "label", "url", "format", "width", "height", "mode", "bytes", "sha256", "extra")
    assert {p: [r[f] for f in fields] for p, r in second.items()} == {
        p: [r[f] for f in fields] for p, r in first.items()
    }
    assert [row["ordinal"] for row in second.values()] == list(range(len(first)))

    third, manifest = tmp_path / "third", await lock(again, tmp_path / "manifest.jsonl")
    code, _, _ = await command("crawl", "-", third, *OPEN, stdin=await asyncio.to_thread(manifest.read_bytes))
    assert code == 0 and await asyncio.to_thread(tree, third) == await asyncio.to_thread(tree, dest)


async def test_shards_beyond_the_first_keep_their_directories(server: ImageServer, dest: Path, tmp_path: Path):
    site = Site(server)
    entries = [f"{site.url(n)}" if n in (0, 1500, 2001) else "nothing" for n in range(2002)]
    await ac.crawl(entries, dest, settings=LOOPBACK)
    manifest = tmp_path / "manifest.jsonl"
    in_thread(lambda: manifest.write_text("".join(json.dumps(row) + "\n" for row in rows(dest))))
    await ac.crawl(manifest, tmp_path / "again", settings=LOOPBACK)
    found = in_thread(tree, tmp_path / "again")
    assert found == in_thread(tree, dest)
    assert set(found) == {"00000/000000000.jpg", "00001/000001500.jpg", "00002/000002001.jpg"}


async def test_a_source_that_has_changed_is_told(server: ImageServer, dest: Path, tmp_path: Path):
    server.add("/1", A)
    server.add("/2", B)
    await ac.crawl([("k_1", server.url("/1")), ("k_2", server.url("/2"))], dest, settings=LOOPBACK)
    manifest = tmp_path / "manifest.jsonl"
    in_thread(lambda: manifest.write_text("".join(json.dumps(row) + "\n" for row in rows(dest))))
    server.add("/2", picture(seed=9))
    report = await ac.crawl(manifest, tmp_path / "again", settings=LOOPBACK)
    assert (report.saved, dict(report.by_reason)) == (1, {"hash_mismatch": 1})
    assert in_thread(tree, tmp_path / "again") == {"k/k_1.jpg": A}


def a_row(**changes: Any) -> dict[str, Any]:
    row = {
        "ordinal": 0, "line": 1, "key": "k_1", "name": "k_1", "label": "k", "url": "http://h/1", "final_url": None,
        "status": "saved", "reason": None, "path": "k/k_1.jpg", "sha256": sha256(A), "extra": None,
    }  # fmt: skip
    return {**row, **changes}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "../../etc/passwd"}, "the name '../../etc/passwd' may not stand in a path"),
        ({"name": ".hidden"}, "may not stand in a path"),
        ({"name": None}, "name is None"),
        ({"label": "../x"}, "the label '../x' may not stand in a path"),
        ({"label": 7}, "label is 7"),
        ({"sha256": "abc"}, "sha256 is 'abc'"),
        ({"url": 5}, "url is 5"),
        ({"extra": [1]}, "extra is [1]"),
        ({"path": 5}, "path is 5"),
        ({"url": "http://h/\x00"}, "the control character 0x00"),
    ],
)
def test_a_manifest_that_was_tampered_with(tmp_path: Path, changes: dict[str, Any], said: str):
    (entry,) = read(tmp_path / "list", json.dumps(a_row(**changes)))
    assert entry.error is not None and entry.error.startswith("no row of a manifest: ") and said in entry.error


def test_a_table_with_some_of_the_fields_is_no_manifest(tmp_path: Path):
    row = {"url": "http://h/1", "key": "k_1", "sha256": "none of ours", "status": "failed"}
    (entry,) = read(tmp_path / "list", json.dumps(row))
    assert entry.request == ac.Request("http://h/1", "k_1", extra={"sha256": "none of ours", "status": "failed"})
    (other,) = read(tmp_path / "list", json.dumps(a_row(final_url="http://h/2")), url_col="final_url")
    assert other.request.url == "http://h/2" and other.request.sha256 is None, "other columns are asked for"
    assert read(tmp_path / "list", json.dumps(a_row(status="failed", path=None, sha256=None))) == []
