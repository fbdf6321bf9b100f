"""Crawls that want only some labels, or only so many pictures of each."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import asynccrawl as ac
from asynccrawl.ledger import FILE_NAME, manifest, reading, row_of
from asynccrawl.testing import Answer, ImageServer, html_as_jpeg, picture, status

from .conftest import LOOPBACK


def rows(dest: Path) -> list[dict[str, Any]]:
    with reading(dest / FILE_NAME) as connection:
        return [row_of(outcome) for outcome in manifest(connection)]


def wanting(concurrency: int = 100, **options: Any) -> ac.Settings:
    return replace(LOOPBACK, list=ac.ListOptions(**options), concurrency=concurrency)


def serve(server: ImageServer, labels: int, each: int, bad: float, seed: int = 1) -> list[tuple[str, str]]:
    """A site where a share of the pictures is no picture; good ones are told by their path."""
    rng = random.Random(seed)
    found = []
    for n in range(labels * each):
        kind = "bad" if rng.random() < bad else "good"
        host = f"127.0.0.{n % 20 + 1}"
        found.append((f"n{n // each:08d}_{n}", server.url(f"/{kind}/{n}.jpg", host)))
    server.route(lambda request: html_as_jpeg() if "/bad/" in request.path else Answer(picture(seed=len(request.path))))
    return found


async def on_disk(dest: Path) -> Counter[str]:
    return Counter(path.parent.name for path in dest.glob("*/*.jpg"))


@pytest.mark.may_block
@pytest.mark.parametrize("concurrency", [4, 40])
async def test_never_more_than_wanted_and_never_fewer_while_records_remain(
    server: ImageServer, dest: Path, concurrency: int
):
    listed = serve(server, labels=6, each=40, bad=0.5)
    good = Counter(key.partition("_")[0] for key, url in listed if "/good/" in url)
    report = await ac.crawl(listed, dest, settings=wanting(concurrency, per_label=12))
    wanted = {label: min(12, n) for label, n in good.items()}
    assert await on_disk(dest) == wanted and report.saved == sum(wanted.values())
    assert report.total == len(listed) == sum(Counter(row["status"] for row in rows(dest)).values())
    fetched = sum("/good/" in entry.path for entry in server.audit.requests())
    assert fetched <= report.saved + concurrency
    full = [row for row in rows(dest) if row["reason"] == "label_full"]
    assert full and all(row["status"] == "skipped" and not row["retryable"] for row in full)


@pytest.mark.may_block
async def test_a_later_run_with_a_larger_quota_goes_on_and_fetches_nothing_twice(server: ImageServer, dest: Path):
    listed = serve(server, labels=3, each=30, bad=0.2)
    await ac.crawl(listed, dest, settings=wanting(8, per_label=5))
    first = await on_disk(dest)
    assert set(first.values()) == {5}
    await ac.crawl(listed, dest, settings=wanting(8, per_label=5))
    before = server.audit.count()
    report = await ac.crawl(listed, dest, settings=wanting(8, per_label=15))
    assert set((await on_disk(dest)).values()) == {15} and report.saved == 45
    saved = [row["url"] for row in rows(dest) if row["status"] == "saved"]
    again = Counter(server.audit.requests()[n].path for n in range(server.audit.count()))
    assert before < server.audit.count()
    dropped = sum(row["reason"] == "label_full" and row["attempts"] > 0 for row in rows(dest))
    assert sum(n > 1 for n in again.values()) <= 16 + dropped, "only what was dropped may be fetched again"
    assert len(saved) == len(set(saved))
    everything = await ac.crawl(listed, dest, settings=wanting(8))
    assert everything.by_reason.keys() == {"not_an_image"}


@pytest.mark.may_block
async def test_failures_that_pass_and_dead_hosts_do_not_cost_a_label_its_pictures(server: ImageServer, dest: Path):
    keys = [(f"cat_{n}", server.url(f"/{n}.jpg", f"127.0.0.{n % 3 + 1}")) for n in range(30)]
    for n, (_, _url) in enumerate(keys):
        answers = [status(503), Answer(picture(seed=n))] if n % 2 else [status(404)]
        server.add(f"/{n}.jpg", *answers)
    report = await ac.crawl(keys, dest, settings=wanting(10, per_label=15))
    assert report.saved == 15 and report.by_reason == {"http_404": 15}


@pytest.mark.may_block
async def test_a_sink_that_refuses_gives_the_place_to_another(server: ImageServer, dest: Path):
    class Picky(ac.MemorySink):
        async def write(self, batch: Any) -> Any:
            return [
                ac.Failure.instead(sample, ac.Reason.TOO_SMALL, "odd") if sample.ordinal % 2 else sample.name
                for sample in batch
            ]

    listed = serve(server, labels=1, each=30, bad=0.0)
    report = await ac.crawl(listed, dest, settings=wanting(4, per_label=10), sink=Picky())
    assert report.saved == 10 and report.by_label["n00000000"].saved == 10


@pytest.mark.may_block
async def test_what_is_spilled_and_rate_limited_is_not_waited_for_once_its_label_is_full(
    server: ImageServer, dest: Path
):
    listed = [(f"dog_{n}", server.url(f"/good/{n}.jpg")) for n in range(400)]
    serve(server, labels=1, each=1, bad=0.0)
    settings = replace(wanting(4, per_label=3), hosts=ac.HostLimits(rate=20, window=4))
    report = await ac.crawl(listed, dest, settings=settings)
    assert report.saved == 3 and report.skipped == 397 and report.seconds < 15
    assert server.audit.count() <= 3 + 4


@pytest.mark.may_block
async def test_stream_keeps_to_quotas_too(server: ImageServer):
    listed = serve(server, labels=4, each=10, bad=0.3)
    saved: Counter[str | None] = Counter()
    async for result in ac.stream(listed, settings=wanting(5, per_label=2)):
        if isinstance(result, ac.Sample):
            saved[result.label] += 1
    assert dict(saved) == {f"n{n:08d}": 2 for n in range(4)}


@pytest.mark.may_block
async def test_only_labels_fetches_nothing_else_and_a_wider_choice_goes_on(server: ImageServer, dest: Path):
    listed = [(f"{label}_{n}", server.url(f"/good/{label}{n}.jpg")) for n in range(3) for label in ("a", "b c", "d")]
    listed += [("e_1", "ftp://nowhere/x.jpg"), ("9", server.url("/good/nolabel.jpg"))]
    serve(server, labels=1, each=1, bad=0.0)
    report = await ac.crawl(listed, dest, settings=wanting(only_labels=["a", "b c"]))
    assert report.saved == 6 and report.by_reason == {"label_not_wanted": 5} and report.skipped == 5
    assert server.audit.count() == 6
    report = await ac.crawl(listed, dest, settings=wanting(only_labels={"rest": ["a", "b c", "d", "e"]}))
    assert report.saved == 9 and report.by_reason == {"label_not_wanted": 1, "blocked_scheme": 1}
    assert server.audit.count() == 9
    report = await ac.crawl(listed, dest, settings=wanting())
    assert report.saved == 10 and report.by_reason == {"blocked_scheme": 1}


@pytest.mark.may_block
async def test_the_tutorials_grouping_straight_into_its_classes(server: ImageServer, dest: Path, tmp_path: Path):
    synsets = ["n02799071", "n02802426", "n02132136", "n04254680", "n03126707"]
    listed = [(f"{s}_{n}", server.url(f"/good/{s}_{n}.jpg")) for n in range(4) for s in synsets]
    serve(server, labels=1, each=1, bad=0.0)
    sink = ac.SubsetSink("imagenet12", ac.DirectorySink(tmp_path / "12"))
    report = await ac.crawl(listed, dest, settings=wanting(only_labels="imagenet12", per_label=3), sink=sink)
    assert report.saved == 12 and report.by_reason == {"label_full": 4, "label_not_wanted": 4}
    assert await on_disk(tmp_path / "12") == {"ball": 9, "bear": 3}
    paths = {row["path"] for row in rows(dest) if row["path"]}
    # Which three of four is a matter of whose answer came first.
    assert json.dumps(sorted(paths)[0]) in ('"ball/n02799071_0.jpg"', '"ball/n02799071_1.jpg"')


async def test_labels_that_cannot_be_read_are_told(dest: Path, tmp_path: Path):
    for meant, message in [
        ("imagenet13", "no such file, and no shipped grouping"),
        ([], "at least one label"),
        (tmp_path, "cannot be read"),
    ]:
        with pytest.raises(ac.SettingsError, match=message):
            await ac.crawl([], dest, settings=wanting(only_labels=meant))
    assert not dest.exists()
