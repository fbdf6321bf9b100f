"""Tables: CSV, TSV, JSON Lines, Parquet; captions travel, bad rows cost themselves only, headers are told apart."""

from __future__ import annotations

import csv
import datetime
import decimal
import io
import json
import math
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import parquet

import asynccrawl as ac
from asynccrawl.errors import ListError
from asynccrawl.models import Request
from asynccrawl.settings import ListOptions
from asynccrawl.sources import Entry, open_list
from asynccrawl.testing import Answer, ImageServer, picture

from .conftest import LOOPBACK
from .test_cli import command, manifest_of


def read(path: Path, content: str | bytes, **options: Any) -> list[Entry]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(open_list(path, ListOptions(**options)))


def short(entries: list[Entry]) -> list[tuple[Any, ...]]:
    return [(e.line, e.error or e.request.url) for e in entries]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "list"


GOOD = [
    Entry(2, Request("http://h/1", "a", "cat", {"caption": "one, two", "n": "1"})),
    Entry(3, Request("http://h/2,x", None, None, {"caption": "", "n": "2"})),
]


@pytest.mark.parametrize("format", ["auto", "csv"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_a_csv_file_with_a_header(path: Path, format: str, end: str, start: str):
    lines = ["caption,url,n,key,label", '"one, two",http://h/1,1,a,cat', ',"http://h/2,x",2,,', "", "   "]
    assert read(path, start + end.join(lines), format=format) == GOOD


@pytest.mark.parametrize("format", ["auto", "tsv"])
def test_a_tsv_file_with_a_header(path: Path, format: str):
    text = "url\tkey\tlabel\tcaption\tn\nhttp://h/1\ta\tcat\tone, two\t1\nhttp://h/2,x\t\t\t\t2\n"
    assert read(path, text, format=format) == GOOD


@pytest.mark.parametrize("format", ["auto", "csv"])
def test_a_csv_file_with_semicolons(path: Path, format: str):
    text = 'caption;url;n;key;label\none, two;http://h/1;1;a;cat\n"";"http://h/2,x";2;;\n'
    assert read(path, text, format=format) == GOOD


@pytest.mark.parametrize("format", ["auto", "jsonl"])
def test_json_lines(path: Path, format: str):
    rows: list[Any] = [
        {"url": "http://h/1", "key": 7, "caption": "é", "tags": ["x", {"y": None}]},
        {"url": " http://h/2 ", "key": None, "label": 0},
        {"url": "http://h/3"},
        {"caption": "no url"},
        {"url": 5},
        {"url": "http://h/4", "key": True},
        {"url": "http://h/5", "label": [1]},
        {"url": "http://h/\t6"},
    ]
    text = "\n".join(
        [*map(json.dumps, rows), '{"url": "http://h/7"', '{"url": "u", "x": NaN}', "{" + "[" * 60_000, "", "  "]
    )
    entries = read(path, text, format=format)
    assert entries[:3] == [
        Entry(1, Request("http://h/1", "7", None, {"caption": "é", "tags": ["x", {"y": None}]})),
        Entry(2, Request("http://h/2", None, "0")),
        Entry(3, Request("http://h/3")),
    ]
    assert [e.line for e in entries] == list(range(1, 12)) and all(e.error for e in entries[3:])
    for entry, what in zip(
        entries[3:],
        [
            "no column is called 'url'",
            "5 is no text",
            "the column 'key' holds no text: True",
            "the column 'label' holds no text: [1]",
            "a tab",
            "not JSON",
            "NaN",
            "not JSON",
        ],
        strict=True,
    ):
        assert what in (entry.error or "")


def test_a_bad_row_keeps_its_key_its_label_and_what_else_it_says(path: Path):
    path.write_text("key,url,label,caption,md5\n1_1,,dog,a,\n1_2,http://h/\x01,cat,,\n1_3,http://h/3,cow,c,beef\n")
    entries = list(open_list(path, ListOptions(md5_col="md5")))
    assert all(e.error for e in entries)
    assert [e.request for e in entries] == [
        Request("", "1_1", "dog", {"caption": "a"}),
        Request("http://h/\\x01", "1_2", "cat", {"caption": ""}),
        Request("http://h/3", "1_3", "cow", {"caption": "c"}),
    ]


def test_a_cell_may_hold_any_key(path: Path):
    path.write_text('key,url\n"two\nlines",http://h/1\n')
    (entry,) = open_list(path, ListOptions())
    assert (entry.error, entry.request.key) == (None, "two\nlines")


def test_other_lines_may_stand_between_json_objects(path: Path):
    text = 'n01_1 http://h/1\n{"url": "http://h/2", "key": "k"}\nhttp://h/3\n'
    assert [(e.request.key, e.request.url) for e in read(path, text)] == [
        ("n01_1", "http://h/1"), ("k", "http://h/2"), (None, "http://h/3"),
    ]  # fmt: skip


def test_columns_by_other_names(path: Path):
    text = "URL,TEXT,id\nhttp://h/1,hello,9\n"
    assert read(path, text) == [Entry(2, Request("http://h/1", None, None, {"TEXT": "hello", "id": "9"}))]
    named = {"url_col": "URL", "key_col": "id", "label_col": "TEXT"}
    assert read(path, text, **named) == [Entry(2, Request("http://h/1", "9", "hello"))]
    assert read(path, "link;x\n", format="urls") == [Entry(1, Request("link;x"))]


@pytest.mark.parametrize(
    ("text", "options", "what"),
    [
        (
            "image_url,caption\nhttp://h/1,x\n",
            {},
            r"list: no column is called 'url', but 'image_url', 'caption'.*--url-col",
        ),
        ("a,b\nhttp://h/1,x\n", {"format": "csv"}, r"no column is called 'url', but 'a', 'b'"),
        ("url,a\nhttp://h/1,x\n", {"key_col": "id"}, r"no column is called 'id' \(--key-col\), but 'url', 'a'"),
        ("url,a\nhttp://h/1,x\n", {"label_col": "class"}, r"no column is called 'class' \(--label-col\)"),
        ("url,a,a\nhttp://h/1,x,y\n", {}, r"two columns are called 'a'"),
        ('url,"a\n', {"format": "csv"}, r"the header is no row of a table"),
        ("http://h/1\n", {"format": "csv"}, r"no column is called 'url', but 'http://h/1'"),
        (b"ur\xff,a\n", {"format": "csv"}, r"the header cannot be read"),
    ],
)
def test_a_header_without_urls_is_an_error_that_says_what_to_do(path: Path, text: Any, options: Any, what: str):
    with pytest.raises(ListError, match=what):
        read(path, text, **options)


def test_a_bad_first_line_is_no_header(path: Path):
    entries = read(path, "this line has no url, sorry\nhttp://h/1,a\n")
    assert short(entries) == [(1, entries[0].error), (2, "http://h/1,a")] and entries[0].error
    with pytest.raises(ListError, match=r"no column is called 'url', but 'link', 'caption'.*--url-col"):
        read(path, "link,caption\nhttp://h/1,a\n")


def test_a_date_that_python_has_not_is_told_with_its_rows(path: Path):
    far = pyarrow.array([2**53], type=pyarrow.timestamp("s"))
    parquet.write_table(pyarrow.table({"url": ["http://h/1"], "when": far}), path)
    with pytest.raises(ListError, match="a value in rows 1 to 1 is none that Python has"):
        list(open_list(path, ListOptions()))


def test_bad_rows_cost_themselves_only(path: Path):
    rows = [
        b"url,caption",
        b"http://h/2,fine",
        b"http://h/3",
        b"http://h/4,too,many",
        b",no url",
        b'http://h/6,"never closed',
        b"http://h/7,fine",
        b'http://h/8,"over',
        b'two lines"',
        b'http://h/10,5" disk',
        b'http://h/11,"x"y',
        b"http://h/12,\xff",
        b'http://h/13,"a ""quote"""',
        b"http://h/14,\x00nul",
        b"http://h/15," + b"x" * 70_000,
        b'http://h/16,"open at the end',
        b"http://h/17,fine",
    ]
    entries = read(path, b"\n".join(rows))
    good = [(e.line, (e.request.extra or {}).get("caption")) for e in entries if e.error is None]
    assert good == [(2, "fine"), (7, "fine"), (8, "over\ntwo lines"), (10, '5" disk'), (13, 'a "quote"'), (17, "fine")]
    assert [e.line for e in entries if e.error] == [3, 4, 5, 6, 11, 12, 14, 15, 16]
    assert sorted(e.line for e in entries) == [e.line for e in entries], "in list order"


def test_a_quote_that_is_never_closed_does_not_swallow_the_file(path: Path):
    lines = ["url,caption", 'http://h/1,"oops', *(f"http://h/{n},ok" for n in range(2, 20_000))]
    entries = read(path, "\n".join(lines))
    assert len(entries) == 19_999 and [e.line for e in entries if e.error] == [2]


def test_a_text_that_is_too_long_is_one_bad_record(path: Path):
    text = [f'line {n}, see http://h/{n}, of ""many""' for n in range(6_000)]
    rows = [
        "url,caption,key",
        "http://h/2,fine,a",
        f'http://h/3,"{text[0]}',
        *text[1:-1],
        f'{text[-1]}",b',
        "http://h/x,f,c",
    ]
    entries = read(path, "\n".join(rows))
    assert [(e.line, e.error is None) for e in entries] == [(2, True), (3, False), (6_003, True)]
    assert "longer than 65536 bytes" in (entries[1].error or "") and entries[2].request.key == "c"


def test_a_text_that_is_too_long_and_never_closed_ends_where_a_row_stands_again(path: Path):
    rows = ["url,caption", 'http://h/2,"oops', *(f"just text {n:060d}" for n in range(2_000)), "http://h/x,fine"]
    entries = read(path, "\n".join([*rows, 'http://h/y,"over', 'two lines"', "http://h/z,fine"]))
    assert [e.line for e in entries if e.error] == [2]
    assert [e.line for e in entries if e.error is None] == [2_003, 2_004, 2_006]


cells = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=12)


@given(st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=12), st.sampled_from(",\t"))
@example([("a\nb", "\n", '"')], ",")
def test_what_csv_writers_write_comes_back_with_its_lines(rows: list[tuple[str, str, str]], delimiter: str):
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    writer.writerow(["one", "url", "two", "three"])
    lines = []
    for one, two, three in rows:
        lines.append(file.getvalue().count("\n") + 1)
        writer.writerow([one, "http://h/x", two, three])
    found = list(open_list_of(file.getvalue()))
    assert [e.line for e in found] == lines
    assert [e.request.extra for e in found] == [dict(zip(("one", "two", "three"), row, strict=True)) for row in rows]


