"""Every format opens in everything that people train with, and all of them see the same labels in the same order."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from PIL import Image

from asynccrawl.subset import digits_counts

from .loading import READERS, datums, main, make_dataset, make_exports, message, table

SPLIT_TABLE = {
    2: (1, 1), 3: (2, 1), 5: (4, 1), 15: (14, 1), 16: (14, 2), 25: (23, 2), 95: (86, 9), 100: (90, 10),
    218_165: (196_349, 21_816),
}  # fmt: skip
"""What DIGITS makes of so many pictures at 10 %."""


@pytest.mark.slow  # a data set in four formats, opened by ten readers
@pytest.mark.may_block  # readers block
async def test_all_readers_agree_on_labels_order_counts_and_pictures(tmp_path: Path):
    make_dataset(tmp_path / "ilsvrc12")
    reports = await make_exports(tmp_path / "ilsvrc12", tmp_path)
    rows = table(tmp_path, reports)
    assert len(rows) == 2 * len(READERS) == 20
    assert [row for row in rows if not row.agrees] == []
    assert {row.classes for row in rows} == {12}
    for split in (0, 1):
        wanted = sum(digits_counts(3 * n, 10)[split] for n in (7, 4, 3, 17, 7, 13, 123, 5, 11, 5, 14, 2))
        assert {row.images for row in rows[split::2]} == {wanted}
    for _, fields in datums(tmp_path / "lmdb" / "val_db"):
        assert Image.open(io.BytesIO(fields[4])).size == (16, 16)


def test_a_reader_that_disagrees_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    here = sys.modules["tests.loading"]
    rows = [here.Row("lmdb", "one", "val", 12, 3, True), here.Row("lmdb", "other", "val", 11, 3, False)]
    monkeypatch.setattr(here, "make_exports", lambda *_: _nothing())
    monkeypatch.setattr(here, "make_dataset", lambda *_: None)
    monkeypatch.setattr(here, "table", lambda *_: rows)
    assert main() == 1
    assert "DISAGREES" in capsys.readouterr().out.splitlines()[-1]


async def _nothing() -> dict[str, object]:
    return {}


@pytest.mark.parametrize("n", SPLIT_TABLE)
def test_the_split_table_of_digits(n: int):
    train, val = SPLIT_TABLE[n]
    assert digits_counts(n, 10) == (train, val, 0)


def test_the_message_reader_reads_what_the_format_says():
    # 150 is the example of the protocol buffers documentation
    assert message(bytes.fromhex("089601")) == {1: 150}
    assert message(bytes.fromhex("120774657374696e67")) == {2: b"testing"}
