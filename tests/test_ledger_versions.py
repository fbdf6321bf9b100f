"""The ledger as data: its page is true, and the files of every version that there was are read and brought up to date.

`tests/ledgers` holds, for each version, a ledger that the program of that time has written, of one and the same list.
Who makes a new version adds one of the version before: any crawl's, compressed with gzip.
"""

from __future__ import annotations

import gzip
import re
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

import asynccrawl as ac
from asynccrawl.ledger import FILE_NAME, manifest, reading, row_of
from asynccrawl.ledger.schema import VERSION

from .test_cli import command, manifest_of
from .test_ledger import shape

LEDGERS = Path(__file__).parent / "ledgers"
PAGE = Path(__file__).parent.parent / "docs/ledger.md"
FATES = ["saved", "saved", "saved", "http_404", "http_5xx", "saved", "duplicate", "blocked_address", "bad_line"]


def unpack(version: int, dest: Path) -> Path:
    """A destination that holds that version's ledger."""
    dest.mkdir(exist_ok=True)
    path = dest / FILE_NAME
    path.write_bytes(gzip.decompress((LEDGERS / f"v{version}.sqlite3.gz").read_bytes()))
    return path


@pytest.fixture
async def fresh(tmp_path: Path) -> Path:
    """A ledger that was made just now."""
    await ac.crawl(["no URL"], tmp_path / "fresh")
    return tmp_path / "fresh" / FILE_NAME


def test_there_is_a_file_of_every_version():
    assert {int(path.name[1:].split(".")[0]) for path in LEDGERS.iterdir()} >= set(range(1, VERSION))


@pytest.mark.may_block
@pytest.mark.parametrize("version", range(1, VERSION))
async def test_the_data_set_of_every_version_is_exported(version: int, tmp_path: Path):
    dest = tmp_path / "old"
    with reading(unpack(version, dest)) as connection:
        saved = [outcome for outcome in manifest(connection) if outcome.path]
    for outcome in saved:
        file = dest / str(outcome.path)
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"a picture")
    sink = ac.MemorySink()
    report = await ac.export(dest, sink)
    assert report.images == len(saved) == 4
    assert {sample.request.url for sample in sink.samples.values()} == {outcome.url for outcome in saved}


@pytest.mark.may_block
@pytest.mark.parametrize("version", range(1, VERSION))
async def test_every_version_is_read_and_brought_up_to_date(version: int, fresh: Path, tmp_path: Path):
    dest = tmp_path / "old"
    path = unpack(version, dest)
    before = path.read_bytes()
    with reading(path) as connection:
        rows = [row_of(outcome) for outcome in manifest(connection)]
    assert [row["reason"] or row["status"] for row in rows] == FATES
    assert path.read_bytes() == before, "who reads changes nothing"
    urls = [(row["key"], row["url"]) for row in rows[:6]]
    report = await ac.crawl([*urls, urls[0]], dest)  # loopback is closed: the one to be tried again fails for good
    assert (report.saved, report.by_reason) == (
        4, {"blocked_address": 2, "http_404": 1, "duplicate": 1, "bad_line": 1},
    )  # fmt: skip
    assert shape(path) == shape(fresh), "as a new file is"
    with reading(path) as connection:
        again = [row_of(outcome) for outcome in manifest(connection)]
    assert [row for row in again if row["status"] == "saved"] == [row for row in rows if row["status"] == "saved"]


@pytest.mark.slow  # starts three processes
@pytest.mark.may_block
async def test_the_commands_read_the_oldest_version(tmp_path: Path):
    unpack(1, tmp_path)
    assert [row["reason"] or row["status"] for row in await manifest_of(tmp_path)] == FATES
    code, out, _ = await command("report", tmp_path)
    assert code == 0 and out.startswith("4 of 9 records saved")
    code, out, _ = await command("verify", tmp_path)
    assert code == 1 and out.count("is missing") == 4, "its files are not here"


# --- docs/ledger.md


@pytest.mark.may_block
async def test_the_page_names_every_table_and_column(fresh: Path):
    text = PAGE.read_text()
    columns, tables = text.split("## records")[1].split("## The other tables")
    with closing(sqlite3.connect(fresh)) as db:
        there = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")}
        fields = {table: {row[1] for row in db.execute(f"PRAGMA table_info({table})")} for table in there}
        identity = db.execute("PRAGMA application_id").fetchone()[0]
    assert first_cells(columns) == fields["records"]
    assert first_cells(tables) == there - {"records"}
    for line in tables.splitlines():
        if found := re.match(r"\| `(\w+)` \|(.*)\|$", line):
            assert fields[found[1]] - set(re.findall(r"`(\w+)`", found[2])) == set(), found[1]
    assert f"is {identity:#x}" in text and f"the version of the schema: **{VERSION}**" in text
    assert re.findall(r"^\| (\d+) \|", text, re.M) == [str(n) for n in range(1, VERSION + 1)]


def first_cells(text: str) -> set[str]:
    """The names in the first column of a table."""
    return {name for line in text.splitlines() if line.startswith("| `") for name in
            re.findall(r"`(\w+)`", line.split("|")[1])}  # fmt: skip


@pytest.mark.slow  # starts the clients that the page shows
def test_every_command_of_the_page_runs(tmp_path: Path):
    unpack(VERSION - 1, tmp_path / "ilsvrc12")
    commands = re.findall(r"^\$ (.*)$", PAGE.read_text(), re.M)
    assert commands
    for line in commands:
        done = subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0 and "http_404|1" in done.stdout, (line, done.stdout, done.stderr)
