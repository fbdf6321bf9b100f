"""--dedup: one fetch serves all records of a URL, and of one content one picture is kept; told by the server's log."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import signal
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import asynccrawl as ac
from asynccrawl.testing import Answer, ImageServer, picture

from .conftest import lenient
from .test_cli import OPEN, command, manifest_of, start
from .test_crawl import agree, in_thread, rows
from .test_kills import tree

A, B = picture(seed=1), picture(seed=2)


def dedup(mode: str, **changes: Any) -> ac.Settings:
    return lenient(image=ac.ImagePolicy(dedup=mode), **changes)


def ends(dest: Path) -> list[str | None]:
    return [row["reason"] for row in agree(dest)]


async def test_one_fetch_serves_all_records_of_a_url(server: ImageServer, dest: Path):
    server.add("/a", A)
    server.add("/b", Answer(B, delay=0.1))
    urls = [("x_1", server.url("/a")), ("y_1", server.url("/b")), ("x_2", server.url("/a")), (None, server.url("/b")),
            ("y_2", server.url("/a")), ("x_1", server.url("/a"))]  # fmt: skip
    told: list[ac.Outcome] = []
    report = await ac.crawl(urls, dest, settings=dedup("url"), on_outcome=told.append)
    assert (server.audit.count(path="/a"), server.audit.count(path="/b")) == (1, 1)
    assert (report.saved, report.skipped, report.total) == (2, 4, 6)
    table = agree(dest)
    assert [row["reason"] for row in table] == [None, None, *["duplicate"] * 4]
    assert [row["detail"] for row in table[2:]] == [
        "same URL as record 0, x/x_1.jpg", "same URL as record 1, y/y_1.jpg", "same URL as record 0, x/x_1.jpg",
        "same key and URL as record 0",
    ]  # fmt: skip
    assert [row["sha256"] for row in table[2:5]] == [table[n]["sha256"] for n in (0, 1, 0)]
    assert sorted(outcome.ordinal or 0 for outcome in told) == list(range(6)), "each is told once"
    await ac.crawl(urls, dest, settings=dedup("url"))
    more = [*urls, ("z_1", server.url("/a"))]
    await ac.crawl(more, dest, settings=dedup("url"))
    assert server.audit.count() == 2, "a record that comes later finds the picture there"
    assert rows(dest)[6]["detail"] == "same URL as record 0, x/x_1.jpg"


SAME = ["http://{h}/a?x=1#top", "HTTP://{h}/a?x=1", "http://{h}/a?x=1 ", "http://{h}/a?x=1#"]
OTHER = ["http://{h}/a?x=%31", "http://{h}//a?x=1", "http://{h}/a?x=1&", "http://{h}/A?x=1", "http://{h}/b/../a?x=1",
         "http://u:p@{h}/a?x=1"]  # fmt: skip


async def test_urls_are_the_same_when_they_are_so_on_the_wire(server: ImageServer, dest: Path):
    server.route(lambda request: Answer(A))
    host = server.url("/").split("/")[2]
    urls = [ac.Request(url.format(h=host), f"k_{n}") for n, url in enumerate([*SAME, *OTHER])]
    urls.append(ac.Request(SAME[0].format(h=host), "k_x", sha256=hashlib.sha256(B).hexdigest()))
    await ac.crawl(urls, dest, settings=dedup("url"))
    assert ends(dest) == [None, *["duplicate"] * (len(SAME) - 1), *[None] * len(OTHER), "hash_mismatch"], (
        "what is expected of the picture makes requests differ, too"
    )


@pytest.mark.parametrize(
    ("answer", "reason", "retryable"),
    [
        (Answer(status=404), "http_404", False),
        (Answer(status=503), "http_5xx", True),
        (Answer(b"<html>"), "not_an_image", False),
    ],
)
async def test_followers_share_the_failure(
    server: ImageServer, dest: Path, answer: Answer, reason: str, retryable: bool
):
    server.add("/a", answer)
    urls = [(f"k_{n}", server.url("/a")) for n in range(5)]
    settings = dedup("url", retry=ac.RetryPolicy(retries=0))
    await ac.crawl(urls, dest, settings=settings)
    table = rows(dest)
    assert server.audit.count() == 1
    assert [(row["reason"], row["retryable"], row["http_status"]) for row in table] == [
        (reason, retryable, table[0]["http_status"])
    ] * 5
    assert [row["attempts"] for row in table] == [1, 0, 0, 0, 0]
    assert table[1]["detail"] == f"{table[0]['detail']} (requested once, for k_0)"
    server.add("/a", A)
    await ac.crawl([*urls, ("k_9", server.url("/a"))], dest, settings=settings)
    if retryable:
        assert server.audit.count() == 2 and ends(dest) == [None, *["duplicate"] * 5]
    else:
        assert server.audit.count() == 1 and ends(dest) == [reason] * 6, "a record that comes later shares it, too"


async def test_a_failure_that_is_the_records_own_is_not_shared(server: ImageServer, dest: Path):
    server.route(lambda request: Answer(picture(seed=len(request.path))))

    def plant() -> None:
        (dest / "x/x_1.jpg").mkdir(parents=True)

    in_thread(plant)
    urls = [("x_1", server.url("/a")), ("x_2", server.url("/a")), ("y_3", server.url("/a"))]
    await ac.crawl(urls, dest, settings=dedup("url"))
    assert [row["reason"] for row in rows(dest)] == ["name_conflict", None, "duplicate"]


async def test_a_class_that_is_full_leaves_the_url_to_others(server: ImageServer, dest: Path):
    server.route(lambda request: Answer(picture(seed=len(request.path))))
    of_x = [("x_1", server.url("/1")), *[(f"x_{n}", server.url("/22")) for n in range(2, 6)]]
    urls = [*of_x, ("y_1", server.url("/22")), ("y_2", server.url("/22")), ("y_3", server.url("/333"))]
    settings = dedup("url", concurrency=1, list=ac.ListOptions(per_label=1))
    report = await ac.crawl(urls, dest, settings=settings)
    reasons = {row["name"]: row["reason"] for row in rows(dest)}
    assert report.by_label["x"].saved == 1 and report.by_label["y"].saved == 1
    assert Counter(reasons.values())[None] == 2 and server.audit.count(path="/22") <= 1
    await ac.crawl(urls, dest, settings=settings)
    assert {row["name"]: row["reason"] for row in rows(dest)} == reasons


async def test_content_is_compared_after_the_fetch_and_the_first_recorded_copy_wins(server: ImageServer, dest: Path):
    server.route(lambda request: Answer(B if "b" in request.path else A))
    urls = [(f"{'xy'[n % 2]}_{n}", server.url(f"/{'ab'[n % 3 == 0]}{n}", n % 20)) for n in range(60)]
    report = await ac.crawl(urls, dest, settings=dedup("content"))
    assert server.audit.count() == 60 and (report.saved, dict(report.by_reason)) == (2, {"duplicate": 58})
    table = agree(dest)
    saved = {row["sha256"]: row for row in table if row["status"] == "saved"}
    for row in table:
        if row["reason"]:
            first = saved[row["sha256"]]
            assert row["detail"] == f"same content as record {first['ordinal']}, {first['path']}"
            assert row["http_status"] == 200 and row["path"] is None and row["attempts"] == 1
    more = [*urls, ("z_1", server.url("/a999")), ("z_2", server.url("/b999")), ("z_3", server.url("/a1", 1))]
    await ac.crawl(more, dest, settings=dedup("content"))
    assert server.audit.count() == 62 and len(tree_of(dest)) == 2, "a URL that was a copy is one without a fetch"


def tree_of(dest: Path) -> dict[str, bytes]:
    return in_thread(tree, dest)  # type: ignore[no-any-return]


async def test_a_copy_gives_its_place_in_the_class_back(server: ImageServer, dest: Path):
    server.route(lambda request: Answer(picture(seed=int(request.path[1:]) // 10)))
    urls = [(f"x_{n}", server.url(f"/{n}")) for n in range(100)]
    settings = dedup("content", list=ac.ListOptions(per_label=8))
    report = await ac.crawl(urls, dest, settings=settings)
    assert report.saved == 8 and len({row["sha256"] for row in agree(dest) if row["status"] == "saved"}) == 8


async def test_a_copy_of_what_the_sink_refuses_is_stored(server: ImageServer, dest: Path):
    server.route(lambda request: Answer(A))

    def plant() -> None:
        for n in range(3):
            (dest / f"x/x_{n}.jpg").mkdir(parents=True)

    in_thread(plant)
    await ac.crawl([(f"x_{n}", server.url(f"/{n}")) for n in range(8)], dest, settings=dedup("content"))
    reasons = Counter(row["reason"] for row in rows(dest))
    assert reasons[None] == 1 and reasons["duplicate"] + reasons["name_conflict"] == 7


async def test_a_changed_setting_opens_what_it_decided(server: ImageServer, dest: Path):
    server.route(lambda request: Answer(A))
    urls = [("k_1", server.url("/1")), ("k_2", server.url("/1")), ("k_3", server.url("/2")), ("k_1", server.url("/1"))]
    for mode, asked, saved in [("content", 2, 1), ("content", 2, 1), ("url", 3, 2), ("content", 3, 2), ("off", 4, 3),
                               ("off", 4, 3), ("url", 4, 3)]:  # fmt: skip
        report = await ac.crawl(urls, dest, settings=dedup(mode))
        assert (server.audit.count(), report.saved) == (asked, saved), mode
    assert ends(dest) == [None, None, None, "duplicate"], "the same key and URL again stays what it is"


async def test_where_the_first_copy_leaves_the_list_the_next_one_is_fetched(server: ImageServer, dest: Path):
    server.route(lambda request: Answer(picture(seed=int(request.path[1:]) // 10)))
    for mode, second in [("url", "/1"), ("content", "/2")]:
        place, settings = dest / mode, dedup(mode)
        urls = [
            ("k_1", server.url("/1")),
            ("k_2", server.url(second)),
            ("k_3", server.url(second)),
            ("k_4", server.url("/50")),
        ]
        await ac.crawl(urls[:1], place, settings=settings)  # or another copy might be recorded first
        await ac.crawl(urls, place, settings=settings)
        assert ends(place) == [None, "duplicate", "duplicate", None]
        moved = [urls[3], urls[2], urls[0], urls[1]]
        before = server.audit.count()
        await ac.crawl(moved, place, settings=settings)
        assert server.audit.count() == before, "records that move keep their copies"
        copies = [row["detail"] for row in rows(place) if row["reason"]]
        assert len(copies) == 2 and all(text.endswith("as record 2, k/k_1.jpg") for text in copies)
        await ac.crawl(urls[1:], place, settings=settings)
        assert server.audit.count() == before + 1
        assert [row["reason"] for row in rows(place)] == [None, "duplicate", None, None]
        assert rows(place)[1]["detail"].endswith("as record 0, k/k_2.jpg")


async def test_where_the_first_copy_is_lost_its_copies_wait_for_it(server: ImageServer, dest: Path):
    """As after a power cut: the file of a row that is marked has gone."""
    server.route(lambda request: Answer(picture(seed=int(request.path[1:]) // 100)))
    urls = [*[(f"k_{n}", server.url(f"/{n}")) for n in range(40)], *[(f"l_{n}", server.url("/0")) for n in range(5)]]
    await ac.crawl(urls, dest, settings=dedup("content"))
    (saved,) = (row for row in agree(dest) if row["status"] == "saved")
    before = server.audit.count()

    def lose() -> None:
        import sqlite3

        (dest / saved["path"]).unlink()
        with sqlite3.connect(dest / ".asynccrawl.sqlite3") as db:
            db.execute("INSERT INTO unsynced (record, mark) SELECT id, 1 FROM records WHERE status='saved'")
        db.close()

    in_thread(lose)
    await ac.crawl(urls, dest, settings=dedup("content"))
    assert server.audit.count() == before + 1, "one fetch brings it back, and all its copies"
    assert Counter(ends(dest)) == {None: 1, "duplicate": 44}
    in_thread(lose)
    path = "/" + saved["url"].rpartition("/")[2]
    gone = {path}
    server.route(lambda request: Answer(status=404) if request.path in gone else Answer(picture(seed=0)))
    await ac.crawl(urls, dest, settings=dedup("content"))
    table = Counter(ends(dest))
    shared = sum(row["url"] == saved["url"] for row in rows(dest))
    assert table == {None: 1, "http_404": shared, "duplicate": 45 - 1 - shared}
    assert server.audit.count() == before + 3, "and if it is gone, the next one with that content is fetched"


async def test_retry_fetches_once_for_all_and_opens_duplicates_when_told(
    server: ImageServer, dest: Path, tmp_path: Path
):
    server.add("/a", Answer(status=410))
    listed = tmp_path / "list"
    text = "".join(f"k_{n} {server.url('/a')}\n" for n in range(6))
    await asyncio.to_thread(listed.write_text, text)
    assert (await command("crawl", listed, dest, *OPEN, "--dedup", "url"))[0] == 0
    server.add("/a", A)
    words = ("retry", dest, *OPEN, "--dedup", "url", "--only")
    assert (await command(*words, "http_410"))[0] == 0
    assert server.audit.count() == 2
    assert [row["reason"] for row in await manifest_of(dest)] == [None, *["duplicate"] * 5]
    assert (await command(*words, "duplicate"))[0] == 0
    assert server.audit.count() == 2 and [row["reason"] for row in await manifest_of(dest)][1:] == ["duplicate"] * 5
    assert (await command("retry", dest, *OPEN, "--only", "duplicate"))[0] == 0
    assert server.audit.count() == 7 and [row["reason"] for row in await manifest_of(dest)] == [None] * 6


async def test_a_stream_yields_followers_too(server: ImageServer):
    server.add("/a", A)
    server.add("/b", A)
    found: dict[int, Any] = {}
    urls = [server.url("/a"), server.url("/a"), server.url("/b"), server.url("/none"), server.url("/none")]
    async for result in ac.stream(urls, settings=dedup("content")):
        assert result.ordinal not in found
        found[result.ordinal] = result
    assert len(found) == 5 and server.audit.count() == 3
    assert [str(getattr(found[n], "reason", "saved")) for n in (1, 3, 4)] == ["duplicate", "http_404", "http_404"]
    assert sum(isinstance(result, ac.Sample) for result in found.values()) == 1


async def test_files_that_were_there_already_all_stay(server: ImageServer, dest: Path):
    server.route(lambda request: Answer(A))

    def plant() -> None:
        (dest / "k").mkdir(parents=True)
        for n in (1, 2):
            (dest / f"k/k_{n}.jpg").write_bytes(A)

    in_thread(plant)
    urls = [(f"k_{n}", server.url(f"/{n}")) for n in (1, 2, 3)]
    await ac.crawl(urls, dest, settings=dedup("content"))
    assert ends(dest) == [None, None, "duplicate"] and server.audit.count() == 1


@pytest.mark.parametrize("mode", ["off", "url", "content"])
async def test_one_content_under_several_labels_is_told_whatever_is_left_out(
    server: ImageServer, dest: Path, mode: str
):
    server.add("/a", A)
    server.add("/b", B)
    server.add("/c", picture(seed=3))
    urls = [("cat_1", "/a"), ("dog_1", "/a"), ("dog_2", "/b"), ("dog_3", "/b"), ("cat_2", "/b"), ("cow_1", "/b"),
            ("cow_2", "/c"), ("cow_3", "/c"), (None, "/c")]  # fmt: skip
    report = await ac.crawl([(key, server.url(path)) for key, path in urls], dest, settings=dedup(mode))  # type: ignore[misc]
    noise = report.label_noise
    assert (noise.pictures, noise.records) == (2, 6)
    assert noise.pairs == [("cat", "dog", 2), ("cat", "cow", 1), ("cow", "dog", 1)]
    most = noise.examples[0]
    assert (most.sha256, most.labels, most.some) == (hashlib.sha256(B).hexdigest(), 3, ("cat", "cow", "dog"))
    assert len(noise.examples) == 2 and most.names[0].endswith(".jpg")
    assert "Label noise: 2 pictures stand under several labels, in 6 records." in str(report)
    assert "        2  cat and dog\n" in str(report) and "(3 labels)" in str(report)
    assert report.as_dict()["label_noise"]["pairs"][0] == {"first": "cat", "second": "dog", "pictures": 2}


@pytest.mark.slow  # half a dozen processes are started
@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", ["url", "content"])
async def test_kills_change_nothing(server: ImageServer, dest: Path, tmp_path: Path, mode: str):
    """300 URLs with 60 contents, two records each; one URL in ten is gone, one in 47 answers 503 once."""
    pictures = [picture(seed=n) for n in range(60)]
    refused: set[str] = set()

    def answer(path: str) -> Answer:
        n = int(path[1:])
        if n % 10 == 3:
            return Answer(status=404)
        if n % 47 == 7 and path not in refused:
            refused.add(path)
            return Answer(status=503)
        return Answer(pictures[n % 60], delay=0.01)

    server.route(lambda request: answer(request.path))
    listed = tmp_path / "list"
    lines = [f"n0{i % 7}_{i} {server.url(f'/{i % 300}', i % 20)}\n" for i in range(600)]
    distinct = {line.split()[1] for line in lines}
    await asyncio.to_thread(listed.write_text, "".join(lines))
    settled: set[tuple[str, str]] = set()
    for n in range(4):
        before = server.audit.count()
        crawl = await start("crawl", listed, dest, *OPEN, "--dedup", mode)
        while server.audit.count() < before + 40 and crawl.returncode is None:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.02 * n)
        crawl.send_signal(signal.SIGKILL)
        await crawl.communicate()
        visible = await asyncio.to_thread(tree, dest)
        table = await manifest_of(dest)
        assert {row["path"] for row in table if row["path"]} <= set(visible)
        asked = {(entry.host, entry.path) for entry in server.audit.requests()[before:]}
        assert not asked & settled, "neither what was recorded nor what shares its URL is fetched again"
        settled = {
            (urlsplit(row["url"]).hostname or "", urlsplit(row["url"]).path) for row in table if not row["retryable"]
        }
    code, out, err = await command("crawl", listed, dest, *OPEN, "--dedup", mode)
    assert code == 0, err
    table = await manifest_of(dest)
    assert [row["ordinal"] for row in table] == list(range(600))
    saved = {row["path"]: row for row in table if row["status"] == "saved"}
    assert set(saved) == set(await asyncio.to_thread(tree, dest))
    for row in table:
        if row["reason"] == "duplicate":
            first = saved[row["detail"].rpartition(", ")[2]]
            assert first["sha256"] == row["sha256"] and (mode == "content" or first["url"] == row["url"])
        else:
            assert row["reason"] == ("http_404" if int(row["url"].rpartition("/")[2]) % 10 == 3 else None)
    good = {url for url in distinct if int(url.rpartition("/")[2]) % 10 != 3}
    wanted = len(good) if mode == "url" else len({int(url.rpartition("/")[2]) % 60 for url in good})
    assert len(saved) == wanted
    assert (await command("verify", dest))[0] == 0
    assert out.startswith(f"{wanted:,} of 600 records saved")


@pytest.mark.parametrize("mode", ["url", "content"])
async def test_a_list_in_which_the_first_copy_is_no_more_has_each_outcome_told_once(
    server: ImageServer, dest: Path, mode: str
):
    """Whether it is in the list still, only the list's end tells: until then nobody is its duplicate."""
    server.add("/a.jpg", picture())
    settings = dedup(mode)
    await ac.crawl([("n1_a", server.url("/a.jpg"))], dest, settings=settings)
    told: list[tuple[int | None, str]] = []
    edited = [("n1_b", server.url("/a.jpg")), ("n1_c", server.url("/a.jpg"))]
    await ac.crawl(edited, dest, settings=settings, on_outcome=lambda o: told.append((o.ordinal, o.status.value)))
    assert told == [(0, "saved"), (1, "skipped")]


