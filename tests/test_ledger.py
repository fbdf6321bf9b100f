"""The ledger on real SQLite files: entering, matching an edited list, settling, reading during a run."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asynccrawl.errors import DestinationBusy, FetchError, StorageError
from asynccrawl.ledger import Ledger, Lock, manifest, reading, row_of
from asynccrawl.models import Failure, Outcome, Reason, Record, Request, Sample

List = list[tuple[str | None, str]]


def records(entries: List) -> list[Record]:
    return [
        Record(i, i + 1, key or f"{i:09d}", "n01" if key else None, Request(url, key), url.split("/")[2])
        for i, (key, url) in enumerate(entries)
    ]


def saved(record: Record) -> Outcome:
    sample = Sample(record.request, record.ordinal, record.name, record.label, "jpeg", data=b"x", bytes=1, sha256="ab")
    return Outcome.of(sample, f"{record.name}.jpg")


def failed(record: Record, reason: Reason, retryable: bool = False) -> Outcome:
    return Outcome.of(Failure.of(record, reason, "why", retryable=retryable))


async def run(path: Path, entries: List, settle: Any = saved, deciding: dict[Reason, Any] | None = None) -> list[str]:
    """One whole crawl of the list; returns the URLs that were to be done, with duplicates named."""
    ledger = await Ledger.open(path, deciding or {})
    done = []
    for item in await ledger.enter(records(entries)):
        done.append(item.request.url if isinstance(item, Record) else str(item.reason))
        await ledger.settle([settle(item) if isinstance(item, Record) else Outcome.of(item)])
    await ledger.finish_list(len(entries))
    await ledger.aclose()
    return done


def rows(path: Path) -> list[dict[str, Any]]:
    """The manifest, read as another process would: in a thread, since reading a file may not happen on the loop."""

    def read() -> list[dict[str, Any]]:
        with reading(path) as connection:
            return [row_of(outcome) for outcome in manifest(connection)]

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(read).result()


def places(path: Path) -> list[tuple[int | None, str, str | None]]:
    return [(row["ordinal"], row["url"], row["path"]) for row in rows(path)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


A, B, C, D = (f"http://h/{letter}" for letter in "abcd")


async def test_every_record_is_pending_from_its_entry_and_settled_once(path: Path):
    ledger = await Ledger.open(path, {})
    (a, b) = await ledger.enter(records([("k_1", A), (None, B)]))
    assert await ledger.counts() == {"pending": 2}
    assert rows(path) == [], "a record that waits is not in the manifest"
    await ledger.settle([saved(a), failed(b, Reason.HTTP_404)])
    assert [(r["name"], r["status"], r["reason"]) for r in rows(path)] == [
        ("k_1", "saved", None),
        ("000000001", "failed", "http_404"),
    ]
    await ledger.aclose()
    assert [p.name for p in path.parent.iterdir()] == [path.name], "no companions are left"


async def test_the_same_list_again_has_nothing_to_do(path: Path):
    entries: List = [("k_1", A), (None, B), (None, B), ("k_1", A)]
    assert await run(path, entries) == [A, B, B, "duplicate"]
    before = rows(path)
    assert await run(path, entries) == []
    assert rows(path) == before


async def test_only_pending_and_retryable_rows_are_done_again(path: Path):
    fates = {A: Reason.HTTP_404, B: Reason.TIMEOUT, C: Reason.HTTP_5XX}
    entries: List = [(None, A), (None, B), (None, C), (None, D)]
    await run(
        path,
        entries,
        lambda r: failed(r, fates[r.request.url], r.request.url != A) if r.request.url in fates else saved(r),
    )
    assert await run(path, entries) == [B, C]
    assert await run(path, entries) == []


async def test_a_run_that_was_cut_short_goes_on(path: Path):
    entries: List = [(None, A), (None, B), (None, C)]
    ledger = await Ledger.open(path, {})
    (a, _) = await ledger.enter(records(entries)[:2])
    await ledger.settle([saved(a)])
    await ledger.aclose()
    assert await run(path, entries) == [B, C]


async def test_a_changed_setting_opens_what_it_decided(path: Path):
    entries: List = [(None, A), (None, B)]
    fate = {A: Reason.TOO_LARGE, B: Reason.HTTP_404}
    settle = lambda r: failed(r, fate[r.request.url])  # noqa: E731 -- read beside the fates
    await run(path, entries, settle, {Reason.TOO_LARGE: 10})
    assert await run(path, entries, settle, {Reason.TOO_LARGE: 10}) == []
    assert await run(path, entries, settle, {Reason.TOO_LARGE: 20}) == [A]
    assert await run(path, entries, settle, {Reason.TOO_LARGE: 20}) == []


async def test_a_list_edited_between_runs_finds_its_rows(path: Path):
    await run(path, [("k_1", A), ("k_2", B), ("k_3", C)])
    edited: List = [("k_4", D), ("k_3", C), ("k_1", A)]
    assert await run(path, edited) == [D]
    assert places(path) == [(0, D, "k_4.jpg"), (1, C, "k_3.jpg"), (2, A, "k_1.jpg"), (None, B, "k_2.jpg")]
    assert await run(path, [("k_2", B), *edited]) == [], "a record that comes back finds its row"
    assert [p for p, _, _ in places(path)] == [0, 1, 2, 3]


async def test_lines_move_with_their_records(path: Path):
    await run(path, [("k_1", A), ("k_2", B)])
    ledger = await Ledger.open(path, {})
    shifted = [Record(0, 5, "k_1", "n01", Request(A, "k_1"), "h"), Record(1, 9, "k_2", "n01", Request(B, "k_2"), "h")]
    assert await ledger.enter(shifted) == []
    await ledger.aclose()
    assert [r["line"] for r in rows(path)] == [5, 9]


async def test_records_before_the_offset_keep_their_rows(path: Path):
    entries: List = [(None, A), (None, B), (None, C)]
    await run(path, entries)
    ledger = await Ledger.open(path, {})
    await ledger.recognise(records(entries)[:2])
    assert await ledger.enter(records(entries)[2:]) == []
    await ledger.finish_list(3)
    await ledger.aclose()
    assert [ordinal for ordinal, _, _ in places(path)] == [0, 1, 2]


async def test_records_before_the_offset_get_no_row(path: Path):
    ledger = await Ledger.open(path, {})
    await ledger.recognise(records([(None, A), (None, B)]))
    assert len(await ledger.enter(records([(None, A), (None, B), (None, C)])[2:])) == 1
    await ledger.finish_list(3)
    assert await ledger.counts() == {"pending": 1}
    await ledger.aclose()


async def test_names_are_unique_case_folded(path: Path):
    ledger = await Ledger.open(path, {})
    entered = await ledger.enter(
        records([("Cat_1", A), ("cat_1", B), ("cat_1", B), ("CAT_1", C), (None, D), ("000000004", D)])
    )
    await ledger.aclose()
    names = [item.name for item in entered if isinstance(item, Record)]
    assert names[0] == "Cat_1" and names[3] == "000000004"
    assert names[1] == records([("cat_1", B)])[0].renamed().name
    assert len({name.lower() for name in names}) == len(names) == 5
    (duplicate,) = [item for item in entered if isinstance(item, Failure)]
    assert (duplicate.ordinal, duplicate.reason) == (2, Reason.DUPLICATE)


async def test_when_the_first_of_two_equal_entries_leaves_the_second_inherits_its_file(path: Path):
    await run(path, [("k_1", A), ("k_2", B), ("k_1", A)])
    assert await run(path, [("k_3", C), ("k_2", B), ("k_1", A)]) == [C]
    assert [(r["ordinal"], r["url"], r["status"]) for r in rows(path)] == [
        (0, C, "saved"), (1, B, "saved"), (2, A, "saved"), (None, A, "skipped"),
    ]  # fmt: skip


async def test_take_and_pending_give_waiting_records_in_list_order(path: Path):
    ledger = await Ledger.open(path, {})
    entered = await ledger.enter(records([(None, f"http://{'ab'[i % 2]}/{i}") for i in range(10)]))
    await ledger.settle([saved(entered[4])])
    assert [r.ordinal for r in await ledger.take("a", 0, 3)] == [2, 6, 8]
    assert [r.ordinal for r in await ledger.pending(2, 3)] == [3, 5, 6]
    assert (await ledger.take("a", 0, 1))[0] == entered[2]
    await ledger.aclose()


async def test_a_record_put_back_stays_pending_with_what_was_learned(path: Path):
    ledger = await Ledger.open(path, {})
    (record,) = await ledger.enter(records([(None, A)]))
    await ledger.put_back(record, FetchError(Reason.HTTP_429, True, "busy"), 2, 1e9)
    assert await ledger.counts() == {"pending": 1}
    await ledger.aclose()
    with closing(sqlite3.connect(path)) as connection:
        row = connection.execute("SELECT reason, attempts, not_before FROM records").fetchone()
    assert row == ("http_429", 2, 1e9)


async def test_extra_columns_and_odd_text_come_back_as_they_were(path: Path):
    extra = {"caption": 'ein Bär\n"im" Wald', "n": 3, "deep": [1, {"a": None}]}
    record = Record(0, 1, "x", "y", Request("http://h/ü ,x", "ключ", "y", extra), "h")
    ledger = await Ledger.open(path, {})
    (entered,) = await ledger.enter([record])
    await ledger.settle([saved(entered)])
    assert (await ledger.tally()).by_label == {"y": (1, 0, 0)}
    await ledger.aclose()
    (row,) = rows(path)
    assert (row["extra"], row["key"], row["url"]) == (extra, "ключ", "http://h/ü ,x")
    json.dumps(row)


async def test_the_tally_counts_hosts_reasons_and_labels(path: Path):
    ledger = await Ledger.open(path, {})
    entered = await ledger.enter(
        records([("k_1", "http://a/1"), ("k_2", "http://a/2"), ("k_3", "http://b/3"), (None, "http://c/4")])
    )
    await ledger.settle([saved(entered[0]), failed(entered[1], Reason.DNS, True), failed(entered[2], Reason.HTTP_404)])
    tally = await ledger.tally(hosts=1)
    await ledger.aclose()
    assert tally.by_status == {"saved": 1, "failed": 2, "pending": 1}
    assert tally.by_reason == {"dns": 1, "http_404": 1} and tally.retryable == {"dns": 1, "http_404": 0}
    assert tally.examples["dns"] == "http://a/2"
    assert (tally.by_host, tally.other_hosts, tally.hosts) == ({"a": (1, 1, 0)}, (0, 1, 0), 2)
    assert tally.by_label == {"n01": (1, 2, 0)}


async def test_the_busiest_hosts_are_named_and_the_others_counted_together(path: Path):
    ledger = await Ledger.open(path, {})
    entered = await ledger.enter(records([(None, f"http://{host}/{n}") for n, host in enumerate("dccbbbaaax")]))
    await ledger.settle([saved(item) for item in entered[:-1]])
    tally = await ledger.tally(hosts=2)
    assert list(tally.by_host.items()) == [("a", (3, 0, 0)), ("b", (3, 0, 0))]
    assert (tally.other_hosts, tally.hosts) == ((3, 0, 0), 4), "what is pending counts for none"
    assert ledger._db.execute("PRAGMA cache_size").fetchone() == (-8000,)
    await ledger.aclose()


def test_reading_says_what_is_wrong(tmp_path: Path):
    with pytest.raises(StorageError, match="no ledger here"), reading(tmp_path / "none.sqlite3"):
        pass
    (tmp_path / "text").write_text("hello " * 1000)
    with pytest.raises(StorageError, match="cannot be read as a ledger"), reading(tmp_path / "text"):
        pass
    other = sqlite3.connect(tmp_path / "other")
    other.execute("CREATE TABLE t (x)")
    other.close()
    with pytest.raises(StorageError, match="no ledger of asynccrawl"), reading(tmp_path / "other"):
        pass


def shape(path: Path) -> set[tuple[str, ...]]:
    """Every table's columns, and every index."""
    with closing(sqlite3.connect(path)) as db:
        made = db.execute("SELECT type, name, tbl_name FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        return {
            (
                kind,
                name,
                *(column[1] for column in sorted(db.execute(f"PRAGMA table_info({name})"), key=lambda c: c[1])),
            )
            for kind, name, _ in made
        } | set(db.execute("PRAGMA user_version"))


