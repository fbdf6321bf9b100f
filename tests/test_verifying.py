"""Verifying: every difference is named, in the order of the rows, however the work is shared out."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from asynccrawl import verifying
from asynccrawl.errors import StorageError
from asynccrawl.ledger import FILE_NAME, Ledger
from asynccrawl.models import Outcome, Record, Request, Sample
from asynccrawl.sinks import Finding, check_file
from asynccrawl.verifying import verify

FILES, PAGE = 260, 110


@pytest.fixture
async def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dataset of small files, with a row each, and more of them than are read from the ledger at once."""
    monkeypatch.setattr(verifying, "PAGE", PAGE)
    records, outcomes = [], []
    for n in range(FILES):
        label, name = f"c{n % 7}", f"c{n % 7}_{n}"
        path, data = f"{label}/{name}.jpg", str(n).encode()
        (tmp_path / label).mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(data)
        request = Request(f"http://h/{n}", name)
        records.append(Record(n, n + 1, name, label, request, "h"))
        sha256 = hashlib.sha256(data).hexdigest()
        sample = Sample(request, n, name, label, "jpeg", data=data, bytes=len(data), sha256=sha256)
        outcomes.append(Outcome.of(sample, path))
    ledger = await Ledger.open(tmp_path / FILE_NAME, {})
    await ledger.enter(records)
    await ledger.settle(outcomes)
    await ledger.aclose()
    return tmp_path


def path_of(n: int) -> str:
    return f"c{n % 7}/c{n % 7}_{n}.jpg"


@pytest.mark.may_block
@pytest.mark.slow  # processes are started
@pytest.mark.parametrize("many", [FILES, FILES + 1])
async def test_what_differs_is_named_in_order_and_everything_is_counted(
    dataset: Path, many: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(verifying, "_MANY", many)  # to do it in processes, and in threads
    monkeypatch.setattr(verifying, "_CORES", 2)
    counted: list[int] = []
    assert list(verify(dataset, counted.append)) == [] and sum(counted) == FILES
    (dataset / path_of(250)).unlink()
    (dataset / path_of(49)).write_bytes(b"98")
    (dataset / path_of(50)).write_bytes(b"501")
    (dataset / path_of(130)).unlink()
    (dataset / path_of(130)).mkdir()
    (dataset / path_of(3)).unlink()
    (dataset / path_of(3)).symlink_to(f"c4_{4}.jpg")
    assert [(found.path, found.finding) for found in verify(dataset)] == [
        (path_of(3), Finding.MISSING),
        (path_of(49), Finding.HASH),
        (path_of(50), Finding.SIZE),
        (path_of(130), Finding.MISSING),
        (path_of(250), Finding.MISSING),
    ]


@pytest.mark.may_block
async def test_whoever_has_seen_enough_may_stop(dataset: Path):
    counted: list[int] = []
    (dataset / path_of(0)).unlink()
    found = verify(dataset, counted.append)
    assert next(found).path == path_of(0)
    found.close()
    assert sum(counted) < FILES
    assert next(verify(dataset)).path == path_of(0)


@pytest.mark.may_block
async def test_a_file_that_cannot_be_read_is_told(dataset: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "read", broken)
    with pytest.raises(StorageError, match=r"c0/c0_0.jpg: cannot be read: Input/output error; see to the disk"):
        list(verify(dataset))


def test_large_files_are_compared_block_by_block(tmp_path: Path):
    data = os.urandom(3 * 2**20 + 1)
    (tmp_path / "f").write_bytes(data)
    assert check_file(tmp_path, "f", None, hashlib.sha256(data).hexdigest()) is Finding.SAME
    assert check_file(tmp_path, "f", len(data), hashlib.sha256(data[:-1]).hexdigest()) is Finding.HASH
    assert check_file(tmp_path, "f", len(data), None) is Finding.SAME
