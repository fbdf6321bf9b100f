"""Placeholders that nobody knew, discovered while real crawls run against a real server."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import asynccrawl as ac
from asynccrawl.ledger import FILE_NAME, Contents, Ledger
from asynccrawl.models import Outcome, Reason, Record, Request, Sample, Status
from asynccrawl.quota import Quota
from asynccrawl.recorder import Recorder
from asynccrawl.screening import Screening
from asynccrawl.settings import ImagePolicy, ListOptions, Settings
from asynccrawl.testing import Answer, ImageServer, picture

from .conftest import LOOPBACK, lenient
from .test_cli import command
from .test_crawl_quota import rows

GONE = picture("png", size=(60, 40), seed=77)
SHA256 = hashlib.sha256(GONE).hexdigest()
RECORDS, LABELS = 300, 12
COPIES = RECORDS // 5
List = list[tuple[str, str]]

pytestmark = pytest.mark.may_block  # small files are read to see what is there


def gone(key: str | None) -> bool:
    """Whether a record answers with the placeholder: one in five does."""
    return int((key or "").partition("_")[2]) % 5 == 2


@pytest.fixture
def listed(server: ImageServer) -> List:
    """A list over many labels and hosts; one record in five has a picture that is on no list of signatures."""
    server.route(lambda r: Answer(GONE if gone("_" + r.path[1:-4]) else picture(seed=int(r.path[1:-4]), size=(20, 20))))
    entries = [(f"n{n % LABELS:02d}_{n}", server.url(f"/{n}.jpg", n * 7 % 20)) for n in range(RECORDS)]
    random.Random(4).shuffle(entries)
    return entries


def placeholders(mode: str, **changes: object) -> Settings:
    return lenient(image=ImagePolicy(placeholders=mode), **changes)


def pictures(dest: Path) -> dict[str, bytes]:
    """Every picture that is visible in the destination."""
    files = (path for path in dest.glob("*/*") if not path.parent.name.startswith("."))
    return {path.stem: path.read_bytes() for path in files}


def check(dest: Path, listed: Sequence[tuple[str, str]], *, refused: bool = True) -> None:
    """Files and manifest agree, and placeholders are there or not."""
    wanted = {key for key, _ in listed if not (refused and gone(key))}
    assert pictures(dest).keys() == wanted
    table = rows(dest)
    assert {row["key"] for row in table if row["status"] == "saved"} == wanted and len(table) == len(listed)
    for row in table:
        if row["status"] == "saved":
            assert hashlib.sha256((dest / row["path"]).read_bytes()).hexdigest() == row["sha256"]
        else:
            assert (row["reason"], row["path"], row["sha256"]) == ("placeholder", None, None)


async def test_all_copies_go_and_every_other_picture_stays(server: ImageServer, listed: List, dest: Path):
    told: list[Outcome] = []
    report = await ac.crawl(listed, dest, settings=LOOPBACK, on_outcome=told.append)
    check(dest, listed)
    assert (report.saved, report.by_reason) == (RECORDS - COPIES, {"placeholder": COPIES})
    again = [outcome for outcome in told if outcome.replaces]
    assert len(told) == RECORDS + len(again) and server.audit.count() == RECORDS
    for outcome in again:
        before = outcome.replaces
        assert before and outcome.reason is Reason.PLACEHOLDER and before.status is Status.SAVED
        assert before in told and before.sha256 == SHA256 and outcome.path is None and not outcome.suspect
    (one,) = report.placeholders
    assert (one.sha256, one.copies, one.found, one.bytes) == (SHA256, COPIES, "rule", len(GONE))
    assert SHA256[:16] in str(report) and f"{COPIES:>9}" in str(report) and one.url in str(report)
    assert json.loads(json.dumps(report.as_dict()))["placeholders"][0]["sha256"] == SHA256
    await ac.crawl(listed, dest, settings=LOOPBACK)
    assert server.audit.count() == RECORDS, "nothing is fetched again"


async def test_a_resumed_crawl_remembers_what_it_has_seen(server: ImageServer, listed: List, dest: Path):
    part = [entry for entry in listed if gone(entry[0])][:10]
    await ac.crawl(part, dest, settings=LOOPBACK)
    check(dest, part, refused=False)
    await ac.crawl(part + [entry for entry in listed if entry not in part], dest, settings=LOOPBACK)
    check(dest, listed)


async def test_the_places_of_copies_are_filled_with_pictures(server: ImageServer, listed: List, dest: Path):
    copies, good = sorted(e for e in listed if gone(e[0])), [e for e in listed if not gone(e[0])]
    first = {key.partition("_")[0]: (key, url) for key, url in copies}  # one copy fills each label
    good += [(f"y{n}_1", server.url(f"/{n}1.jpg")) for n in range(5)]
    further = [(f"x{n}_{5 * n + 2}", server.url(f"/{5 * n + 2}.jpg", n % 3)) for n in range(100, 140)]
    told: dict[str | None, Outcome] = {}

    def tell(outcome: Outcome) -> None:
        assert (outcome.key in told) == (outcome.replaces is not None)
        assert outcome.replaces is None or outcome.replaces.reason == told[outcome.key].reason
        told[outcome.key] = outcome

    settings = lenient(concurrency=1, list=ListOptions(per_label=1))
    report = await ac.crawl([*list(first.values())[:11], *good, *further], dest, settings=settings, on_outcome=tell)
    assert {label: count.saved for label, count in report.by_label.items() if count.saved} == dict.fromkeys(
        [*first, *["y0", "y1", "y2", "y3", "y4"]], 1
    )
    assert GONE not in pictures(dest).values() and len(pictures(dest)) == LABELS + 5
    assert {key: outcome.reason for key, outcome in told.items()} == {
        row["key"]: row["reason"] and Reason(row["reason"]) for row in rows(dest)
    }


async def test_places_that_an_earlier_run_left_empty_are_filled_by_the_next(
    server: ImageServer, listed: List, dest: Path
):
    settings = lenient(list=ListOptions(per_label=6), image=ImagePolicy(placeholders="known"))
    await ac.crawl([e for e in listed if gone(e[0])] + [e for e in listed if not gone(e[0])], dest, settings=settings)
    assert GONE in pictures(dest).values()
    report = await ac.crawl(listed, dest, settings=replace(settings, image=ImagePolicy()))
    assert report.saved == 6 * LABELS and GONE not in pictures(dest).values()


class Keeping:
    """A sink of ten lines, which cannot take anything back."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def write(self, batch: Sequence[Sample]) -> None:
        self.names += [sample.name for sample in batch]