def open_list_of(text: str) -> list[Entry]:
    r, w = os.pipe()
    writer = threading.Thread(target=lambda: (os.write(w, text.encode()), os.close(w)))
    writer.start()
    try:
        return list(open_list(f"/dev/fd/{r}", ListOptions(format="auto")))
    finally:
        writer.join()
        os.close(r)


def test_each_member_of_an_archive_has_its_own_header(path: Path):
    from .test_sources_packing import PACKERS, archive

    members = archive(("a.csv", b"url,x\nhttp://h/1,1\n"), ("b.csv", b"x,url\n2,http://h/2\n"), ("c", b"http://h/3\n"))
    for pack in PACKERS.values():
        entries = read(path, pack(members))
        assert [(e.line, e.request.url, e.request.extra) for e in entries] == [
            (2, "http://h/1", {"x": "1"}), (4, "http://h/2", {"x": "2"}), (5, "http://h/3", None),
        ]  # fmt: skip


async def test_items_of_an_iterable_are_lines_of_a_table_too(server: ImageServer, dest: Path):
    server.route(lambda request: Answer(picture()))
    items = [
        "url,caption",
        f"{server.url('/1')},one",
        f'{server.url("/2")},"two\nlines"',
        'x,"open',
        ("k", server.url("/3")),
    ]
    report = await ac.crawl(items, dest, settings=LOOPBACK)
    rows = await manifest_of(dest)
    assert report.saved == 3 and report.by_reason == {"bad_line": 1}
    assert [row["extra"] for row in rows] == [{"caption": "one"}, {"caption": "two\nlines"}, None, None]
    with pytest.raises(ListError, match="give its path"):
        await ac.crawl(items, dest, settings=ac.Settings(list=ListOptions(format="parquet")))


