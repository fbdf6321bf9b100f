"""Lists in every wrapping, and what is wrong with files that cannot be read."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from asynccrawl.errors import ListError
from asynccrawl.settings import ListOptions
from asynccrawl.sources import Entry, open_list

TEXT = b"".join(b"n01_%d http://h/%d.jpg\n" % (n, n) for n in range(1, 301))
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd.compress,
}


def archive(*members: tuple[str, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=format) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def read_until_error(path: Path) -> tuple[list[Entry], str]:
    entries = []
    with pytest.raises(ListError) as caught:
        for entry in open_list(path, ListOptions()):
            entries.append(entry)
    return entries, str(caught.value)


def lines_of(path: Path) -> list[int]:
    entries = list(open_list(path, ListOptions()))
    assert all(entry.error is None for entry in entries)
    return [entry.line for entry in entries]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a list"


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("tarred", [False, True])
def test_the_first_bytes_tell_how_a_list_is_packed(path: Path, packer: str, tarred: bool):
    path.write_bytes(PACKERS[packer](archive(("list.txt", TEXT)) if tarred else TEXT))
    assert lines_of(path) == list(range(1, 301))


@pytest.mark.parametrize("packer", PACKERS)
def test_an_empty_list_is_legal_in_any_wrapping(path: Path, packer: str):
    path.write_bytes(PACKERS[packer](b""))
    assert lines_of(path) == []
    path.write_bytes(PACKERS[packer](archive(("list.txt", b""))))
    assert lines_of(path) == []


def test_parts_that_were_packed_one_by_one_and_joined(path: Path):
    for packer in ("gzip", "bzip2", "xz", "zstd"):
        path.write_bytes(PACKERS[packer](TEXT) + PACKERS[packer](TEXT))
        assert lines_of(path) == list(range(1, 601))


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_archives_of_each_kind_with_long_names(path: Path, format: int):
    path.write_bytes(archive((f"{'d' * 90}/{'e' * 90}.txt", TEXT), format=format))
    assert lines_of(path) == list(range(1, 301))


def test_members_are_read_in_order_and_lines_run_on(path: Path):
    path.write_bytes(
        archive(
            ("./._b.txt", b"mac"), (".hidden", b"no"), ("__MACOSX/x", b"no"), (".git/config", b"no"),
            ("./b.txt", b"http://h/b1\n\nhttp://h/b2"), ("empty", b""), ("a/a.txt", b"\xef\xbb\xbfhttp://h/a1\r\n"),
        )
    )  # fmt: skip
    entries = list(open_list(path, ListOptions()))
    assert [(e.line, e.request.url[-2:]) for e in entries] == [(1, "b1"), (3, "b2"), (4, "a1")]


def test_links_and_directories_in_an_archive_are_no_lists(path: Path):
    with tarfile.open(path, "w") as tar:
        for name, kind in (("dir", tarfile.DIRTYPE), ("link", tarfile.SYMTYPE), ("pipe", tarfile.FIFOTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    assert read_until_error(path) == ([], f"{path}: the archive holds no list: no file in it that is not hidden")


@pytest.mark.slow  # packs a list of several blocks
@pytest.mark.parametrize("tarred", [False, True])
@pytest.mark.parametrize("packer", ["gzip", "bzip2", "xz", "zstd"])
def test_a_packed_list_that_was_cut_gives_what_came_before(path: Path, packer: str, tarred: bool):
    text = b"".join(b"n01_%d http://h/%x.jpg\n" % (n, n * 0x9E3779B1 % 2**40) for n in range(60_000))
    packed = PACKERS[packer](archive(("list.txt", text)) if tarred else text)
    path.write_bytes(packed[: len(packed) * 2 // 3])
    entries, message = read_until_error(path)
    assert [entry.line for entry in entries] == list(range(1, len(entries) + 1))
    assert all(entry.error is None for entry in entries), "no half line passes for a whole one"
    assert len(entries) > 10_000
    assert message.startswith(f"{path}, line {len(entries) + 1}: ") and "fetch it again" in message


def test_the_checksum_at_the_end_counts_also_behind_an_archive(path: Path):
    for content in (TEXT, archive(("list.txt", TEXT))):
        packed = bytearray(gzip.compress(content))
        packed[-8] ^= 1
        path.write_bytes(packed)
        entries, message = read_until_error(path)
        assert len(entries) == 300 and "CRC" in message


def test_an_archive_that_is_cut_or_damaged_between_members_is_not_taken_for_its_end(path: Path):
    whole = archive(("a.txt", TEXT), ("b.txt", TEXT), format=tarfile.USTAR_FORMAT)
    second = whole.index(b"b.txt\0")
    for damaged in (whole[:second], whole[: second + 100], whole[:second] + b"?" + whole[second + 1 :]):
        path.write_bytes(damaged)
        entries, message = read_until_error(path)
        assert len(entries) == 300
        assert message.startswith(f"{path}, line 301: the archive is damaged or cut short at byte {second}")
    path.write_bytes(whole[: second + 512 + 1000])
    entries, message = read_until_error(path)
    assert 300 <= len(entries) < 400 and "line" in message


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"PK\x03\x04\x14\x00", "zip"),
        (b"7z\xbc\xaf\x27\x1c\x00", "7z"),
        ("k http://h/a\r\n".encode("utf-16"), "UTF-16"),
        (b"\xfe\xff" + "http://h/a\n".encode("utf-16-be"), "UTF-16"),
    ],
)
def test_what_is_recognised_and_not_read_is_named(path: Path, content: bytes, what: str):
    path.write_bytes(content)
    entries, message = read_until_error(path)
    assert entries == [] and message.startswith(f"{path}: it is ") and what in message and " first" in message
    path.write_bytes(gzip.compress(content))
    assert what in read_until_error(path)[1]


def test_missing_files_and_directories_say_what_to_do(tmp_path: Path):
    with pytest.raises(ListError, match=r"none: no such file; check the path$"):
        list(open_list(tmp_path / "none", ListOptions()))
    with pytest.raises(ListError, match="a directory; name the list file"):
        list(open_list(tmp_path, ListOptions()))
    with pytest.raises(ListError, match=r"give URLs as a list: \[url\]"):
        list(open_list("http://h/a.jpg", ListOptions()))
    with pytest.raises(ListError, match="it cannot be opened"):
        list(open_list("a\0b", ListOptions()))
    with pytest.raises(ListError, match="it cannot be opened"):
        list(open_list("x" * 5000, ListOptions()))


def test_a_file_without_permission(path: Path, monkeypatch: pytest.MonkeyPatch):
    path.write_bytes(TEXT)
    path.chmod(0)
    if os.access(path, os.R_OK):  # as root, whom permissions do not stop

        def refuse(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(io, "FileIO", refuse)
    with pytest.raises(ListError, match="no permission to read it"):
        list(open_list(path, ListOptions()))


def test_a_path_object_called_dash_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("-").write_bytes(TEXT)
    assert len(lines_of(Path("-"))) == 300


def test_leaving_early_closes_the_file(path: Path):
    path.write_bytes(TEXT)
    before = sum(1 for _ in Path("/proc/self/fd").iterdir()) if Path("/proc/self/fd").exists() else 0
    entries = open_list(path, ListOptions())
    next(entries)
    entries.close()  # type: ignore[attr-defined]
    assert not before or sum(1 for _ in Path("/proc/self/fd").iterdir()) == before


def test_a_pipe_is_read_as_it_comes(tmp_path: Path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    go_on = threading.Event()

    def write() -> None:
        with fifo.open("wb", buffering=0) as pipe:
            for part in (b"htt", b"p://h/1\nhttp://h/2\nhtt"):
                pipe.write(part)
            go_on.wait(30)
            pipe.write(b"p://h/3\n")

    writer = threading.Thread(target=write)
    writer.start()
    entries = open_list(fifo, ListOptions())
    assert [next(entries).line, next(entries).line] == [1, 2], "lines do not wait for those behind them"
    go_on.set()
    assert [entry.request.url for entry in entries] == ["http://h/3"]
    writer.join()


READ_STDIN = """
from asynccrawl.sources import open_list
from asynccrawl.settings import ListOptions
print(sum(entry.error is None for entry in open_list("-", ListOptions())))
"""


@pytest.mark.slow  # starts processes
@pytest.mark.parametrize("packer", ["plain", "gzip"])
def test_standard_input(packer: str):
    for content in (TEXT, archive(("list.txt", TEXT))):
        done = subprocess.run(
            [sys.executable, "-c", READ_STDIN], input=PACKERS[packer](content), capture_output=True, check=True
        )
        assert (done.stdout, done.stderr) == (b"300\n", b"")


def test_a_stand_in_for_standard_input(monkeypatch: pytest.MonkeyPatch):
    stand_in = io.TextIOWrapper(io.BytesIO(TEXT))
    monkeypatch.setattr(sys, "stdin", stand_in)
    assert len(list(open_list("-", ListOptions()))) == 300
    assert not stand_in.buffer.closed, "it is not ours to close"
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(ListError, match="standard input: it cannot be opened"):
        list(open_list("-", ListOptions()))


_headers = st.sampled_from(
    [b"", b"\x1f\x8b\x08", b"BZh91AY&SY", b"\xfd7zXZ\x00", TEXT, gzip.compress(TEXT), lzma.compress(TEXT),
     bz2.compress(TEXT), archive(("a", TEXT)), gzip.compress(archive(("a", TEXT)))]
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(_headers, st.integers(0, 4000), st.binary(max_size=200), st.booleans())
@example(b"", 0, b"\0" * 1024, True)
def test_any_file_gives_entries_or_a_list_error(path: Path, head: bytes, at: int, noise: bytes, insert: bool):
    path.write_bytes(head[:at] + noise + (head[at:] if insert else head[at + len(noise) :]))
    lines = [0]
    try:
        for entry in open_list(path, ListOptions()):
            lines.append(entry.line)
    except ListError as error:
        assert str(path) in str(error)
    assert lines == sorted(set(lines))
