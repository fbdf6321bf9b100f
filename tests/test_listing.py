"""A list that was read to its end is not read again while it is the same; any other finds its rows exactly."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as budget
from hypothesis import strategies as st

import asynccrawl as ac
from asynccrawl.ledger import FILE_NAME, Ledger
from asynccrawl.listing import Listing
from asynccrawl.models import Failure, Reason, Record
from asynccrawl.settings import HostLimits, ListOptions, Settings
from asynccrawl.sources import Entry, ListFile, entries
from asynccrawl.testing import ImageServer, picture, status

from .conftest import LOOPBACK
from .test_ledger import Outcome, failed, rows, saved

A, B, C, D = (f"http://h/{letter}" for letter in "abcd")


class Watched:
    """A list's entries, and whether anybody has asked for them."""

    def __init__(self, inner: AsyncIterator[Sequence[Entry]]) -> None:
        self.inner, self.read = inner, False

    async def __aiter__(self) -> AsyncIterator[Sequence[Entry]]:
        self.read = True
        async for batch in self.inner:
            yield batch


def settle(item: Record | Failure) -> Outcome:
    """Pictures whose URL ends in d never come."""
    if isinstance(item, Failure):
        return Outcome.of(item)
    return failed(item, Reason.TIMEOUT, retryable=True) if item.request.url.endswith("d") else saved(item)


async def run(ledger_at: Path, listed: Path, chosen: Settings, *, known: bool = True, deciding: Any = None) -> Any:
    """One run over the list in a file: whether it was read, and what there was to do. `known`: as a file."""
    ledger = await Ledger.open(ledger_at, deciding or {})
    file = await asyncio.to_thread(ListFile.of, listed, chosen.list) if known else None
    watched, done = Watched(entries(listed, chosen.list)), []
    listing = Listing(watched, chosen, ledger, file)  # type: ignore[arg-type]
    async for batch in listing.feed():
        for item in await ledger.enter(batch):
            done.append((item.ordinal, item.request.url))
            await ledger.settle([settle(item)])
    assert not listing.reading
    await ledger.aclose()
    return watched.read, done, listing.listed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / FILE_NAME


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    file = tmp_path / "list"
    file.write_text(f"k_1 {A}\nk_2 {B}\nk_3 {D}\nk_4 {C}\n")
    return file


ALL = [(0, A), (1, B), (2, D), (3, C)]


async def test_the_same_list_again_is_not_read_and_what_may_be_tried_again_is_done(path: Path, listed: Path):
    assert await run(path, listed, Settings()) == (True, ALL, 4)
    assert await run(path, listed, Settings()) == (False, [(2, D)], 4)
    await asyncio.to_thread(listed.touch)
    assert await run(path, listed, Settings()) == (False, [(2, D)], 4), "it is the content that counts"


async def test_another_content_of_the_same_size_is_read(path: Path, listed: Path):
    await run(path, listed, Settings())
    text = await asyncio.to_thread(listed.read_text)
    await asyncio.to_thread(listed.write_text, text.replace("h/b", "h/e"))
    assert await run(path, listed, Settings()) == (True, [(1, "http://h/e"), (2, D)], 4)
    await asyncio.to_thread(listed.write_text, text)
    assert await run(path, listed, Settings()) == (True, [(2, D)], 4), "what stood there before is found again"
    assert await run(path, listed, Settings()) == (False, [(2, D)], 4)


@pytest.mark.parametrize(
    "changed",
    [
        Settings(list=ListOptions(offset=1)),
        Settings(list=ListOptions(only_labels=frozenset({"k"}))),
        Settings(list=ListOptions(format="imagenet")),
        Settings(hosts=HostLimits(host_key=lambda host: host)),
    ],
)
async def test_a_list_that_is_read_in_another_manner_is_read(path: Path, listed: Path, changed: Settings):
    await run(path, listed, Settings())
    assert (await run(path, listed, changed))[:2] == (True, [(2, D)])


async def test_the_offset_holds_for_a_list_that_is_not_read(path: Path, listed: Path):
    chosen = Settings(list=ListOptions(offset=3))
    assert await run(path, listed, chosen) == (True, [(3, C)], 1)
    assert await run(path, listed, chosen) == (False, [], 1)


