"""Whole crawls over real sockets into real directories, through the Python interface."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

import asynccrawl as ac
from asynccrawl.ledger import FILE_NAME, manifest, reading, row_of
from asynccrawl.testing import (
    Answer,
    HttpRequest,
    ImageServer,
    PictureSet,
    html_as_jpeg,
    picture,
    redirect,
    reset,
    serve_in_process,
    silent,
    status,
    too_many_requests,
    truncated,
)

from .conftest import LOOPBACK, lenient
from .lived import Lived


def in_thread(function: Any, *arguments: Any) -> Any:
    """What touches files is not done on the loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(function, *arguments).result()


def read_rows(dest: Path) -> list[dict[str, Any]]:
    with reading(dest / FILE_NAME) as connection:
        return [row_of(outcome) for outcome in manifest(connection)]


def rows(dest: Path) -> list[dict[str, Any]]:
    return in_thread(read_rows, dest)  # type: ignore[no-any-return]


def agree(dest: Path) -> list[dict[str, Any]]:
    """Manifest and files agree both ways, hashes included; returns the manifest."""
    table = rows(dest)
    saved = {row["path"]: row["sha256"] for row in table if row["status"] == "saved"}
    found = in_thread(
        lambda: {
            str(path.relative_to(dest)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in dest.rglob("*")
            if path.is_file() and path.name != FILE_NAME
        }
    )
    assert found == saved
    in_thread(lambda: [_tidy(dest)])
    return table


def _tidy(dest: Path) -> None:
    assert [p.name for p in dest.iterdir() if p.name.startswith(".")] == [FILE_NAME]


async def test_every_kind_of_record_ends_as_it_should(server: ImageServer, dest: Path, tmp_path: Path):
    whole = picture(seed=1)
    server.add("/good.jpg", whole)
    server.add("/lying name.jpg", Answer(picture(format="png", seed=2), content_type="image/jpeg"))
    server.add("/lying%20name.jpg", Answer(picture(format="png", seed=2), content_type="image/jpeg"))
    server.add("/moved.jpg", redirect(server.url("/good.jpg", host=3)))
    server.add("/page.jpg", html_as_jpeg())
    server.add("/cut.jpg", Answer(whole[: len(whole) // 2]))
    server.add("/lost.jpg", truncated(whole))
    server.add("/late.jpg", status(500), reset(), Answer(picture(seed=3)))
    server.add("/busy.jpg", too_many_requests("1"), Answer(picture(seed=4)))
    listed = tmp_path / "list.txt"
    listed.write_text(
        f"n01_1\t{server.url('/good.jpg')}\n"
        f"n01_2   {server.url('/lying name.jpg', 1)}\n"
        "\n"
        f"n01_3\t{server.url('/moved.jpg', 2)}\n"
        f"n02_1\t{server.url('/page.jpg')}\n"
        f"n02_2\t{server.url('/cut.jpg')}\n"
        f"n02_3\t{server.url('/lost.jpg')}\n"
        f"n02_4\t{server.url('/gone.jpg')}\n"
        f"n03_1\t{server.url('/late.jpg')}\n"
        f"n03_2\t{server.url('/busy.jpg', 5)}\n"
        f"n01_1\t{server.url('/good.jpg')}\n"
        f"n01_1\t{server.url('/good.jpg', 7)}\n"
        "n04_1\tftp://old.example/x.jpg\n"
        "no URL at all\n"
        f"{server.url('/good.jpg', 9)}\n"
        "n05_1 http://10.1.2.3/private.jpg\n"
    )
    report = await ac.crawl(listed, dest, settings=LOOPBACK)
    table = agree(dest)
    ends = [(row["line"], row["reason"] or row["path"]) for row in table]
    clash = table[10]["name"]
    assert ends == [
        (1, "n01/n01_1.jpg"),
        (2, "n01/n01_2.png"),
        (4, "n01/n01_3.jpg"),
        (5, "not_an_image"),
        (6, "corrupt"),
        (7, "truncated"),
        (8, "http_404"),
        (9, "n03/n03_1.jpg"),
        (10, "n03/n03_2.jpg"),
        (11, "duplicate"),
        (12, f"n01/{clash}.jpg"),
        (13, "blocked_scheme"),
        (14, "bad_line"),
        (15, "00000/000000013.jpg"),
        (16, "blocked_address"),
    ]
    assert clash.startswith("n01_1_") and len(clash) == len("n01_1_") + 8
    assert [row["ordinal"] for row in table] == list(range(15))
    good = table[0]
    assert (good["key"], good["label"], good["format"], good["width"], good["height"], good["mode"], good["bytes"]) == (
        "n01_1", "n01", "jpeg", 64, 48, "RGB", len(whole),
    )  # fmt: skip
    assert (good["http_status"], good["attempts"], good["retryable"], good["extra"]) == (200, 1, False, None)
    assert table[2]["final_url"] == server.url("/good.jpg", host=3)
    assert table[7]["attempts"] == 3 and table[5]["attempts"] == 8 and table[5]["retryable"]
    assert (report.total, report.saved, report.failed, report.skipped) == (15, 7, 7, 1)
    assert report.by_reason["http_404"] == 1 and report.by_label["n01"].saved == 4
    assert "7 of 15 records saved" in str(report)


async def test_the_same_call_again_fetches_only_what_may_have_changed(server: ImageServer, dest: Path):
    server.add("/0.jpg", picture(seed=0))
    server.add("/1.jpg", status(503), status(503), Answer(picture(seed=1)))
    urls = [("a_0", server.url("/0.jpg")), ("a_1", server.url("/1.jpg")), ("a_2", server.url("/2.jpg"))]
    once = lenient(retry=ac.RetryPolicy(retries=0))
    assert (await ac.crawl(urls, dest, settings=once)).saved == 1
    assert server.audit.count() == 3
    second = await ac.crawl(urls, dest, settings=once)
    assert (second.saved, second.failed, server.audit.count()) == (1, 2, 4)
    assert (await ac.crawl(urls, dest, settings=once)).saved == 2
    assert (await ac.crawl(urls, dest, settings=once)).saved == 2
    assert server.audit.count() == 5 and server.audit.count(path="/0.jpg") == 1
    agree(dest)


async def test_what_a_changed_setting_decided_is_open_again(server: ImageServer, dest: Path):
    server.add("/0.jpg", picture(seed=0, size=(300, 200)))
    urls = [server.url("/0.jpg")]
    small = await ac.crawl(urls, dest, settings=lenient(image=ac.ImagePolicy(max_pixels=1000)))
    assert small.by_reason == {"too_many_pixels": 1}
    await ac.crawl(urls, dest, settings=lenient(image=ac.ImagePolicy(max_pixels=1000)))
    assert server.audit.count() == 1
    assert (await ac.crawl(urls, dest, settings=LOOPBACK)).saved == 1
    agree(dest)


async def test_a_list_edited_between_two_runs(server: ImageServer, dest: Path, tmp_path: Path):
    for n in range(8):
        server.add(f"/{n}.jpg", picture(seed=n))
    listed = tmp_path / "list.txt"

    def write(*numbers: int) -> None:
        listed.write_text("".join(f"a_{n} {server.url(f'/{n}.jpg')}\n" for n in numbers))

    write(0, 1, 2, 3, 4)
    await ac.crawl(listed, dest, settings=LOOPBACK)
    write(5, 3, 2, 6, 0)
    await ac.crawl(listed, dest, settings=LOOPBACK)
    assert server.audit.count() == 7, "only what is new was fetched"
    table = agree(dest)
    assert [(row["ordinal"], row["key"]) for row in table] == [
        (0, "a_5"), (1, "a_3"), (2, "a_2"), (3, "a_6"), (4, "a_0"), (None, "a_1"), (None, "a_4"),
    ]  # fmt: skip


async def test_what_was_wrong_in_the_list_and_is_mended_there_is_fetched(
    server: ImageServer, dest: Path, tmp_path: Path
):
    server.route(lambda request: Answer(status=404) if request.path == "/gone" else Answer(picture()))
    table = tmp_path / "list.csv"
    chosen = lenient(list=ac.ListOptions(md5_col="md5", only_labels=frozenset({"..", "cat", "cow"})))

    async def crawled(*cells: tuple[str, str, str, str]) -> list[tuple[Any, ...]]:
        lines = [f"{server.url(path)},{path[1:]},{','.join(rest)}" for path, *rest in cells]
        await asyncio.to_thread(table.write_text, "\n".join(["url,key,label,md5,caption", *lines]))
        await ac.crawl(table, dest, settings=chosen)
        return [(row["key"], row["label"], row["reason"], row["extra"]["caption"]) for row in agree(dest)]

    assert await crawled(
        ("/name", "..", "", "a"), ("/line", "cow", "beef", "b"), ("/label", "dog", "", "c"), ("/gone", "cat", "", "d"),
        ("/kept", "cat", "", "e"),
    ) == [
        ("name", None, "bad_name", "a"), ("line", "cow", "bad_line", "b"), ("label", "dog", "label_not_wanted", "c"),
        ("gone", "cat", "http_404", "d"), ("kept", "cat", None, "e"),
    ]  # fmt: skip
    assert server.audit.count() == 2
    md5 = hashlib.md5(picture()).hexdigest()
    mended = [
        ("/name", "cat", "", "v"), ("/line", "cow", md5, "w"), ("/label", "cow", "", "x"), ("/gone", "cow", "", "y"),
        ("/kept", "cow", "", "z"),
    ]  # fmt: skip
    expected = [
        ("name", "cat", None, "v"), ("line", "cow", None, "w"), ("label", "cow", None, "x"),
        ("gone", "cow", "http_404", "y"), ("kept", "cat", None, "z"),
    ]  # fmt: skip
    assert await crawled(*mended) == expected, "a file stays where it is, whatever its label has become"
    assert server.audit.count() == 5
    assert await crawled(*mended, ("/more", "cat", "", "+")) == [*expected, ("more", "cat", None, "+")]
    assert server.audit.count() == 6


async def test_of_equal_entries_the_next_takes_over_with_what_the_list_says_of_it(server: ImageServer, dest: Path):
    server.add("/1", picture())
    server.add("/2", Answer(status=404))
    first = [ac.Request(server.url(f"/{n}"), f"k{n}", "cat", {"caption": "first"}) for n in (1, 2)]
    second = [ac.Request(server.url(f"/{n}"), f"k{n}", "dog", {"caption": "second"}) for n in (1, 2)]
    await ac.crawl(first + second, dest, settings=LOOPBACK)
    await ac.crawl(second, dest, settings=LOOPBACK)
    assert [(row["ordinal"], row["label"], row["reason"], row["extra"]["caption"]) for row in agree(dest)[:2]] == [
        (0, "cat", None, "second"), (1, "dog", "http_404", "second"),
    ]  # fmt: skip
    assert server.audit.count() == 2


async def test_the_offset_passes_records_over_without_a_row(server: ImageServer, dest: Path):
    server.add("/2.jpg", picture())
    urls = [server.url(f"/{n}.jpg") for n in range(3)]
    await ac.crawl(urls, dest, settings=lenient(list=ac.ListOptions(offset=2)))
    assert [(row["ordinal"], row["line"], row["path"]) for row in agree(dest)] == [(2, 3, "00000/000000002.jpg")]
    assert server.audit.count() == 1
    await ac.crawl(urls, dest, settings=LOOPBACK)
    assert [row["ordinal"] for row in agree(dest)] == [0, 1, 2]
    assert server.audit.count(path="/2.jpg") == 1


async def test_politeness_is_kept_at_the_server(server: ImageServer, dest: Path):
    # Where as many are allowed, three meet on a slow machine, too.
    server.route(lambda request: Answer(picture(), delay=0.005 if request.host == server.hosts[0] else 0.05))
    urls = [server.url(f"/{n}.jpg", n % 3) for n in range(90)]
    hosts = ac.HostLimits(per_host=3, overrides={"127.0.0.1": ac.HostLimits(per_host=1, gap=0.02)})
    report = await ac.crawl(urls, dest, settings=lenient(hosts=hosts))
    assert report.saved == 90
    assert [server.audit.max_in_flight(f"127.0.0.{n}") for n in (1, 2, 3)] == [1, 3, 3]
    # The gap is between starts; on the way to the server it may shrink by what the network and this machine add.
    starts = server.audit.starts("127.0.0.1")
    assert starts[-1] - starts[0] >= 0.02 * 29 * 0.85


async def test_retry_after_is_honoured_for_the_whole_host(server: ImageServer, dest: Path):
    asked: dict[str, list[float]] = {server.hosts[0]: [], server.hosts[1]: []}

    def answer(request: HttpRequest) -> Answer:
        asked[request.host].append(lived.seconds)
        held = request.host == server.hosts[0] and len(asked[request.host]) == 1
        return too_many_requests("1") if held else Answer(picture())

    server.route(answer)
    urls = [server.url(f"/{n}.jpg") for n in range(4)] + [server.url(f"/{n}.jpg", 1) for n in range(4)]
    with Lived() as lived:
        report = await ac.crawl(urls, dest, settings=lenient(hosts=ac.HostLimits(per_host=1)))
    assert report.saved == 8
    first, *others = server.audit.starts(server.hosts[0])
    assert min(others) - first >= 1.0
    assert max(asked[server.hosts[1]]) - asked[server.hosts[0]][0] < 1.0, "the other host was not held"


async def test_ten_thousand_records_over_twenty_hosts_and_what_the_outcomes_say(server: ImageServer, dest: Path):
    """Slow because it is whole: the list, the sockets, the decoder, the files."""
    pictures = PictureSet(1000)
    server.route(lambda request: Answer(pictures.data(pictures.number(request.path) or 0)))
    told: list[ac.Outcome] = []
    urls = [(f"n{n % 10}_{n}", server.url(pictures.path(n), n % 20)) for n in range(1000)]
    report = await ac.crawl(iter(urls), dest, settings=LOOPBACK, on_outcome=told.append)
    assert report.saved == len(told) == 1000 and len({outcome.ordinal for outcome in told}) == 1000
    table = agree(dest)
    assert len({row["sha256"] for row in table}) == 1000
    assert max(server.audit.max_in_flight(host) for host in server.audit.hosts) <= 8
    for row in table[::97]:
        assert row["bytes"] == len(pictures.data(row["ordinal"]))
        assert row["sha256"] == hashlib.sha256(pictures.data(row["ordinal"])).hexdigest(), "each under its own name"


async def test_iterables_of_every_kind(server: ImageServer, tmp_path: Path):
    server.route(lambda request: Answer(picture()))

    async def asynchronous() -> AsyncIterator[Any]:
        yield server.url("/1.jpg")
        yield ("k_2", server.url("/2.jpg"))
        yield ac.Request(server.url("/3.jpg"), key="x", label="cats", extra={"caption": "three", "n": 3})

    kinds: dict[str, Any] = {
        "async": asynchronous(),
        "generator": (url for url in [server.url("/1.jpg"), f"k_2 {server.url('/2.jpg')}"]),
        "tuple": (server.url("/1.jpg"), ac.Request(server.url("/2.jpg"), key="k_2")),
    }
    for name, urls in kinds.items():
        assert (await ac.crawl(urls, tmp_path / name, settings=LOOPBACK)).saved in (2, 3)
    paths = {name: [row["path"] for row in agree(tmp_path / name)] for name in kinds}
    assert paths["generator"] == paths["tuple"] == ["00000/000000000.jpg", "k/k_2.jpg"]
    assert paths["async"] == ["00000/000000000.jpg", "k/k_2.jpg", "cats/x.jpg"]
    assert rows(tmp_path / "async")[2]["extra"] == {"caption": "three", "n": 3}


async def test_outcomes_are_told_after_they_are_recorded(server: ImageServer, dest: Path):
    server.add("/0.jpg", picture())
    seen: list[tuple[str, list[str]]] = []

    async def tell(outcome: ac.Outcome) -> None:
        table = await asyncio.to_thread(read_rows, dest)
        seen.append((outcome.status, [row["status"] for row in table if row["ordinal"] == outcome.ordinal]))

    await ac.crawl([server.url("/0.jpg"), server.url("/1.jpg")], dest, settings=LOOPBACK, on_outcome=tell)
    assert sorted(seen) == [("failed", ["failed"]), ("saved", ["saved"])]


async def test_a_sink_of_ten_lines(server: ImageServer, dest: Path):
    class Counting:
        def __init__(self) -> None:
            self.labels: Counter[str | None] = Counter()

        def write(self, batch: Sequence[ac.Sample]) -> None:
            self.labels.update(sample.label for sample in batch)

    server.route(lambda request: Answer(picture()))
    sink = Counting()
    urls = [(f"{'ab'[n % 2]}_{n}", server.url(f"/{n}.jpg")) for n in range(10)]
    report = await ac.crawl(urls, dest, settings=LOOPBACK, sink=sink)  # type: ignore[arg-type]
    assert report.saved == 10 and sink.labels == {"a": 5, "b": 5}
    assert [row["path"] for row in rows(dest)] == [None] * 10
    assert in_thread(lambda: sorted(p.name for p in dest.iterdir())) == [FILE_NAME]


async def test_a_sinks_failure_is_its_own_samples_whatever_it_says(server: ImageServer, dest: Path):
    class Confused:
        def __init__(self) -> None:
            self.first: list[ac.Failure] = []

        async def write(self, batch: Sequence[ac.Sample]) -> list[Any]:
            self.first = self.first or [ac.Failure(batch[0].request, 0, "x", ac.Reason.TOO_SMALL, detail="tiny")]
            return self.first * len(batch)

    server.route(lambda request: Answer(picture()))
    urls = [server.url(f"/{n}.jpg") for n in range(30)]
    report = await ac.crawl(urls, dest, settings=LOOPBACK, sink=Confused())  # type: ignore[arg-type]
    assert report.by_reason == {"too_small": 30} and server.audit.count() == 30
    assert [(row["ordinal"], row["url"]) for row in rows(dest)] == list(enumerate(urls))


async def test_a_link_in_the_ledgers_place_is_not_followed(dest: Path, tmp_path: Path):
    def plant() -> None:
        dest.mkdir()
        (dest / FILE_NAME).symlink_to(tmp_path / "victim")

    in_thread(plant)
    with pytest.raises(ac.StorageError, match="is a link, which is not followed"):
        await ac.crawl([], dest)
    assert not in_thread((tmp_path / "victim").exists)


async def test_a_sink_that_raises_ends_the_crawl(server: ImageServer, dest: Path):
    class Broken:
        async def write(self, batch: Sequence[ac.Sample]) -> None:
            raise RuntimeError("the bucket is gone")

    server.route(lambda request: Answer(picture()))
    with pytest.raises(ac.StorageError, match="the bucket is gone"):
        await ac.crawl([server.url(f"/{n}.jpg") for n in range(50)], dest, settings=LOOPBACK, sink=Broken())  # type: ignore[arg-type]
    assert [row for row in rows(dest) if row["status"] == "saved"] == []
    assert (await ac.crawl([server.url(f"/{n}.jpg") for n in range(50)], dest, settings=LOOPBACK)).saved == 50


async def test_an_export_only_sink_is_refused(dest: Path):
    class Export:
        durable = False

        async def write(self, batch: Sequence[ac.Sample]) -> None: ...

    with pytest.raises(ac.StorageError, match="Export is for exports only"):
        await ac.crawl([], dest, sink=Export())  # type: ignore[arg-type]


async def test_a_sink_is_closed_also_where_the_crawl_cannot_begin(dest: Path, tmp_path: Path):
    class Counting(ac.NullSink):
        closed = 0

        async def aclose(self) -> None:
            self.closed += 1

    (tmp_path / "file").touch()
    sinks = [Counting(), Counting(), Counting()]
    with pytest.raises(ac.StorageError, match="cannot be used as the destination"):
        await ac.crawl([], tmp_path / "file", sink=sinks[0])
    with pytest.raises(ac.SettingsError, match="no such file"):
        labels = ac.ListOptions(only_labels=str(tmp_path / "none"))
        await ac.crawl([], dest, sink=sinks[1], settings=lenient(list=labels))
    with pytest.raises(ac.ListError):
        await ac.crawl(tmp_path / "none", dest, sink=sinks[2])
    assert [sink.closed for sink in sinks] == [1, 1, 1]


async def test_two_runs_at_once_are_one_too_many(server: ImageServer, dest: Path):
    server.add("/0.jpg", silent())
    first = asyncio.create_task(ac.crawl([server.url("/0.jpg")], dest, settings=LOOPBACK))
    while not server.audit.count():
        await asyncio.sleep(0.01)
    with pytest.raises(ac.DestinationBusy, match="another run"):
        await ac.crawl([], dest)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (await ac.crawl([], dest)).saved == 0


async def test_cancelling_records_what_is_validated_and_is_quick(server: ImageServer, dest: Path):
    server.route(lambda request: silent() if request.path.startswith("/silent") else Answer(picture()))
    urls = [server.url(f"/silent/{n}.jpg", 1) for n in range(8)] + [server.url(f"/{n}.jpg") for n in range(200)]
    told: list[ac.Outcome] = []
    task = asyncio.create_task(ac.crawl(urls, dest, settings=LOOPBACK, on_outcome=told.append))
    while len(told) < 100:
        await asyncio.sleep(0.005)
    with Lived() as lived:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert lived.seconds < 2.0
    assert len(agree(dest)) >= 100
    before = server.audit.count()
    recorded = len(rows(dest))
    server.route(lambda request: Answer(picture()))
    assert (await ac.crawl(urls, dest, settings=LOOPBACK)).saved == 208
    assert server.audit.count() - before == 208 - recorded
    assert len(asyncio.all_tasks()) == 1


async def test_a_list_that_cannot_be_read(dest: Path, tmp_path: Path):
    with pytest.raises(ac.ListError, match=r"nowhere\.txt"):
        await ac.crawl(tmp_path / "nowhere.txt", dest)


async def test_an_iterable_that_raises_keeps_what_came_before(server: ImageServer, dest: Path):
    server.route(lambda request: Answer(picture()))

    def urls() -> Any:
        yield server.url("/0.jpg")
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        await ac.crawl(urls(), dest, settings=LOOPBACK)
    assert (await ac.crawl([server.url("/0.jpg")], dest, settings=LOOPBACK)).saved == 1


async def test_an_iterable_in_which_something_is_cancelled_has_not_come_to_its_end(server: ImageServer, dest: Path):
    server.route(lambda request: Answer(picture()))

    async def urls() -> Any:
        yield server.url("/0.jpg")
        producer = asyncio.create_task(asyncio.sleep(60))
        producer.cancel()
        await producer  # as where the task that makes the URLs has been ended
        yield server.url("/1.jpg")

    with pytest.raises(asyncio.CancelledError):
        await ac.crawl(urls(), dest, settings=LOOPBACK)
    # Whether its fetch had begun is the event loop's business; it is known, and the next run has it.
    assert [row["url"] for row in rows(dest)] in ([], [server.url("/0.jpg")])
    report = await ac.crawl([server.url("/0.jpg"), server.url("/1.jpg")], dest, settings=LOOPBACK)
    assert report.saved == 2 == server.audit.count()


async def test_what_makes_no_sense_is_refused_at_once(server: ImageServer, dest: Path):
    wrong: list[dict[str, Any]] = [{"settings": {"concurrency": 5}}, {"sink": object()}, {"on_outcome": 5}]
    for one in wrong:
        with pytest.raises(TypeError, match=f"^{next(iter(one))} must"):
            await ac.crawl([server.url("/0.jpg")], dest, **one)
    with pytest.raises(TypeError, match="settings must"):
        await anext(ac.stream([], settings=5))  # type: ignore[arg-type]
    assert not in_thread(dest.exists) and not server.audit.count()


async def test_stream_yields_samples_and_failures(server: ImageServer):
    server.add("/0.jpg", picture(seed=0))
    server.add("/big.jpg", picture(seed=1, size=(900, 700)))
    settings = lenient(limits=ac.Limits(spool_above=20_000))
    urls = [server.url("/0.jpg"), server.url("/1.jpg"), server.url("/big.jpg"), "nothing"]
    found: dict[int, Any] = {}
    kept: list[Path] = []
    async for result in ac.stream(urls, settings=settings):
        found[result.ordinal] = result
        if isinstance(result, ac.Sample) and result.path:
            kept.append(result.path)
            assert await result.read() == picture(seed=1, size=(900, 700))
    assert found[0].data == picture(seed=0) and found[0].width == 64
    assert [found[n].reason for n in (1, 3)] == ["http_404", "bad_line"]
    assert len(kept) == 1 and not in_thread(kept[0].exists), "a spooled body lasts until the next item"


async def test_leaving_a_stream_ends_it(server: ImageServer):
    server.route(lambda request: Answer(picture()))
    urls = (server.url(f"/{n}.jpg", n % 20) for n in range(100_000))
    async with aclosing(ac.stream(urls, settings=LOOPBACK)) as results:
        async for _ in results:
            break
    assert len(asyncio.all_tasks()) == 1
    assert server.audit.count() < 5_000


@pytest.mark.may_block  # that it blocks its caller is what it is for
def test_crawl_sync_inside_a_running_loop(dest: Path):
    with serve_in_process(PictureSet(3)) as served:

        async def notebook() -> ac.Report:
            return ac.crawl_sync([*served.urls, served.url(0) + "/none"], dest, settings=LOOPBACK)

        report = asyncio.run(notebook())
    assert (report.saved, report.failed) == (3, 1)


@pytest.mark.slow  # starts a process
def test_ctrl_c_ends_crawl_sync_inside_a_running_loop_of_asyncio(tmp_path: Path):
    """`asyncio.run` takes the signal over: no KeyboardInterrupt comes, its main task is cancelled."""
    script = """
import asyncio, os, signal, sys, threading
import asynccrawl as ac
from asynccrawl.testing import ImageServer, silent

async def serve():
    async with ImageServer() as server:
        server.add("/never.jpg", silent())
        ready.append(server.url("/never.jpg"))
        while not server.audit.count():
            await asyncio.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

async def notebook():
    ac.crawl_sync(ready, sys.argv[1], settings=ac.Settings(network=ac.Network(allow_net=("127.0.0.0/8",))))

ready = []
threading.Thread(target=asyncio.run, args=(serve(),), daemon=True).start()
while not ready:
    pass
try:
    asyncio.run(notebook())
except KeyboardInterrupt:
    print("interrupted")
"""
    words = [sys.executable, "-c", script, str(tmp_path / "dataset")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=150, check=False)
    assert (done.stdout, done.returncode) == ("interrupted\n", 0), done.stderr
    assert not (tmp_path / "dataset" / ".asynccrawl.tmp").exists()


@pytest.mark.slow  # starts a process
def test_a_stream_that_is_left_at_the_very_end_of_a_program_leaves_nothing(tmp_path: Path):
    script = """
import asyncio
import asynccrawl as ac, uvloop

async def main():
    async for result in ac.stream(["http://127.0.0.1/1.jpg", "http://127.0.0.1/2.jpg"]):
        break

asyncio.Runner(loop_factory=uvloop.new_event_loop).run(main())
"""
    words = [sys.executable, "-c", script]
    subprocess.run(words, env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, timeout=150, check=True)
    assert [*tmp_path.iterdir()] == []


def test_a_five_line_script(tmp_path: Path):
    """`asyncio.run(crawl(...))` and `crawl_sync`, as programs of their own."""
    script = """
import asyncio, asynccrawl as ac
from asynccrawl.testing import ImageServer, picture
async def serve():
    async with ImageServer() as server:
        server.add("/0.jpg", picture())
        settings = ac.Settings(network=ac.Network(allow_net=("127.0.0.0/8",)))
        return (await ac.crawl([server.url("/0.jpg")], "d", concurrency=100, settings=settings)).saved
print(asyncio.run(serve()), ac.crawl_sync([], "d").saved, asyncio.run(ac.crawl([], "d")).total)
"""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    # In this mode asyncio tells of every step above 0.1 s, of which a busy machine has some.
    said = [line for line in ran.stderr.splitlines() if not line.startswith("Executing <")]
    assert (ran.returncode, ran.stdout.split(), said) == (0, ["1", "1", "1"], [])


async def test_a_server_that_pushes_requests_into_one_picture(server: ImageServer, dest: Path):
    """Concurrency over settings: the keyword wins."""
    server.route(lambda request: Answer(picture(), delay=0.01))
    urls = [server.url(f"/{n}.jpg", n) for n in range(20)]
    flights: list[int] = []

    def look(request: HttpRequest) -> Answer:
        flights.append(server.audit.in_flight())
        return Answer(picture(), delay=0.01)

    server.route(look)
    await ac.crawl(urls, dest, concurrency=2, settings=lenient(concurrency=50))
    assert max(flights) <= 2
