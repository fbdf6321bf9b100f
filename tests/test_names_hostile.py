"""Names that mean harm, and links planted where we write: nothing outside DEST is touched, nothing is overwritten."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import asynccrawl as ac
from asynccrawl.testing import Answer, ImageServer, PictureSet

from .conftest import LOOPBACK
from .test_cli import OPEN, command, manifest_of
from .test_kills import tree

LONG = "x" * 300
NFC, NFD = "caf\u00e9_1", "cafe\u0301_1"
EVIL = [
    "..", ".", "../..", "../../etc/passwd", "/etc/passwd", "/", "//", "\\", "..\\..\\x", "C:\\x", "~", "~root/x",
    "$HOME", "a/../../b", "a/./b", "./a", "a/", "/a", "..a", "a..", "...", ". .", " ..", ".. ", "a\0b", "\0",
    "..\0", "a\nb", "\n", "a\rb", "a\tb", "\x1b[2J", "\x7f", "\x01\x02", "\u202egpj.exe", "\u200b", "\ufeff",
    "\ud800", "a\udfffb", "\U0001f4a9", ".asynccrawl.tmp", ".asynccrawl.sqlite3", ".asynccrawl.sqlite3-wal",
    ".ASYNCCRAWL.TMP", "asynccrawl.tmp", ".hidden", "CON", "con", "NUL", "AUX.jpg", "COM1", "LPT1.txt", "PRN", "a.",
    "a..", "a ", " a", "a. .", "a.jpg", "a.jpg.jpg", "a.png", ".jpg", "jpg", LONG, LONG + "1", "\u00e9" * 200,
    "\U0001f4a9" * 100, NFC, NFD, "Case_1", "case_1", "CASE_1", "cASE_1", "stra\u00dfe", "STRASSE", "\u0130",
    "i\u0307", "\u2025", "\uff0e\uff0e", "\uff0f", "%2e%2e%2f", "..%2f..", "&amp;", "a;rm -rf ~", "`id`", "$(id)",
    "|id", "a'b", 'a"b', "*", "?", "[a]", "{a,b}", "#", "-rf", "--help", "@x", "a:b", "a=b", "\\\\server\\share",
    "file:///etc/passwd", "http://x/", "con.jpg", "000000001", "00000", "_", "__", "a_", "_a",
]  # fmt: skip


def listing(path: Path, urls: list[str]) -> Path:
    """A list of every evil string as a key and as a label, and of harmless records that links wait for."""
    rows: list[dict[str, Any]] = [{"key": text} for text in EVIL]
    rows += [{"key": f"k_{n}", "label": text} for n, text in enumerate(EVIL)]
    rows += [{"key": f"planted_{n}"} for n in range(3)] + [{"key": "linked_0"}, {"key": "linked_1"}]
    lines = [json.dumps({**row, "url": url}) for row, url in zip(rows, urls, strict=False)]
    path.write_text("\n".join(lines) + "\n")
    return path


def snapshot(root: Path) -> dict[str, Any]:
    """All that is below `root`: kinds, contents, targets, modes and times."""
    found = {}
    for path in sorted(root.rglob("*")):
        stat = path.lstat()
        content = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(path.relative_to(root))] = (stat.st_mode, stat.st_mtime_ns, stat.st_nlink, content)
    return found


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A canary: a tree beside DEST, into which links of DEST lead."""
    canary = tmp_path / "outside"
    (canary / "deep").mkdir(parents=True)
    for name in ("file.jpg", "deep/planted_1.jpg", "empty", "passwd"):
        (canary / name).write_bytes(b"" if name == "empty" else b"canary")
    return canary


@pytest.fixture
def urls(server: ImageServer) -> list[str]:
    pictures = PictureSet(400)
    server.route(lambda request: Answer(pictures.data(pictures.number(request.path) or 0)))
    return [server.url(pictures.path(n), n % 20) for n in range(400)]