async def test_outcomes_of_a_setting_that_has_changed_are_done_again(path: Path, listed: Path):
    def too_large(item: Record | Failure) -> Outcome:
        assert isinstance(item, Record)
        return failed(item, Reason.TOO_LARGE)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{__name__}.settle", too_large)
        await run(path, listed, Settings(), deciding={Reason.TOO_LARGE: 1})
    assert (await run(path, listed, Settings(), deciding={Reason.TOO_LARGE: 1}))[:2] == (False, [])
    assert (await run(path, listed, Settings(), deciding={Reason.TOO_LARGE: 2}))[:2] == (False, ALL)


async def test_a_failure_that_was_not_recorded_is_looked_at_again(path: Path, listed: Path):
    await asyncio.to_thread(listed.write_text, f"k_1 {A}\nk_2 ftp://h/b\n")
    await run(path, listed, Settings())
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE records SET status='pending' WHERE host=''")
        db.commit()
    assert await run(path, listed, Settings()) == (True, [(1, "ftp://h/b")], 2)


async def test_a_list_that_changes_while_it_is_read_is_not_remembered(path: Path, listed: Path):
    ledger = await Ledger.open(path, {})
    file = await asyncio.to_thread(ListFile.of, listed, ListOptions())
    async for batch in Listing(entries(listed, ListOptions()), Settings(), ledger, file).feed():
        await ledger.enter(batch)
        text = await asyncio.to_thread(listed.read_text)
        await asyncio.to_thread(listed.write_text, text.replace("k_1", "k_9"))
    assert await ledger.known_size() is None
    await ledger.aclose()


async def test_a_list_that_was_not_read_to_its_end_is_read(path: Path, listed: Path):
    ledger = await Ledger.open(path, {})
    file = await asyncio.to_thread(ListFile.of, listed, ListOptions())
    feed = Listing(entries(listed, ListOptions()), Settings(), ledger, file).feed()
    await ledger.enter(await anext(feed))
    await feed.aclose()
    await ledger.aclose()
    assert await run(path, listed, Settings()) == (True, ALL, 4)


def test_what_is_no_regular_file_has_no_fingerprint(tmp_path: Path):
    for urls in ("-", tmp_path, tmp_path / "nosuch", "nul\0", [A], "/dev/null"):
        assert ListFile.of(urls, ListOptions()) is None


@pytest.mark.may_block
async def test_a_crawl_fetches_again_what_may_pass_and_reports_the_whole(server: ImageServer, dest: Path, listed: Path):
    for n in range(4):
        server.add(f"/{n}.jpg", *([status(503)] if n == 2 else []), picture(seed=n))
    listed.write_text("".join(f"k_{n} {server.url(f'/{n}.jpg')}\n" for n in range(4)))
    once = replace(LOOPBACK, retry=ac.RetryPolicy(retries=0))
    assert (await ac.crawl(listed, dest, settings=once)).by_reason == {"http_5xx": 1}
    report = await ac.crawl(listed, dest, settings=once)
    assert (report.total, report.saved, server.audit.count()) == (4, 4, 5)
    assert [row["line"] for row in rows(dest / FILE_NAME)] == [1, 2, 3, 4]


_line = st.tuples(st.sampled_from(["", "k_1 ", "k_2 ", "K_1 "]), st.sampled_from([A, B, C, D, "ftp://h/x"]))


@pytest.mark.slow  # many runs, each with a ledger of its own
@budget(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.lists(_line, max_size=6), st.integers(1, 2), st.integers(0, 2)), min_size=1, max_size=4))
async def test_rows_are_the_same_whether_known_lists_are_read_or_not(
    tmp_path_factory: pytest.TempPathFactory, lists: list[tuple[list[tuple[str, str]], int, int]]
):
    room = tmp_path_factory.mktemp("lists")
    listed = room / "list"
    for lines, times, offset in lists:
        # Of equal lines one before the offset, which has no row, takes a later one's: that is another matter.
        chosen = Settings(list=ListOptions(offset=offset if len(set(lines)) == len(lines) else 0))
        await asyncio.to_thread(listed.write_text, "".join(f"{key}{url}\n" for key, url in lines))
        for _ in range(times):
            _, done, count = await run(room / "known", listed, chosen)
            assert (True, done, count) == await run(room / "read", listed, chosen, known=False)
        assert rows(room / "known") == rows(room / "read")