async def test_without_remove_copies_stay_and_are_suspect(server: ImageServer, listed: List, dest: Path):
    told: list[Outcome] = []
    sink = Keeping()
    first = sorted(entry for entry in listed if gone(entry[0]))[:10]  # too few to be told: the sink takes them
    await ac.crawl(first, dest, settings=LOOPBACK, sink=sink)
    rest = [entry for entry in listed if entry not in first]
    report = await ac.crawl(first + rest, dest, settings=LOOPBACK, sink=sink, on_outcome=told.append)
    suspects = [outcome for outcome in told if outcome.suspect]
    assert all(o.status is Status.SAVED and o.replaces and not o.replaces.suspect for o in suspects)
    assert {key for key, _ in first} <= {o.name for o in suspects} == {name for name in sink.names if gone(name)}
    assert report.by_reason == {"placeholder": COPIES - len(suspects)}, "later copies are refused at once"
    assert (report.placeholders[0].copies, report.placeholders[0].suspect) == (COPIES - len(suspects), len(suspects))
    assert f"{len(suspects)} could not be taken back" in str(report)
    told.clear()
    await ac.crawl(listed, dest, settings=LOOPBACK, sink=Keeping(), on_outcome=told.append)
    assert not told


async def test_a_sink_that_forgets_what_it_is_told(server: ImageServer, listed: List, dest: Path):
    sink = ac.MemorySink()
    report = await ac.crawl(listed, dest, settings=LOOPBACK, sink=sink)
    assert sink.samples.keys() == {key for key, _ in listed if not gone(key)} and report.saved == len(sink.samples)


async def test_shards_give_their_copies_back_too(server: ImageServer, listed: List, dest: Path):
    settings = lenient(sink="webdataset")
    report = await ac.crawl(listed, dest, settings=settings)
    assert report.by_reason == {"placeholder": COPIES}

    def shards() -> bytes:
        return b"".join(path.read_bytes() for path in dest.glob("*.tar"))

    assert GONE not in shards()
    assert await ac.restore(dest, SHA256) == COPIES and shards().count(GONE) == COPIES
    assert await ac.refuse(dest, SHA256) == COPIES and GONE not in shards()


async def test_duplicates_that_were_left_out_are_evidence_too(server: ImageServer, listed: List, dest: Path):
    settings = lenient(image=ImagePolicy(dedup="content"))
    report = await ac.crawl(listed, dest, settings=settings)
    assert report.by_reason == {"placeholder": COPIES} and GONE not in pictures(dest).values()