@pytest.mark.slow  # four processes, and hundreds of pictures
@pytest.mark.may_block
async def test_hostile_names_stay_in_their_destination(urls: list[str], outside: Path, tmp_path: Path):
    dest = tmp_path / "room/dataset"
    (dest / "planted").mkdir(parents=True)
    (dest / "linked").symlink_to(outside / "deep")
    (dest / "planted/planted_0.jpg").symlink_to(outside / "file.jpg")
    (dest / "planted/planted_1.jpg").symlink_to(outside / "nothing-yet")
    (dest / "planted/planted_2.jpg").mkdir()
    (dest / "mine").write_bytes(b"the user's")
    before, listed = snapshot(outside), listing(tmp_path / "list.jsonl", urls)
    records = len(listed.read_text().splitlines())
    assert records >= 200
    code, _, err = await command("crawl", listed, dest, *OPEN)
    assert code == 0, err
    rows = await manifest_of(dest)
    assert [row["ordinal"] for row in rows] == list(range(records)), "each has exactly one outcome"
    assert {row["status"] for row in rows} <= {"saved", "failed", "skipped"}
    bad = {row["reason"] for row in rows} - {None, "bad_name", "name_conflict", "duplicate", "bad_line"}
    assert not bad
    paths = [row["path"] for row in rows if row["path"]]
    assert len({path.casefold() for path in paths}) == len(paths) > 150, "unique, case folded"
    for path in paths:
        label, name = path.split("/")
        assert label.isascii() and name.isascii() and len(name.encode()) <= 255 and len(label.encode()) <= 255
        assert not label.startswith(".") and not name.startswith(".") and "\\" not in path
    assert {row["name"]: row["reason"] for row in rows[-5:]} == dict.fromkeys(
        ("planted_0", "planted_1", "planted_2", "linked_0", "linked_1"), "name_conflict"
    )
    assert set(tree(dest)) - {"planted/planted_0.jpg", "linked/planted_1.jpg"} == {*paths, "mine"}
    assert (await command("verify", dest))[0] == 0
    assert sorted(path.name for path in dest.iterdir() if path.name.startswith(".")) == [".asynccrawl.sqlite3"]
    assert sorted(path.name for path in dest.parent.iterdir()) == ["dataset"]
    assert snapshot(outside) == before and (dest / "mine").read_bytes() == b"the user's"
    again = await command("crawl", listed, dest, *OPEN)
    assert again[0] == 0 and await manifest_of(dest) == rows and snapshot(outside) == before


@pytest.mark.parametrize("name", [
    ".asynccrawl.tmp", ".asynccrawl.sqlite3", ".asynccrawl.sqlite3-wal", ".asynccrawl.sqlite3-shm",
    ".asynccrawl.sqlite3-journal",
])  # fmt: skip
@pytest.mark.parametrize("kind", ["link", "hard link", "fifo", "directory"])
@pytest.mark.may_block
async def test_what_is_planted_where_our_own_files_go_is_not_written_through(
    urls: list[str], outside: Path, tmp_path: Path, name: str, kind: str
):
    dest, listed = tmp_path / "dataset", tmp_path / "list"
    dest.mkdir()
    listed.write_text(f"n01_1 {urls[0]}\n")
    here = dest / name
    if kind == "link":
        here.symlink_to(outside / ("deep" if name.endswith("tmp") else "empty"))
    elif kind == "hard link":
        here.hardlink_to(outside / "empty")
    elif kind == "fifo":
        os.mkfifo(here)
    else:
        here.mkdir()
    before = snapshot(outside)
    code, _, err = await command("crawl", listed, dest, *OPEN)
    if (name, kind) == (".asynccrawl.tmp", "directory"):
        assert code == 0 and not here.exists(), "that is how a killed run leaves it"
        return
    assert code == 3 and len(err.splitlines()) == 1 and str(here) in err and "remove" in err, err
    assert snapshot(outside) == before
    here.rmdir() if kind == "directory" else here.unlink()
    report = await ac.crawl(listed, dest, settings=LOOPBACK)
    assert report.saved == 1 and snapshot(outside)["empty"][3] == b""