async def test_rows_of_one_content_are_found_by_its_index(tmp_path: Path):
    ledger = await Ledger.open(tmp_path / "ledger.sqlite3", {})
    await ledger.aclose()
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite3")) as db:
        sql = "EXPLAIN QUERY PLAN SELECT id FROM records WHERE status='saved' AND sha256=?"
        (plan,) = db.execute(sql, ("a" * 64,)).fetchall()
    assert "USING INDEX records_by_content (sha256=?)" in plan[3]


async def test_opening_a_foreign_file_is_a_storage_error(tmp_path: Path):
    (tmp_path / "text").write_text("hello " * 1000)
    with pytest.raises(StorageError, match="text: the ledger failed"):
        await Ledger.open(tmp_path / "text", {})


def test_a_second_process_is_kept_out_until_the_first_has_gone(tmp_path: Path):
    code = f"from asynccrawl.ledger import Lock; from pathlib import Path; Lock(Path({str(tmp_path)!r}))"
    code += "; print('held', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout and other.stdout.readline() == b"held\n"
        with pytest.raises(DestinationBusy, match="another run"):
            Lock(tmp_path)
        other.kill()
    Lock(tmp_path).release()


_entry = st.tuples(st.sampled_from([None, "k_1", "k_2", "K_1"]), st.sampled_from([A, B, C, D]))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(_entry, max_size=7), min_size=2, max_size=4))
async def test_whatever_is_done_to_the_list_every_record_has_its_row_and_nothing_is_fetched_twice(
    tmp_path_factory: pytest.TempPathFactory, lists: list[List]
):
    path = tmp_path_factory.mktemp("edited") / "ledger.sqlite3"
    files: dict[str, tuple[str | None, str]] = {}
    for entries in lists:
        todo = await run(path, entries)
        table = rows(path)
        present = [row for row in table if row["ordinal"] is not None]
        assert [(row["key"], row["url"]) for row in present] == entries
        assert [row["ordinal"] for row in present] == list(range(len(entries)))
        for row in table:
            if row["status"] == "saved":
                assert files.setdefault(row["path"], (row["key"], row["url"])) == (row["key"], row["url"])
        assert {row["path"] for row in table if row["status"] == "saved"} == set(files), "no file is forgotten"
        assert len(todo) <= len(entries)
        keyed = {entry for entry in entries if entry[0]}
        on_disk = {(row["key"], row["url"]) for row in present if row["status"] == "saved"}
        assert keyed <= on_disk, "each key and URL of the list has its file"
        assert await run(path, entries) == []
