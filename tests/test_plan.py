"""What a crawl of a list would be: exact counts on small lists, the same as by a naive count, and as a command."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from math import ceil
from pathlib import Path
from statistics import median_high
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import asynccrawl
from asynccrawl import HostLimits, ImagePolicy, Limits, ListError, ListOptions, Plan, Request, Settings, SettingsError
from asynccrawl.admission import Admission
from asynccrawl.models import Failure, Reason
from asynccrawl.planning import disk
from asynccrawl.planning.seen import Seen
from asynccrawl.sources import Entry


def with_list(**options: Any) -> Settings:
    return Settings(list=ListOptions(**options))


async def test_with_dedup_a_url_is_fetched_once():
    urls = [
        "n01_1 http://a/1.jpg",
        "n02_1 HTTP://a:80/1.jpg#x",
        "http://a/1.jpg",
        "n01_1 http://a/1.jpg",
        "http://a/2.jpg",
    ]
    off, on = [
        await asynccrawl.plan(urls, settings=Settings(image=ImagePolicy(dedup=mode))) for mode in ("off", "content")
    ]
    assert (off.fetches, off.left_out[Reason.DUPLICATE].records) == (4, 1)
    assert (on.fetches, on.left_out[Reason.DUPLICATE].records, on.left_out[Reason.DUPLICATE].line) == (2, 3, 2)
    assert "Records that another's fetch serves: 3 (--dedup content)." in str(on)
    assert on.as_dict()["dedup"] == "content"


async def test_the_counts_of_a_small_list():
    plan = await asynccrawl.plan(
        [
            "n01_1 http://a/1.jpg",
            "n01_1 http://a/1.jpg",  # a duplicate
            "n01_1 http://a/2.jpg",  # the key again
            "n01_2 https://a/1.jpg",
            "n02_1 http://a/1.jpg",  # the URL again
            "https://b/1.jpg",
            "https://b/1.jpg",
            "no url",
            "n03_1 ftp://a/1.jpg",
            "n03_2 http://h:0x50/",
            "... http://a/3.jpg",
        ]
    )
    assert (plan.records, plan.fetches, plan.passed_over) == (11, 6, 0)
    assert {reason.value: left.records for reason, left in plan.left_out.items()} == {
        "bad_line": 1, "bad_name": 1, "bad_url": 1, "blocked_scheme": 1, "duplicate": 1,
    }  # fmt: skip
    duplicate = plan.left_out[Reason.DUPLICATE]
    assert (duplicate.line, duplicate.text) == (2, "n01_1 http://a/1.jpg")
    assert (plan.left_out[Reason.BAD_LINE].line, plan.left_out[Reason.BAD_LINE].text) == (8, "no url")
    assert "ftp" in plan.left_out[Reason.BLOCKED_SCHEME].detail
    assert (plan.repeated_urls, plan.repeated_keys) == (3, 1)
    assert (plan.hosts, plan.top_hosts, plan.lone_hosts, plan.https) == (2, {"a": 4, "b": 2}, 0, 3)
    assert (plan.labels, plan.unlabelled) == (2, 2)
    assert plan.label_counts is not None
    assert (plan.label_counts.least, plan.label_counts.most) == (("n02", 1), ("n01", 3))
    assert (plan.disk.files, plan.disk.directories, plan.disk.bytes) == (6, 3, 660_000)


async def test_a_quota_and_wanted_labels():
    lines = [f"n0{n % 3}_{n} http://h{n % 2}/{n}" for n in range(30)] + [f"http://x/{n}" for n in range(5)]
    plan = await asynccrawl.plan(lines, settings=with_list(per_label=4, only_labels=["n00", "n01"]))
    assert plan.left_out[Reason.LABEL_NOT_WANTED].records == 15
    assert plan.left_out[Reason.LABEL_FULL].records == 12
    assert plan.left_out[Reason.LABEL_FULL].text == "n00_12 http://h0/12"
    assert (plan.fetches, plan.distinct, plan.labels) == (8, 20, 2)
    assert sum(plan.top_hosts.values()) == 20
    assert "--per-label 4 leaves 8 of 20 records to fetch" in str(plan)
    short = await asynccrawl.plan(lines, settings=with_list(per_label=11))
    assert short.label_counts is not None and short.label_counts.below == 3
    assert short.unlabelled == 5 and short.disk.directories == 4


async def test_what_stands_before_the_offset_counts_nowhere_else():
    plan = await asynccrawl.plan(["http://a/1", "junk", "http://a/1", "http://b/1"], settings=with_list(offset=2))
    assert (plan.records, plan.passed_over, plan.fetches, plan.repeated_urls) == (2, 2, 2, 0)
    assert "2 records before --offset left aside" in str(plan)


@pytest.mark.parametrize(
    ("hosts", "seconds", "host", "rule", "setting"),
    [
        (HostLimits(per_host=2), 2.5, "a", "2 at once", "--per-host"),
        (HostLimits(rate=2.0), 9.5, "a", "0.5 s apart", "--rate"),
        (HostLimits(rate=2.0, gap=3.0), 57.0, "a", "3 s apart", "hosts.gap"),
        (HostLimits(overrides={"b": HostLimits(gap=9.0)}), 36.0, "b", "9 s apart", "hosts.overrides"),
        (HostLimits(per_host=1, host_key=lambda host: "all"), 6.25, "all", "1 at once", "--per-host"),
    ],
)
async def test_the_host_that_sets_the_pace(hosts: HostLimits, seconds: float, host: str, rule: str, setting: str):
    lines = [f"http://a/{n}" for n in range(20)] + [f"http://b/{n}" for n in range(5)]
    plan = await asynccrawl.plan(lines, settings=Settings(hosts=hosts))
    slowest = plan.bounds[0]
    assert plan.least_seconds == slowest.seconds == seconds
    assert (slowest.host, slowest.rule, slowest.setting) == (host, rule, setting)
    assert f"{host}: {slowest.requests} requests, {rule} ({setting})" in str(plan)


async def test_what_holds_for_all_hosts_together_sets_the_pace_too():
    lines = [f"http://h{n}/" for n in range(21)]
    plan = await asynccrawl.plan(lines, concurrency=10, settings=Settings(limits=Limits(sleep=1.0, limit_rate=1000)))
    network, slots, host = plan.bounds
    assert (network.seconds, network.setting, network.host) == (21 * 110.0, "--limit-rate", None)
    assert (slots.seconds, slots.setting) == (3 * 0.25 + 2 * 1.0, "--jobs, --sleep")
    assert (host.seconds, host.requests) == (0.25, 1)


async def test_too_little_room_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def said(blocks: int, inodes: int, all_inodes: int = 9) -> SimpleNamespace:
        return SimpleNamespace(f_bavail=blocks, f_frsize=1000, f_favail=inodes, f_files=all_inodes)

    found = {"now": said(10**9, 10**9)}
    monkeypatch.setattr(disk.os, "statvfs", lambda path: found["now"])
    lines = [f"n01_{n} http://h/{n}" for n in range(10)]
    plan = await asynccrawl.plan(lines, tmp_path / "not" / "yet")
    assert plan.disk.path == str(tmp_path) and plan.disk.free_bytes == 10**12
    assert "WARNING" not in str(plan) and "1,000,000,000 files" in str(plan)
    found["now"] = said(1_500, 11)
    assert "may be too little" in str(await asynccrawl.plan(lines)) and "WARNING" not in str(plan)
    found["now"] = said(1_099, 10)
    text = str(await asynccrawl.plan(lines))
    assert "WARNING: that is too little" in text and "too few inodes" in text
    found["now"] = said(10**9, 0, all_inodes=0)
    assert (await asynccrawl.plan(lines)).disk.free_inodes is None, "such a file system has no bound"


async def test_where_room_cannot_be_looked_at_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch):
    def refuse(path: object) -> None:
        raise PermissionError(13, "no")

    monkeypatch.setattr(disk.os, "statvfs", refuse)
    assert "is not known" in str(await asynccrawl.plan(["http://h/"]))


async def test_errors_are_those_of_a_crawl(tmp_path: Path):
    with pytest.raises(ListError, match="no such file"):
        await asynccrawl.plan(tmp_path / "none")
    with pytest.raises(SettingsError, match="host_key"):
        await asynccrawl.plan(["http://h/"], settings=Settings(hosts=HostLimits(host_key=lambda host: "")))
    with pytest.raises(SettingsError, match="only_labels"):
        await asynccrawl.plan(["http://h/"], settings=with_list(only_labels=[]))


async def test_every_kind_of_list(tmp_path: Path):
    async def items() -> AsyncIterator[Request]:
        for n in range(3):
            yield Request(f"http://h/{n}", f"k{n}", "red fox")

    plan = await asynccrawl.plan(items())
    assert (plan.fetches, plan.labels) == (3, 1)
    assert "1 label: red_fox_" in str(plan) and "with 3 records." in str(plan)
    (tmp_path / "l.csv").write_text('link,class\nhttp://h/1,"a, b"\nhttp://h/2,c\n')
    plan = await asynccrawl.plan(
        tmp_path / "l.csv", settings=with_list(format="csv", url_col="link", label_col="class")
    )
    assert (plan.fetches, plan.labels, plan.records) == (2, 2, 2)


async def test_an_empty_list_is_a_sentence():
    plan = await asynccrawl.plan([])
    assert str(plan) == "0 records, 0 to fetch. Nothing was fetched now."
    assert json.loads(json.dumps(plan.as_dict()))["bounds"] == []


async def test_nothing_of_a_hostile_list_reaches_the_terminal(tmp_path: Path):
    path = tmp_path / "list"
    path.write_bytes(
        os.urandom(5_000) + b"\nA" + b"x" * 300_000 + b"\nhttp://h/\x1b[2J\x07.jpg\n\x1b]0;own\x07_1 http://h/a.jpg\n"
        + "k\u202e http://h/\u202eabc\u0085.jpg\n../_1 http://h/p.jpg\n_\u0430 file:///\x9b\n".encode()
    )  # fmt: skip
    plan = await asynccrawl.plan(path)
    for text in (str(plan), json.dumps(plan.as_dict(), ensure_ascii=False)):
        assert all(c.isprintable() or c == "\n" for c in text)
    items = [Request("ftp://\x1b[2J/", "\x07k_1", "\x00l"), Request("http://h/\x1b", "\x1b[1m_2")]
    assert "\x1b" not in str(await asynccrawl.plan(items)) + str(await asynccrawl.plan(items[1:]))


async def test_no_password_of_a_list_reaches_the_terminal():
    made = await asynccrawl.plan(
        ["a_1 http://joe:secret@example.com:99999/a.jpg", "ftp://joe:secret@example.com/b.jpg"]
    )
    assert "secret" not in str(made) and "secret" not in json.dumps(made.as_dict())


def test_what_was_seen_is_never_new_again():
    seen, values = Seen(), [f"u{n}" for n in range(40_000)]
    assert all(seen.add(value) for value in values)
    assert not any(seen.add(value) for value in values)
    assert len(seen) == 40_000
    assert seen.add(0) and not seen.add(0), "a hash of 0 is one like others"


KEYS = st.sampled_from([None, "", "a_1", "a_2", "b_1", "A_1", "plain", "...", "\u00e4_1"])
URLS = st.sampled_from(
    [
        "http://h/1",
        "HTTP://H/1",
        " https://h/2",
        "https://g/1",
        "http://x.y/",
        "ftp://h/1",
        "http:///",
        "u",
        "http://g/2",
    ]
)
REQUESTS = st.lists(st.builds(Request, URLS, KEYS, st.sampled_from([None, None, "l 1", "b"])), max_size=60)


def naive(requests: list[Request], settings: Settings) -> dict[str, Any]:
    """The same figures, by the most obvious way to each."""
    admission = Admission(settings.list)
    part = admission.batch([Entry(n, request) for n, request in enumerate(requests, 1)])
    reasons = Counter(item.reason.value for item in part.records if isinstance(item, Failure))
    good = [item for item in part.records if not isinstance(item, Failure)]
    pairs = [(record.request.key, record.request.url) for record in good]
    fresh = [record for n, record in enumerate(good) if not pairs[n][0] or pairs[n] not in pairs[:n]]
    labels = Counter(record.label for record in fresh)
    unlabelled = labels.pop(None, 0)
    seen: Counter[str | None] = Counter()
    fetched = []
    for record in fresh:
        seen[record.label] += 1
        if record.label is None or not settings.list.per_label or seen[record.label] <= settings.list.per_label:
            fetched.append(record)
    reasons.update({"duplicate": len(good) - len(fresh), "label_full": len(fresh) - len(fetched)})
    spacing, per_host = settings.hosts.spacing, settings.hosts.per_host
    by_host = Counter(settings.hosts.key_of(record.host) for record in fetched)
    hosts = Counter(settings.hosts.key_of(record.host) for record in fresh)
    keyed = {pair for pair in pairs if pair[0]}
    return {
        "records": len(part.records),
        "passed_over": len(part.before),
        "fetches": len(fetched),
        "left_out": {reason: n for reason, n in reasons.items() if n},
        "repeated_urls": len(pairs) - len({url for _, url in pairs}),
        "repeated_keys": len(keyed) - len({key for key, _ in keyed}),
        "hosts": hosts,
        "lone_hosts": sum(n == 1 for n in hosts.values()),
        "https": sum("https" in record.request.url for record in fresh),
        "labels": len(labels),
        "spread": (min(labels.values()), median_high(labels.values()), max(labels.values())) if labels else None,
        "unlabelled": unlabelled,
        "seconds": max(
            [0.0, ceil(len(fetched) / settings.concurrency) * 0.25]
            + [max((n - 1) * spacing, ceil(n / per_host) * 0.25) for n in by_host.values()]
        ),
        "directories": len(labels) + bool([record for record in fetched if record.label is None]),
    }


def in_the_same_words(plan: Plan) -> dict[str, Any]:
    spread = plan.label_counts
    return {
        **{name: getattr(plan, name) for name in naive([], Settings()) if hasattr(plan, name)},
        "left_out": {reason.value: left.records for reason, left in plan.left_out.items()},
        "hosts": plan.top_hosts,
        "spread": (spread.least[1], spread.median[1], spread.most[1]) if spread else None,
        "seconds": plan.least_seconds,
        "directories": plan.disk.directories,
    }


@given(
    requests=REQUESTS,
    offset=st.integers(0, 5),
    per_label=st.sampled_from([None, 1, 3]),
    wanted=st.sampled_from([None, frozenset({"a", "b"})]),
    hosts=st.builds(
        HostLimits,
        per_host=st.integers(1, 9),
        rate=st.sampled_from([None, 4.0]),
        host_key=st.sampled_from([None, lambda host: host[-1]]),
    ),
    concurrency=st.integers(1, 20),
)
@hypothesis_settings(deadline=None)
def test_a_plan_is_what_a_naive_count_finds(
    requests: list[Request],
    offset: int,
    per_label: int | None,
    wanted: frozenset[str] | None,
    hosts: HostLimits,
    concurrency: int,
):
    options = ListOptions(offset=offset, per_label=per_label, only_labels=wanted)
    settings = Settings(list=options, hosts=hosts, concurrency=concurrency)
    plan = asyncio.run(asynccrawl.plan(requests, settings=settings))
    assert in_the_same_words(plan) == naive(requests, settings)
    assert plan.records == plan.fetches + sum(left.records for left in plan.left_out.values())
    assert str(plan) and json.dumps(plan.as_dict())


def ran(*words: str, stdin: str | None = None, cwd: Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-W", "error", "-m", "asynccrawl", "plan", *words]
    return subprocess.run(line, input=stdin, cwd=cwd, capture_output=True, text=True, check=False, timeout=150)


@pytest.mark.slow  # six processes
def test_the_command(tmp_path: Path):
    lines = "".join(f"n0{n % 2}_{n} http://127.0.0.1:9/{n}\n" for n in range(40)) + "n02_1 gopher://h/1\n"
    (tmp_path / "list").write_text(lines)
    told = ran("list", cwd=tmp_path)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("41 records, 40 to fetch from 1 host.") and "gopher" in told.stdout
    assert f"Free in {tmp_path}" in told.stdout
    words = "--rate 2 --jobs 5 --per-host 3 --per-label 10 --offset 2 --only-labels wanted --format imagenet --json"
    (tmp_path / "wanted").write_text("n00\n")
    told = ran("-", "elsewhere", *words.split(), stdin=lines, cwd=tmp_path)
    plan = json.loads(told.stdout)
    assert (told.returncode, plan["passed_over"], plan["records"], plan["fetches"]) == (0, 2, 39, 10)
    assert plan["least_seconds"] == 4.5 and plan["bounds"][0]["setting"] == "--rate"
    assert plan["left_out"]["label_not_wanted"]["records"] == 20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["list", "wanted"], "a plan leaves nothing behind"
    crawls = (
        "--retry 2 --timeout 9 --allow-net 127.0.0.0/8 --robots --convert png --processes 0 -v --msg 5 --fail-under 90"
    )
    told = ran("list", *crawls.split(), cwd=tmp_path)
    assert (told.returncode, told.stderr) == (0, "") and told.stdout.startswith("41 records"), (
        "flags of crawl are taken"
    )
    for arguments, said in [(("none",), "no such file"), (("list", "--jobs", "0"), "concurrency is 0")]:
        refused = ran(*arguments, cwd=tmp_path)
        assert refused.returncode == 2 and said in refused.stderr and "Traceback" not in refused.stderr
    assert ran("list", "", cwd=tmp_path).returncode == 2


@pytest.mark.slow  # a list that takes longer than the second after which a line is due
def test_a_list_that_takes_long_shows_how_far_it_was_read(tmp_path: Path):
    line = [sys.executable, "-W", "error", "-m", "asynccrawl", "plan", "-"]
    with subprocess.Popen(
        line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        assert process.stdin and process.stderr and process.stdout
        process.stdin.write("http://h/1\nhttp://h/2\n")
        process.stdin.flush()
        told = process.stderr.readline()
        while "2 records read" not in told:
            assert told == "0 records read\n"
            told = process.stderr.readline()
        process.stdin.close()
        assert process.stdout.read().startswith("2 records, 2 to fetch from 1 host.")
    assert process.returncode == 0
