"""The report: counts, advice, and a text that a person can act on."""

from __future__ import annotations

import json

from asynccrawl.models import Reason, Tally
from asynccrawl.report import ADVICE, Report, printable, size_of, span_of

TALLY = Tally(
    by_status={"saved": 90, "failed": 9, "skipped": 1, "pending": 2},
    by_reason={"http_404": 6, "timeout": 3, "duplicate": 1},
    examples={"http_404": "http://a/1.jpg\x1b[2J", "timeout": "http://b/2.jpg", "duplicate": "http://a/3.jpg"},
    retryable={"http_404": 0, "timeout": 3, "duplicate": 0},
    by_host={f"h{i}": (9, 1, 0) for i in range(12)},
    other_hosts=(2, 0, 1),
    hosts=20,
    by_label={"n01": (60, 9, 1), "n02": (30, 0, 0), "n03": (0, 0, 0)},
)


def test_every_reason_has_its_line_of_advice():
    assert set(ADVICE) == set(Reason)
    assert all(line.endswith(".") and len(line) <= 110 for line in ADVICE.values())


def test_the_counts_are_those_of_the_ledger():
    report = Report.of(TALLY, bytes=5, seconds=2.0)
    assert (report.total, report.saved, report.failed, report.skipped, report.pending) == (102, 90, 9, 1, 2)
    assert report.yield_ == 90 / 99
    assert report.by_reason["http_404"] == report.by_reason[Reason.HTTP_404] == 6
    assert report.by_host["h0"].total == 10 and report.by_label["n01"].saved == 60
    assert Report().yield_ is None


def test_the_text_names_causes_examples_and_what_to_do():
    text = str(Report.of(TALLY, bytes=5_000_000, seconds=125.0))
    assert "90 of 102 records saved (yield 90.9%), 9 failed, 1 skipped." in text
    assert "2 still wait" in text and "3 failed for causes that may pass" in text
    assert "5.0 MB of pictures in 2 min 05 s" in text
    assert text.index("http_404") < text.index("timeout") < text.index("duplicate")
    assert "e.g. http://b/2.jpg" in text and ADVICE[Reason.HTTP_404] in text
    assert "(10 others)" in text
    assert "3 labels: 0 (n03) to 60 (n01) images saved, median 30. 1 have none." in text
    assert "\x1b" not in text, "nothing from a list may drive the terminal"


def test_an_empty_report_is_a_sentence():
    assert str(Report()) == "0 of 0 records saved, 0 failed, 0 skipped."


def test_the_json_form_has_everything():
    report = json.loads(json.dumps(Report.of(TALLY).as_dict()))
    assert report["by_reason"]["timeout"] == 3 and report["by_host"]["h0"] == {"saved": 9, "failed": 1, "skipped": 0}
    assert report["yield"] == 90 / 99


def test_numbers_for_people():
    assert [size_of(n) for n in (0, 999, 1000, 12_345_678, 5e12)] == ["0 B", "999 B", "1.0 kB", "12.3 MB", "5.0 TB"]
    assert [span_of(s) for s in (0.04, 59, 61, 7265)] == ["0.0 s", "59.0 s", "1 min 01 s", "2 h 01 min"]
    assert printable("a\nb\x00" + "c" * 50, 10) == "a\ufffdb\ufffdccccc\u2026"
