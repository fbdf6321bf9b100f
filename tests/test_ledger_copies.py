"""Whatever the list, its edits and the order of events: who shares a fetch or a picture, against a naive model."""

from __future__ import annotations

import asyncio
import hashlib
import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asynccrawl.ledger import Ledger, manifest, reading, row_of
from asynccrawl.ledger.sharing import request_key
from asynccrawl.models import Failure, Reason, Record, Result, Sample
from asynccrawl.recorder import Recorder
from asynccrawl.screening import Screening
from asynccrawl.settings import ImagePolicy

from .test_ledger import List, records

SPELLINGS = {
    "http://h/a": ("http://h/a", "HTTP://h/a", "http://h:80/a", "http://h/a#x"),
    "http://h/b": ("http://h/b",),
    "http://h/c": ("http://h/c",),
    "http://h/d": ("http://h/d",),
}
WIRE = {spelling: url for url, spellings in SPELLINGS.items() for spelling in spellings}
FATES = ("picture 1", "picture 2", "gone", "later")
Fates = dict[str, str]


def fetched(record: Record, fates: Fates) -> Result:
    fate = fates[WIRE[record.request.url]]
    if fate.startswith("picture"):
        digest = hashlib.sha256(fate.encode()).hexdigest()
        return Sample(record.request, record.ordinal, record.name, record.label, "jpeg", data=b"x", sha256=digest)
    return Failure.of(record, Reason.HTTP_404, fate, retryable=fate == "later")


class Crawl:
    """A crawl without a network: what is given out is recorded in any order, some of it while the list is read."""

    def __init__(self, ledger: Ledger, fates: Fates, rng: random.Random) -> None:
        self.ledger, self.fates, self.rng = ledger, fates, rng
        self.recorder = Recorder(Screening(ImagePolicy(placeholders="off"), []), None, ledger)
        self.asked: list[str] = []

    async def record(self, items: Sequence[Record | Failure]) -> None:
        items = list(items)
        self.rng.shuffle(items)
        while items:
            n = self.rng.randint(1, 3)
            part, items = items[:n], items[n:]
            self.asked += [WIRE[item.request.url] for item in part if isinstance(item, Record)]
            await self.recorder.record([fetched(i, self.fates) if isinstance(i, Record) else i for i in part])
            await self.follow()

    async def follow(self) -> None:
        while await self.recorder.follow():
            pass

    async def run(self, entries: List) -> None:
        todo: list[Record | Failure] = []
        batch = records(entries)
        for start in range(0, len(batch), 3):
            todo += await self.ledger.enter(batch[start : start + 3])
            now = [item for item in todo if self.rng.random() < 0.5]
            todo = [item for item in todo if item not in now]
            await self.record(now)
        await self.record(todo)
        await self.ledger.finish_list(len(entries))
        for _ in range(20):
            await self.ledger.revise_copies()
            await self.follow()
            if not (page := await self.ledger.pending(-1, 100)):
                return
            await self.record(page)
        raise AssertionError("it does not end")


async def crawl(path: Path, entries: List, fates: Fates, mode: str, seed: int) -> list[str]:
    ledger = await Ledger.open(path, {Reason.DUPLICATE: mode})
    try:
        this = Crawl(ledger, fates, random.Random(seed))
        await this.run(entries)
        return this.asked
    finally:
        await ledger.aclose()


def table(path: Path) -> list[dict[str, Any]]:
    with reading(path) as connection:
        return [row_of(outcome) for outcome in manifest(connection)]


def model(entries: List, fates: Fates, mode: str) -> Counter[str]:
    """How a first crawl ends: counts of saved pictures, and of reasons."""
    ends: Counter[str] = Counter()
    urls: set[str] = set()
    contents: set[str] = set()
    pairs: set[tuple[str, str]] = set()
    for key, url in entries:
        fate, wire = fates[WIRE[url]], WIRE[url]
        if key is not None and (key, url) in pairs:
            ends["duplicate"] += 1
            continue
        pairs.add((key or "", url))
        if not fate.startswith("picture"):
            ends["http_404"] += 1
        elif wire in urls or (mode == "content" and fate in contents):
            ends["duplicate"] += 1
        else:
            ends["saved"] += 1
        urls.add(wire)
        contents.add(fate)
    return ends


