"""The benchmarks run, assert their work and print their rows; what they measure is no test's business."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import asynccrawl
from asynccrawl.testing.audit import Entry
from asynccrawl.testing.http_request import HttpRequest

ROOT = Path(__file__).parent.parent / "benchmarks"


def loaded(name: str) -> ModuleType:
    """One of the scripts as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


faulty = loaded("faulty")


def ran(script: str, *words: object) -> str:
    command = [sys.executable, str(ROOT / script), *map(str, words)]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert shown.returncode == 0, shown.stderr
    return shown.stdout


def test_throughput_prints_a_row_for_everyone(tmp_path: Path):
    where = ("--cache", tmp_path, "--json", tmp_path / "figures.json")
    out = ran("throughput.py", "--records", 8, "--rounds", 1, "--only", "asynccrawl,aria2c,curl", *where)
    assert "8 JPEGs of 500x375" in out
    for name in ("asynccrawl", "asynccrawl --decode none", "aria2c -j100", "curl --parallel", "curl, then decoded"):
        row = next(line for line in out.splitlines() if line.startswith(name.ljust(28)))
        figures = r"\s*\d+ \(\d+ to \d+\)\s+-\s+\d+\s+\d+\s+\d+  \w+"
        assert re.match(figures, row[28:]) or "not installed: apt install" in row
    result = json.loads((tmp_path / "figures.json").read_text())
    assert result["rows"][0]["memory_mb"] > 10, "the memory of our own processes was seen"
    assert {"machine", "versions", "commit", "told"} <= result.keys()


def test_a_missing_peer_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    out = ran("throughput.py", "--records", 3, "--rounds", 1, "--only", "aria2c,asynccrawl --", "--cache", tmp_path)
    assert "not installed: apt install aria2" in out


def refused(*words: object, script: str = "throughput.py") -> str:
    command = [sys.executable, str(ROOT / script), *map(str, words)]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
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
    rows = [line for line in out.splitlines()[1:] if re.search(r"[\d,]+ +[\d,.]+ us  \([\d,]+ to [\d,]+\)$", line)]
    assert len(rows) == 13


@pytest.mark.slow  # pictures are fetched in ten ways
def test_fetch_measures_every_layer(tmp_path: Path):
    out = ran("fetch.py", "--records", 40, "--rounds", 1, "--jobs", 4, "--cache", tmp_path)
    rows = [line for line in out.splitlines() if re.search(r"  +[1-9]\d*  \(\d+ to \d+\)$", line)]
    assert len(rows) == 5 and any("our fetcher, new connections" in row for row in rows)


@pytest.mark.parametrize("part", ["frontier_alone", "engine_alone"])
async def test_parts_do_all_their_work_also_beyond_what_the_frontier_queues(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.syspath_prepend(str(ROOT))
    overhead = loaded("overhead")
    monkeypatch.setattr("asynccrawl.frontier.spill.MAX_QUEUED", 40)
    monkeypatch.setattr(overhead, "MAX_QUEUED", 40)
    assert await getattr(overhead, part)(200, tmp_path) == 200


def test_our_package_is_compiled_before_it_is_measured(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT))
    cached = Path(importlib.util.cache_from_source(asynccrawl.__file__))
    cached.unlink(missing_ok=True)
    importlib.import_module("measuring").compile_ours()
    assert cached.is_file()


@pytest.mark.slow  # whole commands are started
def test_start_measures_every_command(tmp_path: Path):
    out = ran("start.py", "--rounds", 1, "--records", 50, "--json", tmp_path / "figures.json")
    rows = json.loads((tmp_path / "figures.json").read_text())["rows"]
    assert [row["name"] for row in rows] == [
        "python", "import asynccrawl", "asynccrawl --version", "crawl of 1", "crawl of 100", "crawl of 100, finished",
        "50 records",
    ]  # fmt: skip
    assert all(row["name"] in out and 0 < row["least"] <= row["seconds"] for row in rows)


def test_mutation_counts_verdicts():
    out = ran("mutation.py", "--seconds", 2, "--only", "png,gif", "--processes", 1)
    assert re.search(r"^[\d,]+ variants, seed 0, 1 decoder processes, 2 s$", out, re.MULTILINE)
    assert re.search(r"^png  +[1-9]", out, re.MULTILINE) and re.search(r"^gif  +[1-9]", out, re.MULTILINE)
    assert re.search(r"^slowest 0\.\d+ s \((png|gif) .*\); a process at most [1-9]\d* MB", out, re.MULTILINE)
    assert re.search(r"^of [1-9][\d,]* kept, not opened: by Pillow 0, by OpenCV 0$", out, re.MULTILINE)