async def test_captions_travel_to_sink_and_manifest(server: ImageServer, dest: Path, tmp_path: Path):
    server.route(lambda request: Answer(picture()))
    listed = tmp_path / "captions.csv"
    listed.write_text(
        f'link,text,key,label\n{server.url("/1")},"a dog, running",k1,dog\n{server.url("/2")},a cat,k2,cat\n'
    )
    words = ("crawl", listed, dest, "--allow-net", "127.0.0.0/8")
    code, _, err = await command(*words, "--format", "csv")
    assert code == 2 and f"{listed}: no column is called 'url'" in err and "--url-col" in err and "Traceback" not in err
    assert (await command(*words, "--url-col", "link", "--label-col", "label"))[0] == 0
    rows = await manifest_of(dest)
    assert [(row["line"], row["key"], row["label"], row["path"], row["extra"]) for row in rows] == [
        (2, "k1", "dog", "dog/k1.jpg", {"text": "a dog, running"}), (3, "k2", "cat", "cat/k2.jpg", {"text": "a cat"}),
    ]  # fmt: skip
    sink = ac.MemorySink()
    settings = ac.Settings(network=LOOPBACK.network, list=ListOptions(url_col="link"))
    await ac.crawl(listed, tmp_path / "other", settings=settings, sink=sink)
    assert sink.samples["k1"].request.extra == {"text": "a dog, running"}