async def test_stream_refuses_once_it_knows(server: ImageServer, listed: List):
    results = [result async for result in ac.stream(listed, settings=LOOPBACK)]
    refused = [result for result in results if isinstance(result, ac.Failure)]
    let_through = [result for result in results if isinstance(result, Sample) and gone(result.name)]
    assert len(results) == RECORDS and len(refused) + len(let_through) == COPIES and len(let_through) < 40
    assert {result.reason for result in refused} == {Reason.PLACEHOLDER}


async def test_the_setting_decides_anew_when_it_changes(server: ImageServer, listed: List, dest: Path):
    await ac.crawl(listed, dest, settings=placeholders("known"))
    check(dest, listed, refused=False)
    asked = server.audit.count()
    report = await ac.crawl(listed, dest, settings=placeholders("auto"))
    check(dest, listed)
    assert server.audit.count() == asked and report.placeholders[0].copies == COPIES
    assert report.placeholders[0].url and report.placeholders[0].format == "png"
    await ac.crawl(listed, dest, settings=placeholders("off"))
    check(dest, listed, refused=False)
    assert server.audit.count() == asked + COPIES
    await ac.crawl(listed, dest, settings=placeholders("auto"))
    check(dest, listed)
    assert server.audit.count() == asked + COPIES


async def test_others_files_are_not_touched(server: ImageServer, listed: List, dest: Path):
    await ac.crawl(listed, dest, settings=placeholders("known"))
    mine = next(path for path in dest.glob("*/*.png") if gone(path.stem))
    mine.write_bytes(b"mine")
    (mine.parent / "thesis.txt").write_text("keep me")
    linked = next(path for path in dest.glob("*/*.png") if gone(path.stem) and path != mine)
    linked.unlink()
    linked.symlink_to(mine)
    await ac.crawl(listed, dest, settings=LOOPBACK)
    assert mine.read_bytes() == b"mine" and linked.is_symlink() and (mine.parent / "thesis.txt").exists()
    left = {path.stem for path in dest.glob("*/*.png") if gone(path.stem)}
    assert left == {mine.stem, linked.stem}


async def test_discovered_ones_are_not_adopted(server: ImageServer, listed: List, dest: Path):
    await ac.crawl(listed, dest, settings=placeholders("off"))
    (dest / FILE_NAME).unlink()
    await ac.crawl(listed, dest, settings=LOOPBACK)
    left = [path for path in dest.glob("*/*") if path.read_bytes() == GONE]
    assert left and all(path.suffix == ".invalid" for path in left), "what is not ours is renamed, what is ours removed"
    assert {row["key"] for row in rows(dest) if row["reason"] == "placeholder"} == {k for k, _ in listed if gone(k)}


async def test_a_record_that_has_left_its_list_or_moved_in_it_is_found_all_the_same(server: ImageServer, dest: Path):
    server.route(lambda request: Answer(GONE))
    listed = [server.url(f"/{n}.jpg", n % 5) for n in range(1_030)]
    await ac.crawl(listed, dest, settings=placeholders("off"))
    moved = [f"{server.url('/other')}{n}.jpg" for n in range(990)] + listed[30:]
    others = {f"/other{n}.jpg": picture(seed=n, size=(16, 16)) for n in range(40)}
    server.route(lambda request: Answer(others[request.path]) if request.path in others else Answer(status=404))
    await ac.crawl(moved, dest, settings=placeholders("off"))
    assert len(pictures(dest)) == 1_030 + 40
    await ac.crawl(moved, dest, settings=LOOPBACK)
    assert sorted(pictures(dest).values()) == sorted(others.values())
    assert [path.name for path in dest.iterdir() if path.is_dir()] == ["00000"], "no empty directory is left"


async def test_who_was_told_that_a_label_is_full_is_told_again(tmp_path: Path):
    listed = [Record(n, n + 1, f"n{n}", "a", Request(f"http://h/{n}.jpg", f"n{n}"), "h") for n in range(9)]
    samples = [Sample(r.request, r.ordinal, r.name, "a", "png", data=bytes([r.ordinal]), line=r.line) for r in listed]
    quota, told = Quota(2, 0), list[Outcome]()
    ledger = await Ledger.open(tmp_path / FILE_NAME, {})
    recorder = Recorder(Screening(ImagePolicy(), ()), ac.MemorySink(), ledger, told.append, quota)
    await ledger.enter(listed)
    for sample in samples[:6]:
        quota.begin("a")
        await recorder.record([sample])
    assert [outcome.reason for outcome in told] == [None] * 2 + [Reason.LABEL_FULL] * 4
    await recorder.between_passes()
    assert len(await ledger.pending(-1, 9)) == 3, "nothing has come free"
    quota.give_back("a")
    await recorder.between_passes()
    assert [record.name for record in await ledger.pending(-1, 9)] == ["n2", "n3", "n6", "n7", "n8"], "two for one"
    quota.begin("a")
    await recorder.record([samples[2]])
    assert told[-1].reason is None and told[-1].replaces and told[-1].replaces == told[2]
    assert (recorder.progress.saved, recorder.progress.skipped, recorder.progress.recorded) == (3, 3, 7)
    await ledger.aclose()