@pytest.mark.slow  # whole commands are started
def test_scaling_measures_along_the_axes_that_are_named(tmp_path: Path):
    words = ("size", "latency", "--records", 6, "--rounds", 1, "--dest", tmp_path, "--json", tmp_path / "figures.json")
    out = ran("scaling.py", *words)
    assert re.findall(r"^(size|latency) +([\d,]+) +[1-9]\d* \(", out, re.MULTILINE) == [
        *(("size", value) for value in ("5", "50", "500", "5,000")),
        *(("latency", value) for value in ("0", "10", "50", "100", "200")),
    ]
    rows = json.loads((tmp_path / "figures.json").read_text())["rows"]
    assert [row["expected"] for row in rows if row["axis"] == "latency"] == [None, 10_000, 2_000, 1_000, 500]


def test_the_chart_shows_every_row_of_the_tables(tmp_path: Path):
    rows = [
        {"name": name, "checks": checks, "rate": rate, "least": rate - 1, "most": rate + 1}
        for name, checks, rate in (("asynccrawl", "decoded in full", 900), ("curl", "nothing", 4000))
    ]
    told = {"records": 20, "kilobytes": 51, "requests_at_once": 100, "rounds": 1, "file_system": "ext4"}
    result = {"machine": {"cores": 2}, "told": told, "rows": rows}
    (tmp_path / "throughput-disk.json").write_text(json.dumps(result))
    words = f"import chart; from pathlib import Path; print(chart.draw(Path({str(tmp_path)!r})))"
    shown = subprocess.run([sys.executable, "-c", words], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert shown.strip() == str(tmp_path / "throughput.png")
    assert b"asynccrawl" in (tmp_path / "throughput.svg").read_bytes()


def test_every_sink_and_every_export_is_measured():
    out = ran("formats.py", "--quick")
    rows = re.findall(r"^(sink|export) .* +[\d,]+ \([\d,]+ to [\d,]+\)$", out, re.MULTILINE)
    assert rows == ["sink"] * 4 + ["export"] * 7


def test_the_suite_names_what_it_does_not_know():
    command = [sys.executable, "-m", "benchmarks", "nosuch"]
    shown = subprocess.run(command, cwd=ROOT.parent, capture_output=True, text=True, timeout=150, check=False)
    assert shown.returncode == 1
    assert shown.stderr.startswith("nosuch: there is no such scenario")


def test_the_frontier_gives_every_request_out_once_whatever_the_shape():
    out = ran("frontier.py", "--quick")
    assert "5,000 requests, each out exactly once" in out
    assert len(re.findall(r"^\w.*  +[\d,]+ +[\d.]+ +[\d.]+$", out, re.MULTILINE)) == 7


def test_ours_alone_and_the_sorted_list():
    out = ran("kit.py", "--records", 20, "--rounds", 1, "--processes", "0,1")
    assert re.search(r"20 JPEGs .*\nprocesses 0: median \d+ images/s.*\nprocesses 1: median \d+ images/s", out)
    out = ran("sorted_list.py", "--records", 2_000)
    assert re.search(r"^ +2,000 records: another host first after \d.* hops queued; peak \d+ MiB$", out, re.MULTILINE)


@pytest.mark.slow  # some hundred pictures are made, fetched and looked at
def test_near_duplicates_are_counted():
    out = ran("near.py", "--hashes", 2_000)
    found = re.search(r"(\d+) pictures of (\d+) originals looked at in [\d.]+ s", out)
    assert found and int(found[1]) == 9 * int(found[2]) > 100
    default = next(line for line in out.splitlines() if line.endswith(" (default)"))
    shares = [float(share) for share in re.findall(r"([\d.]+)%", default)]
    assert len(shares) == 8 and min(shares) > 70, default
    assert re.search(r"neighbours among 2,000 random hashes: [\d.]+ s, 0 wrong$", out)


@pytest.mark.slow  # the servers ask for whole seconds of patience, which is what is measured
@pytest.mark.parametrize(
    ("script", "rows"),
    [
        ("politeness.py", [r"asynccrawl +[1-4] +0 +0 +[1-9]\d* +[1-9]\d*\.\d+ +40 +[\d.]+$"]),
        (
            "yield_.py",
            [
                r"asynccrawl +30 +30 +1\.\d+ +[\d.]+ +0 +\d+ +none asked$",
                r"asynccrawl, by name +30 +30 +1\.\d+ +[\d.]+ +0 +\d+ +\d+ of [1-9]\d*$",
            ],
        ),
        ("isolation.py", [r"asynccrawl +silent first +\d+ +\d+ +\d+\.\d+ +[1-9]\d*$"]),
    ],
)
def test_ours_meets_faulty_servers(script: str, rows: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    out = ran(script, "--quick", "--only", "asynccrawl,aria2c", "--dest", tmp_path)
    for row in rows:
        assert re.search(f"^{row}", out, re.MULTILINE), out
    assert re.search("^aria2c +not installed: apt install aria2$", out, re.MULTILINE)
    assert f"asynccrawl {asynccrawl.__version__}" in out
    assert list(tmp_path.iterdir()) == [], "it leaves nothing behind"


LACKING = {"power": r"\w", "writes": "it takes Linux and a C compiler"}
"""What a part says where the machine cannot run it."""


@pytest.mark.slow  # processes are started, killed and started again
@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("kills", r"kills: 4 times kill -9 in \d+ crawls of 300 records"),
        ("faults", r"faults: \d+ s, [\d,]+ requests .*\n    memory .*\n    descriptors .*\n    tasks "),
        ("writes", r"writes: 3 faults .*openat 1, write 1, linkat 1.*: 3 ended the crawl with exit 3 and one line"),
        ("memory", r"memory: .*(\n    library.*){3}(\n    command.*){3}"),
        ("again", r"again: 5,000 records, 4,999 files.*(\n    .* first request after .*){3}"),
        ("verify", r"verify: .*\n +30 files .*\n +600 files "),
        ("power", r"power: 2 cuts .* Control .*: [1-9][\d,]* of "),
    ],
)
def test_the_soak_keeps_every_promise(part: str, said: str, tmp_path: Path):
    command = [sys.executable, str(ROOT / "soak.py"), part, "--quick", "--dest", str(tmp_path)]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    if part in LACKING and shown.returncode == 5:
        assert re.match(rf"{part}: not run here: {LACKING[part]}", shown.stderr)
    else:
        assert shown.returncode == 0 and re.match(said, shown.stdout), shown.stdout + shown.stderr
    assert "Traceback" not in shown.stderr
    assert list(tmp_path.iterdir()) == [], "it leaves nothing behind"