def test_parquet_by_rows(path: Path):
    table = pyarrow.table(
        {
            "URL": ["http://h/1", None, "http://h/3"],
            "key": [1, 2, None],
            "when": [datetime.datetime(2026, 1, 2, 3, 4), None, None],
            "price": [decimal.Decimal("1.50"), None, None],
            "score": [0.5, math.nan, None],
            "tags": [["a"], [], None],
            "image": [b"\xff", None, None],
        }
    )
    parquet.write_table(table, path)
    for format in ("auto", "parquet"):
        entries = list(open_list(path, ListOptions(format=format)))
        assert [e.line for e in entries] == [1, 2, 3] and entries[1].error == "no URL in the column 'URL'"
        assert entries[0].request == Request(
            "http://h/1", "1", None, {"when": "2026-01-02T03:04:00", "price": "1.50", "score": 0.5, "tags": ["a"]}
        )
        assert entries[2].request == Request(
            "http://h/3", None, None, dict.fromkeys(("when", "price", "score", "tags"))
        )


def test_many_rows_of_parquet_come_lazily_and_damage_is_told(path: Path):
    urls = [f"http://h/{n}" for n in range(50_000)]
    parquet.write_table(pyarrow.table({"url": urls}), path, row_group_size=10_000, compression="none")
    entries = open_list(path, ListOptions())
    assert next(entries).request.url == urls[0]
    assert [e.request.url for e in entries] == urls[1:]
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ListError, match=r"list: the file cannot be read further .*damaged or was cut short"):
        list(open_list(path, ListOptions()))
    path.write_bytes(b"http://h/1\n")
    with pytest.raises(ListError, match="cannot be read further"):
        list(open_list(path, ListOptions(format="parquet")))


def test_parquet_that_cannot_be_sought_in_is_refused(path: Path):
    from .test_sources_packing import PACKERS

    parquet.write_table(pyarrow.table({"url": ["http://h/1"]}), path)
    whole = path.read_bytes()
    path.write_bytes(PACKERS["gzip"](whole))
    with pytest.raises(ListError, match="Parquet file, which is read only from a path"):
        list(open_list(path, ListOptions()))
    code = "from asynccrawl.sources import *; from asynccrawl import ListOptions; list(open_list('-', ListOptions()))"
    run = subprocess.run([sys.executable, "-c", code], input=whole, capture_output=True)
    assert b"standard input" in run.stderr and b"Parquet" in run.stderr


@pytest.mark.parametrize(
    ("module", "content", "extra"),
    [
        ("pyarrow", b"PAR1....PAR1", "asynccrawl\\[parquet\\]"),
        ("backports", b"\x28\xb5\x2f\xfd....", "asynccrawl\\[zstd\\]"),
    ],
)
def test_a_missing_extra_is_named(path: Path, monkeypatch: pytest.MonkeyPatch, module: str, content: bytes, extra: str):
    if module == "backports" and sys.version_info >= (3, 14):
        module = "compression"
    monkeypatch.setitem(sys.modules, module, None)
    path.write_bytes(content)
    with pytest.raises(ListError, match=extra):
        list(open_list(path, ListOptions()))