# --- a person disagrees


async def test_restored_copies_come_from_the_ledger_and_the_verdict_stays(
    server: ImageServer, listed: List, dest: Path
):
    await ac.crawl(listed, dest, settings=LOOPBACK)
    asked = server.audit.count()
    assert await ac.restore(dest, SHA256[:8]) == COPIES
    check(dest, listed, refused=False)
    assert all(pictures(dest)[key] == GONE for key, _ in listed if gone(key))
    more = [*listed, *((f"n01_{n}", server.url(f"/{n}.jpg", n % 20)) for n in range(1002, 1302, 5))]
    report = await ac.crawl(more, dest, settings=LOOPBACK)
    assert report.by_reason == {} and server.audit.count() == asked + 60 and report.placeholders[0].good
    assert SHA256[:16] not in str(report)
    assert await ac.refuse(dest, SHA256) == COPIES + 60, "and back"
    check(dest, more)
    assert ac.placeholders(dest)[0].found == "person"
    await ac.crawl(more, dest, settings=placeholders("known"))
    check(dest, more)


async def test_a_known_one_can_be_restored_too(server: ImageServer, listed: List, dest: Path):
    policy = ImagePolicy(placeholders="known", signatures=[{"name": "ours", "sha256": SHA256}])
    report = await ac.crawl(listed, dest, settings=lenient(image=policy))
    check(dest, listed)
    assert report.placeholders[0].found == "signature" and report.placeholders[0].detail == "known placeholder: ours"
    assert await ac.restore(dest, SHA256) == COPIES
    await ac.crawl(listed, dest, settings=lenient(image=policy))
    check(dest, listed, refused=False)


async def test_restoring_goes_to_the_sink_it_came_from(server: ImageServer, listed: List, dest: Path):
    sink = ac.MemorySink()
    await ac.crawl(listed, dest, settings=LOOPBACK, sink=sink)
    assert await ac.restore(dest, SHA256, sink=sink) == COPIES and len(sink.samples) == RECORDS
    assert await ac.refuse(dest, SHA256, sink=sink) == COPIES and len(sink.samples) == RECORDS - COPIES


@pytest.mark.slow  # ten processes are started
async def test_the_command(server: ImageServer, listed: List, dest: Path, tmp_path: Path):
    await ac.crawl(listed, dest, settings=placeholders("known"))
    code, out, _ = await command("placeholders", dest)
    assert code == 0 and out.startswith("No placeholders.") and f"{COPIES:>9}  {SHA256}" in out
    assert (await command("placeholders", dest, "--refuse", SHA256[:10]))[:2] == (
        0,
        f"{COPIES} records failed: placeholder.\n",
    )
    check(dest, listed)
    code, out, _ = await command("placeholders", dest)
    assert code == 0 and f"{COPIES:>9}" in out and SHA256 in out and "refused by a person" in out and "http://" in out
    assert json.loads((await command("placeholders", dest, "--json"))[1])["placeholders"][0]["copies"] == COPIES
    look = tmp_path / "look.png"
    assert (await command("placeholders", dest, "--write", SHA256[:6], look))[0] == 0 and look.read_bytes() == GONE
    code, _, err = await command("placeholders", dest, "--write", SHA256[:6], look)
    assert code == 2 and "File exists" in err and look.read_bytes() == GONE
    assert (await command("placeholders", dest, "--restore", SHA256))[:2] == (0, f"{COPIES} pictures written again.\n")
    check(dest, listed, refused=False)
    for words, message in (
        (("--restore", "0000"), "no placeholder has"),
        (("--refuse", "0000"), "no saved picture has"),
        (("--restore", "xyz"), "is no SHA-256"),
        (("--restore", SHA256, "--refuse", SHA256), "one of"),
    ):
        code, _, err = await command("placeholders", dest, *words)
        assert code == 2 and message in err
    code, _, err = await command("placeholders", tmp_path / "nothing", "--restore", SHA256)
    assert code == 3 and "no ledger here" in err


