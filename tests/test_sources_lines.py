"""What lines say: formats, bad lines, line numbers."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from asynccrawl.models import Request
from asynccrawl.settings import ListOptions
from asynccrawl.sources import MAX_LINE_BYTES, Entry, open_list

URL = "http://h/a.jpg"


def read(path: Path, content: bytes, format: str = "auto") -> list[Entry]:
    path.write_bytes(content)
    return list(open_list(path, ListOptions(format=format)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "list.txt"


@pytest.mark.parametrize(
    ("line", "key", "url"),
    [
        ("http://h/a.jpg", None, URL),
        ("n01_5\thttp://h/a.jpg", "n01_5", URL),
        ("n01_5  \t http://h/a.jpg", "n01_5", URL),
        ("  n01_5 http://h/a.jpg \t", "n01_5", URL),
        ("http://h/a b, c.jpg", None, "http://h/a b, c.jpg"),
        ("k http://h/a  b, c.jpg", "k", "http://h/a  b, c.jpg"),
        ("http://h/a http://h/b", None, "http://h/a http://h/b"),
        ("k ftp://h/a", "k", "ftp://h/a"),
        ("a,b;c https://h/é", "a,b;c", "https://h/é"),
        ("k http://h/\u3000x\u00a0", "k", "http://h/\u3000x"),
    ],
)
def test_auto_reads_a_url_or_a_key_and_a_url(path: Path, line: str, key: str | None, url: str):
    assert read(path, line.encode()) == [Entry(1, Request(url, key))]


def test_auto_decides_line_by_line(path: Path):
    entries = read(path, b"k http://h/1\nhttp://h/2\nk2 http://h/3\n")
    assert [(e.request.key, e.request.url[-1]) for e in entries] == [("k", "1"), (None, "2"), ("k2", "3")]


@pytest.mark.parametrize("line", ["nonsense", "a b c", "key word http://h/a", "a ://", "/path/a.jpg"])
def test_auto_without_a_url_is_a_bad_line(path: Path, line: str):
    (entry,) = read(path, line.encode())
    if line == "a ://":
        assert entry.error is None, "a scheme's absence is judged later"
    else:
        assert entry.error and "no URL" in entry.error and entry.request == Request(line)


@pytest.mark.parametrize(
    ("line", "key", "url"),
    [
        ("k http://h/a b", "k", "http://h/a b"),
        ("k\tnonsense", "k", "nonsense"),
        ("http://h/a http://h/b", "http://h/a", "http://h/b"),
    ],
)
def test_imagenet_is_always_a_key_and_the_rest(path: Path, line: str, key: str, url: str):
    assert read(path, line.encode(), "imagenet") == [Entry(1, Request(url, key))]


def test_imagenet_with_one_word_is_a_bad_line(path: Path):
    (entry,) = read(path, b"http://h/a\n", "imagenet")
    assert entry.error and "nothing follows" in entry.error and entry.request == Request("http://h/a")


@pytest.mark.parametrize("line", ["http://h/a b", "k http://h/a", "nonsense", "data:x"])
def test_urls_takes_the_whole_line(path: Path, line: str):
    assert read(path, f" {line} \r\n".encode(), "urls") == [Entry(1, Request(line))]


@pytest.mark.parametrize("content", [b"", b"\n", b" \n\t\r\n\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n"])
@pytest.mark.parametrize("format", ["auto", "imagenet", "urls"])
def test_an_empty_list_is_legal(path: Path, content: bytes, format: str):
    assert read(path, content, format) == []


def test_blank_lines_count_as_lines_and_are_no_entries(path: Path):
    assert [e.line for e in read(path, b"\nhttp://h/1\n  \r\n\t\nhttp://h/2")] == [2, 5]


def test_windows_line_ends_and_a_byte_order_mark(path: Path):
    entries = read(path, b"\xef\xbb\xbfk http://h/1\r\nhttp://h/2\r\n")
    assert [e.request for e in entries] == [Request("http://h/1", "k"), Request("http://h/2")]


@pytest.mark.parametrize(
    ("line", "request_read", "why"),
    [
        (b"k http://h/\xff.jpg", Request("http://h/\\xff.jpg", "k"), "byte 12 (0xff) is not UTF-8"),
        (b"\xe9t\xe9", Request("\\xe9t\\xe9"), "byte 1 (0xe9)"),
        (b"http://h/a\x00b", Request("http://h/a\\x00b"), "0x00"),
        (b"k\x00 http://h/a", Request("http://h/a", "k\\x00"), "0x00"),
        (b"\x00\x01", Request("\\x00\\x01"), "0x00"),
        (b"http://h/a\tcaption", Request("http://h/a\\tcaption"), "tab"),
        (b"http://h/a\rhttp://h/b", Request("http://h/a\\rhttp://h/b"), "carriage return"),
        (b"http://h/\x1b[31m", Request("http://h/\\x1b[31m"), "0x1b"),
        (b"http://h/\x7f", Request("http://h/\\x7f"), "0x7f"),
    ],
)
def test_a_bad_line_says_what_is_wrong_and_keeps_what_could_be_read(
    path: Path, line: bytes, request_read: Request, why: str
):
    before, entry, after = read(path, b"http://h/1\n" + line + b"\nhttp://h/3\n")
    assert (before.line, entry.line, after.line) == (1, 2, 3)
    assert before.error is None and after.error is None
    assert entry.request == request_read
    assert entry.error and why in entry.error


def test_what_a_manifest_shows_of_a_bad_line_is_short(path: Path):
    (entry,) = read(path, b"k http://h/" + b"\x01" * 5000)
    assert entry.request.key == "k"
    assert entry.request.url.startswith("http://h/\\x01") and entry.request.url.endswith("...")
    assert len(entry.request.url) < 1000


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_the_longest_line_and_one_that_is_longer(path: Path, end: bytes):
    head = b"k http://h/"
    longest = head + b"a" * (MAX_LINE_BYTES - len(head) - len(end.strip(b"\n")))
    (entry,) = read(path, longest + end)
    assert entry.error is None and len(entry.request.url) == len(longest) - 2
    longer, after = read(path, b"a" + longest + end.strip(b"\n") + b"\nhttp://h/2")
    assert longer.error and str(MAX_LINE_BYTES) in longer.error
    assert longer.request.key == "ak" and longer.request.url.startswith("http://h/aaa")
    assert len(longer.request.url) < 1000
    assert (after.line, after.request.url) == (2, "http://h/2")


def test_an_over_long_blank_line_is_still_blank(path: Path):
    spaces = b" " * (3 * MAX_LINE_BYTES)
    assert [e.line for e in read(path, spaces + b"\n" + spaces + b"http://h/a\nhttp://h/b\n" + spaces)] == [2, 3]


def test_a_file_without_line_ends_is_never_held_whole(path: Path):
    with gzip.open(path, "wb", 1) as file:
        for _ in range(320):
            file.write(bytes(100_000))
    tracemalloc.start()
    (entry,) = open_list(path, ListOptions())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert entry.error and peak < 3_000_000


@pytest.mark.slow  # reads a list long enough that keeping it would show
def test_memory_does_not_grow_with_the_list(path: Path):
    lines = 100_000
    with gzip.open(path, "wb", 1) as file:
        for block in range(0, lines, 1000):
            file.write(b"".join(b"n01_%d http://h%d/%d.jpg\n" % (n, n % 7, n) for n in range(block, block + 1000)))
    tracemalloc.start()
    count = sum(1 for _ in open_list(path, ListOptions()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == lines and peak < 3_000_000


_piece = st.one_of(
    st.binary(max_size=12),
    st.sampled_from(
        [b"\n", b"\r\n", b"\n\n", b" ", b"\t", b"k ", b"http://h/", b"://", b"\xef\xbb\xbf", b"\x00", "é".encode()]
    ),
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(_piece, max_size=40).map(b"".join), st.sampled_from(["auto", "imagenet", "urls"]))
@example(b"\xc2\xa0\n\x1c\n\xe3\x80\x80x", "auto")
def test_every_line_that_is_not_blank_is_one_entry_with_its_number(path: Path, content: bytes, format: str):
    content = b"\n" + content  # so that no first bytes are those of an archive
    entries = read(path, content, format)
    lines = content.decode("utf-8", "surrogateescape").split("\n")
    assert [entry.line for entry in entries] == [n for n, line in enumerate(lines, 1) if line.strip()]
    for entry in entries:
        assert f"{entry.request.url}{entry.request.key}{entry.error}".encode().decode().isprintable() or not entry.error