_entry = st.tuples(st.sampled_from([None, "k_1", "k_2", "l_1"]), st.sampled_from(sorted(WIRE)))
_list = st.lists(_entry, min_size=1, max_size=9)
_fates = st.fixed_dictionaries({url: st.sampled_from(FATES) for url in SPELLINGS})


@pytest.mark.slow  # dozens of small crawls
@given(_list, _fates, st.sampled_from(["url", "content"]), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_a_first_crawl_ends_as_the_model_says(entries: List, fates: Fates, mode: str, seed: int):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "ledger"
        asked = asyncio.run(crawl(path, entries, fates, mode, seed))
        assert max(Counter(asked).values()) == 1 and set(asked) == {WIRE[url] for _, url in entries}
        assert Counter(row["reason"] or "saved" for row in table(path)) == model(entries, fates, mode)


GOOD: Fates = dict.fromkeys(SPELLINGS, "picture 1")
OFF_THE_LIST: list[tuple[List, Fates]] = [
    ([(None, "HTTP://h/a")], GOOD | {"http://h/a": "later"}),
    ([("k_1", "HTTP://h/a")], GOOD),
    ([(None, "http://h/a"), (None, "HTTP://h/a")], GOOD),
    ([(None, "HTTP://h/a"), (None, "HTTP://h/a")], GOOD),
]
"""Two pictures of one URL leave the list, and each was the first copy of another record."""


def check(rows: list[dict[str, Any]], mode: str) -> None:
    """What holds after any crawl: every record has its outcome, and every copy its first one, which is in the list."""
    listed = [row for row in rows if row["ordinal"] is not None]
    assert [row["ordinal"] for row in listed] == list(range(len(listed)))
    saved = {row["ordinal"]: row for row in listed if row["status"] == "saved"}
    for row in listed:
        detail = row["detail"] or ""
        if row["reason"] == "duplicate" and not detail.startswith("same key and URL"):
            first = saved[int(detail.split("as record ")[1].split(",")[0])]
            assert first["sha256"] == row["sha256"]
            assert (WIRE[first["url"]] == WIRE[row["url"]]) == detail.startswith("same URL") or mode == "content"


@pytest.mark.slow  # dozens of small crawls
@given(
    st.lists(st.tuples(_list, _fates), min_size=2, max_size=4), st.sampled_from(["url", "content"]), st.integers(0, 99)
)
@example(OFF_THE_LIST, "url", 0)
@settings(max_examples=40, deadline=None)
def test_edited_lists_leave_no_record_without_its_outcome(runs: list[tuple[List, Fates]], mode: str, seed: int):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "ledger"
        for n, (entries, fates) in enumerate(runs):
            asked = asyncio.run(crawl(path, entries, fates, mode, seed + n))
            rows = table(path)
            check(rows, mode)
            assert len([row for row in rows if row["ordinal"] is not None]) == len(entries)
            # Of a content that only a picture has which leaves the list, the next one is asked for again at its end.
            assert max(Counter(asked).values(), default=0) <= (2 if mode == "content" and n else 1)
        again = asyncio.run(crawl(path, entries, fates, mode, seed))
        later = {WIRE[row["url"]] for row in table(path) if row["retryable"]}
        assert set(again) <= later | {WIRE[row["url"]] for row in rows if row["retryable"]}, "nothing is left to do"


def test_what_makes_requests_the_same():
    same = {"http://h/a", "HTTP://H:80/a", " http://h/a#b ", "http://h:0080/a"}
    other = {
        "https://h/a",
        "http://h/a/",
        "http://h/a?",
        "http://h./b",
        "http://u@h/a",
        "http://h:8080/a",
        "http://h/%61",
    }
    assert len({request_key(url, None) for url in same}) == 1
    assert len({request_key(url, None) for url in {"http://h/a"} | other}) == 1 + len(other)
    assert request_key("http://h/é b", None) == request_key("http://h/%C3%A9%20b", None)
    assert request_key("http://h/a", "md5:1") != request_key("http://h/a", None)
    assert request_key("nothing", None) is None
