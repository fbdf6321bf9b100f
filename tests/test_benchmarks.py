"""The benchmarks run, assert their work and print their rows; what they measure is no test's business."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "benchmarks"


def ran(script: str, *words: object) -> str:
    command = [sys.executable, str(ROOT / script), *map(str, words)]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert shown.returncode == 0, shown.stderr
    return shown.stdout


def test_throughput_prints_a_row_for_everyone(tmp_path: Path):
    out = ran("throughput.py", "--records", 20, "--rounds", 1, "--only", "asynccrawl,aria2c,curl", "--cache", tmp_path)
    assert "20 JPEGs of 500x375" in out
    for name in ("asynccrawl", "asynccrawl --decode none", "aria2c -j100", "curl --parallel"):
        row = next(line for line in out.splitlines() if line.startswith(name.ljust(26)))
        assert (
            re.match(r"\s*\d+ \(\d+ to \d+\)\s+[\d.]+\s+[\d.]+  \w+", row[26:]) or "not installed: apt install" in row
        )


def test_a_missing_peer_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    out = ran("throughput.py", "--records", 3, "--rounds", 1, "--only", "aria2c,asynccrawl --", "--cache", tmp_path)
    assert "not installed: apt install aria2" in out


def refused(*words: object) -> str:
    command = [sys.executable, str(ROOT / "throughput.py"), *map(str, words)]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert shown.returncode != 0
    assert "Traceback" not in shown.stderr
    return shown.stderr


def test_without_photographs_it_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "skimage.py").write_text("raise ModuleNotFoundError('No module named skimage', name='skimage')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    assert "asynccrawl[demo]" in refused("--records", 5, "--rounds", 1, "--cache", tmp_path / "cache")


@pytest.mark.parametrize("words", [("--records", 0), ("--rounds", 0), ("--only", "nosuch")])
def test_what_cannot_be_measured_is_refused(words: tuple[object, ...], tmp_path: Path):
    assert str(words[0]) in refused("--cache", tmp_path, *words)


def test_overhead_measures_every_part():
    out = ran("overhead.py", "--scale", 0.002, "--rounds", 1)
    rows = [line for line in out.splitlines()[1:] if re.search(r"[\d,]+  \([\d,]+ to [\d,]+\)$", line)]
    assert len(rows) == 8


def test_the_frontier_gives_every_request_out_once_whatever_the_shape():
    out = ran("frontier.py", "--quick")
    assert "5,000 requests, each out exactly once" in out
    assert len(re.findall(r"^\w.*  +[\d,]+ +[\d.]+ +[\d.]+$", out, re.MULTILINE)) == 7


def test_ours_alone_and_the_sorted_list():
    assert re.search(r"20 JPEGs .* median \d+ images/s", ran("kit.py", "--records", 20, "--rounds", 1))