async def test_signatures_of_ones_own_on_the_command_line(
    server: ImageServer, listed: List, dest: Path, tmp_path: Path
):
    (tmp_path / "ours.json").write_text(
        json.dumps([{"name": "ours", "size": len(GONE), "sha1": hashlib.sha1(GONE).hexdigest()}])
    )
    (tmp_path / "list").write_text("".join(f"{key} {url}\n" for key, url in listed[:40]))
    words = ("crawl", tmp_path / "list", dest, "--allow-net", "127.0.0.0/8", "--signatures")
    assert (await command(*words, tmp_path / "ours.json"))[0] == 0
    check(dest, listed[:40])
    code, _, err = await command(*words, tmp_path / "none.json")
    assert code == 2 and "cannot be read" in err


# --- kill -9

DYING = """
import asyncio, os, signal, sys
from pathlib import Path
import asynccrawl as ac
from asynccrawl.ledger import Contents
from asynccrawl.sinks.directory import DirectorySink
from asynccrawl.settings import Network, Settings

dest, listed, where, count, what = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5]

def dying(owner, name, before):
    method, left = getattr(owner, name), [count]
    async def wrapped(self, *arguments, **options):
        left[0] -= 1
        if before and not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        result = await method(self, *arguments, **options)
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    setattr(owner, name, wrapped)

owner, name, moment = where.split(".")
dying({"Contents": Contents, "DirectorySink": DirectorySink}[owner], name, moment == "before")
settings = Settings(network=Network(allow_net=("127.0.0.0/8",)))
if what == "crawl":
    ac.crawl_sync(listed, dest, settings=settings)
else:
    asyncio.run(ac.restore(dest, what))
"""


async def killed(*words: object) -> None:
    """Run DYING and see it die."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", DYING, *map(str, words))
    assert await process.wait() == -signal.SIGKILL


@pytest.mark.slow  # five processes are started
async def test_a_retraction_that_is_killed_anywhere_is_brought_to_its_end(
    server: ImageServer, listed: List, dest: Path, tmp_path: Path
):
    (tmp_path / "list").write_text("".join(f"{key} {url}\n" for key, url in listed))
    server.route(lambda r: Answer(GONE if gone("_" + r.path[1:-4]) else picture(seed=int(r.path[1:-4]), size=(20, 20))))
    more = [(f"n{n % LABELS:02d}_{n}", server.url(f"/{n}.jpg", n % 20)) for n in range(302, 702, 5)]
    listed = [*listed, *more]
    (tmp_path / "list").write_text("".join(f"{key} {url}\n" for key, url in listed))
    await ac.crawl(tmp_path / "list", dest, settings=placeholders("known"))
    copies = sum(gone(key) for key, _ in listed)
    assert copies > 128, "three pages"
    for where, count in (
        ("Contents.judge_and_retract.before", 1),
        ("Contents.judge_and_retract.after", 1),
        ("DirectorySink.remove.after", 1),
        ("Contents.retracted.after", 1),
        ("Contents.retracted.before", 2),
    ):
        await killed(dest, tmp_path / "list", where, count, "crawl")
        saved = {row["path"] for row in rows(dest) if row["status"] == "saved"}
        assert saved <= {str(path.relative_to(dest)) for path in dest.glob("*/*")}, "files are never behind the ledger"
    assert 0 < sum(data == GONE for data in pictures(dest).values()) < copies, "half way"
    told: list[Outcome] = []
    await ac.crawl(tmp_path / "list", dest, settings=LOOPBACK, on_outcome=told.append)
    check(dest, listed)
    assert server.audit.count() == len(listed) and all(outcome.replaces for outcome in told)
    ledger = await Ledger.open(dest / FILE_NAME, None)
    assert await Contents(ledger).retractions(-1, 9, again=True) == []
    await ledger.aclose()


@pytest.mark.slow  # two processes are started
async def test_a_restoration_that_is_killed_is_brought_to_its_end_by_the_next_crawl(
    server: ImageServer, listed: List, dest: Path, tmp_path: Path
):
    more = [(f"n{n % LABELS:02d}_{n}", server.url(f"/{n}.jpg", n % 20)) for n in range(302, 702, 5)]
    listed = [*listed, *more]
    await ac.crawl(listed, dest, settings=LOOPBACK)
    await killed(dest, "", "DirectorySink.write.after", 1, SHA256)
    await killed(dest, "", "Contents.restored.after", 1, SHA256)
    assert 0 < sum(data == GONE for data in pictures(dest).values()) < 140
    asked = server.audit.count()
    await ac.crawl(listed, dest, settings=LOOPBACK)
    check(dest, listed, refused=False)
    assert server.audit.count() == asked