async def test_a_duplicate_whose_first_copy_turns_out_to_have_left_the_list_replaces_what_was_told(
    server: ImageServer, dest: Path
):
    for name in "abc":
        server.add(f"/{name}.jpg", picture())
    settings = dedup("content")
    await ac.crawl([("n1_a", server.url("/a.jpg"))], dest, settings=settings)
    told: list[ac.Outcome] = []

    async def edited() -> Any:
        for name in "bc":
            yield f"n1_{name}", server.url(f"/{name}.jpg")
        while len(told) < 2:  # the end comes late
            await asyncio.sleep(0.01)

    await ac.crawl(edited(), dest, settings=settings, on_outcome=told.append)
    for ordinal in (0, 1):
        first, *others = [outcome for outcome in told if outcome.ordinal == ordinal]
        assert first.reason == "duplicate" and first.replaces is None
        for earlier, later in itertools.pairwise([first, *others]):
            assert later.replaces and (later.replaces.reason, later.replaces.detail) == (earlier.reason, earlier.detail)
    assert [row["status"] for row in rows(dest) if row["ordinal"] is not None] == ["saved", "skipped"]


async def test_the_words_of_a_duplicate_are_the_same_after_another_run(server: ImageServer, dest: Path):
    server.add("/a.jpg", picture())
    server.add("/b.jpg", picture())
    settings = dedup("content")
    urls = [("n1_a", server.url("/a.jpg")), ("n1_b", server.url("/b.jpg")), ("n1_c", server.url("/b.jpg"))]
    for some in (1, 2):
        await ac.crawl(urls[:some], dest, settings=settings)
    details = []
    for _ in range(2):
        await ac.crawl(urls, dest, settings=settings)
        details.append([row["detail"] for row in rows(dest)])
    assert details[0] == details[1] and details[0][2].startswith("same content as record 0")