def test_a_part_of_the_soak_that_does_not_exist_is_refused():
    assert "there are: kills, faults" in refused("nosuch", script="soak.py")


@pytest.mark.parametrize("script", ["politeness.py", "yield_.py", "isolation.py"])
@pytest.mark.parametrize("words", [("--records", 0), ("--rounds", 0), ("--cap", 0), ("--only", "nosuch")])
def test_scenarios_refuse_what_cannot_be_measured(script: str, words: tuple[object, ...]):
    assert str(words[0]) in refused(*words, script=script)


def test_a_path_that_leads_nowhere_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SCRAPY", str(tmp_path / "nosuch"))
    assert "there is no such program" in refused("--only", "Scrapy", script="politeness.py")


@pytest.mark.parametrize(
    ("came", "early"),
    [((0.0, 0.3, 0.9), 2), ((0.0, 0.01, 1.1), 0), ((0.0, 1.1), 0), ((0.0,), 0)],
)
def test_early_requests_are_counted(came: tuple[float, ...], early: int):
    request = HttpRequest("GET", "/", "h", {})
    entries = [Entry(request, 1, at, at, 429 if number == 0 else 200) for number, at in enumerate(came)]
    assert len(faulty.early(entries, 1.0, faulty.ON_ITS_WAY)) == early


def test_validation_prints_a_row_for_each_way_of_checking():
    out = ran("validation.py", "--cuts", 2, "--photographs", 2)
    rows = {line[:30].strip(): line[30:].split() for line in out.splitlines()[2:-1]}
    assert len(rows) == 8 and float(rows["asynccrawl --turbo on"][0]) == 100
    assert float(rows["magic bytes (the old script)"][0]) == 0 and "scaled decode" in out


@pytest.mark.slow  # three crawls, two of them by several processes
def test_all_placeholders_of_the_replica_are_found_and_no_picture_is_lost():
    out = ran("placeholders.py", "--records", 600, "--labels", 30, "--kills", 1)
    rows = [line for line in out.splitlines() if " found, " in line]
    assert len(rows) == 3 and all("  0 missed,   0 wrong" in line and "files 0 placeholders" in line for line in rows)


def test_honest_duplicates_are_counted_by_set(tmp_path: Path):
    for n in range(80):
        (tmp_path / "set" / "abcde"[n % 5]).mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / "abcde"[n % 5] / f"{n}.png").write_bytes(b"same" if n % 2 else bytes([n]))
    out = ran("honest_duplicates.py", tmp_path / "set", "--planted", 60)
    (own, planted) = (line.split() for line in out.splitlines()[2:])
    assert own == ["set", "80", "1", "1", "0", "1", "1", "0", "1", "1"] and planted[-1] == "0"
