"""Whole crawls with decoder processes: whatever happens to those, or to the crawl, every record has its outcome."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

import asynccrawl as ac
from asynccrawl.decoder import nursery
from asynccrawl.models import Reason
from asynccrawl.settings import ImagePolicy
from asynccrawl.testing import Answer, ImageServer, PictureSet

from .conftest import lenient
from .test_cli import OPEN, command
from .test_decoder_processes import at_work, children, large, until

pytestmark = [pytest.mark.slow, pytest.mark.interpreter]  # processes are started

PROGRAM = """
import sys, asynccrawl as ac
image, network = ac.ImagePolicy(max_decode_seconds=8), ac.Network(allow_net=("127.0.0.0/8",))
settings = ac.Settings(processes=2, network=network, image=image)
report = ac.crawl_sync(sys.argv[2:], sys.argv[1], settings=settings)
print(report.saved, report.failed, *report.notes)
"""


def served(server: ImageServer, *slow: int, count: int = 40) -> list[str]:
    """URLs of that many pictures; those numbered `slow` are large ones."""
    pictures = PictureSet(count)
    server.route(lambda r: Answer(large() if (n := pictures.number(r.path)) in slow else pictures.data(n or 0)))
    return [server.url(pictures.path(n), n % 20) for n in range(count)]


async def started(program: str, *words: object) -> asyncio.subprocess.Process:
    pipe, command = asyncio.subprocess.PIPE, [sys.executable, "-W", "error", program, *map(str, words)]
    return await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)


async def test_a_program_without_a_guard_is_not_run_again(server: ImageServer, dest: Path, tmp_path: Path):
    urls = served(server)
    await asyncio.to_thread((tmp_path / "program.py").write_text, PROGRAM)
    process = await started(str(tmp_path / "program.py"), dest, *urls)
    out, err = await process.communicate()
    assert (process.returncode, out, err) == (0, b"40 0\n", b"")


async def test_decoders_are_ready_before_the_first_picture_and_none_for_a_finished_crawl(
    server: ImageServer, dest: Path, monkeypatch: pytest.MonkeyPatch
):
    starts: list[int] = []
    real = nursery.start
    monkeypatch.setattr(nursery, "start", lambda policy: (starts.append(server.audit.count()), real(policy))[1])
    urls, settings = served(server, count=2), lenient(processes=3)
    assert (await ac.crawl(urls, dest, settings=settings)).saved == 2
    assert len(starts) == 2 and starts[0] == 0, "two pictures, two decoders, one before anything was asked for"
    assert (await ac.crawl(urls, dest, settings=settings)).saved == 2
    assert len(starts) == 2


async def test_the_crawl_goes_on_whatever_happens_to_its_children(server: ImageServer, dest: Path):
    """Children are killed again and again: no record is lost, none is saved wrong, few are blamed."""
    urls = served(server, count=400)
    settings = lenient(processes=2)
    crawl = asyncio.create_task(ac.crawl(urls, dest, settings=settings, concurrency=50))
    kills = 0
    while not crawl.done():
        for pid in children():
            if kills < 5:
                os.kill(pid, (signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP, signal.SIGCONT)[kills % 4])
                kills += 1
        await asyncio.sleep(0.1)
    report = await crawl
    assert kills >= 1 and report.total == 400 and report.saved + report.failed == 400
    assert report.failed == report.by_reason.get(Reason.CORRUPT, 0) <= kills
    assert not children()


async def test_a_picture_that_kills_is_an_outcome_and_the_rest_is_saved(server: ImageServer, dest: Path):
    urls = served(server, 7, 8)
    image = ImagePolicy(max_decode_bytes=2**26)
    outcomes = []
    report = await ac.crawl(urls, dest, settings=lenient(processes=2, image=image), on_outcome=outcomes.append)
    assert (report.saved, report.failed, report.by_reason) == (38, 2, {Reason.CORRUPT: 2})
    failed = [outcome for outcome in outcomes if outcome.reason]
    assert sorted(o.ordinal for o in failed) == [7, 8] and all("memory" in (o.detail or "") for o in failed)
    assert not children()
    again = await ac.crawl(urls, dest, settings=lenient(processes=2))
    assert again.saved == 40, "the bound has changed, and it decided"


@pytest.mark.parametrize("stopped", [False, True])
async def test_children_end_with_a_parent_that_is_killed(
    server: ImageServer, dest: Path, tmp_path: Path, stopped: bool
):
    urls = served(server, *range(40))
    await asyncio.to_thread((tmp_path / "program.py").write_text, PROGRAM)
    process = await started(str(tmp_path / "program.py"), dest, *urls)
    pids: list[int] = []
    while len(pids) < 2:
        pids = await asyncio.to_thread(children_of, process.pid)
        await asyncio.sleep(0.01)
    await at_work(pids[0], 0.2)
    if stopped:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
    process.kill()
    await process.communicate()
    await until(lambda: not any(running(pid) for pid in pids))


def children_of(pid: int) -> list[int]:
    with suppress(OSError):
        found = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
        return [int(child) for pids in found for child in pids]
    return []


def running(pid: int) -> bool:
    """Whether a process is more than a row in the table of processes."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_nobody_is_blamed_for_time_in_which_all_were_stopped(server: ImageServer, dest: Path, tmp_path: Path):
    """A laptop's lid: longer than a decode may take."""
    urls = served(server, 0, 1)  # one for each process: more would wait for each other on a busy machine
    await asyncio.to_thread((tmp_path / "program.py").write_text, PROGRAM)
    process = await started(str(tmp_path / "program.py"), dest, *urls)
    while not (pids := await asyncio.to_thread(children_of, process.pid)):
        await asyncio.sleep(0.01)
    await at_work(pids[0], 0.2)
    everybody = [process.pid, *await asyncio.to_thread(children_of, process.pid)]
    for pid in everybody:
        os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(8.5)
    for pid in everybody:
        os.kill(pid, signal.SIGCONT)
    out, err = await process.communicate()
    assert (process.returncode, out.split()[:2], err) == (0, [b"40", b"0"], b"")


def test_a_notebook_may_use_processes(tmp_path: Path):
    """crawl_sync inside of a running loop, twice; from a directory that its path names as the current one."""
    code = """
import asyncio, sys
async def cell():
    import asynccrawl as ac
    for n in range(2):
        report = ac.crawl_sync(["http://127.0.0.1:9/x.jpg"], f"dest{n}", settings=ac.Settings(processes=1))
        print(report.failed)
asyncio.run(cell())
"""
    shown = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, "1\n1\n", "")


@pytest.mark.parametrize("words", [[], ["--processes", "1"], ["--processes", "0"], ["--processes", "auto"]])
async def test_the_command_decodes_wherever_it_is_told_to(
    server: ImageServer, dest: Path, tmp_path: Path, words: list[str]
):
    listed = tmp_path / "list"
    listed.write_text("\n".join(served(server, 5)))
    code, out, err = await command("crawl", listed, dest, *OPEN, *words)
    assert code == 0 and "40 of 40 records saved" in out and "decoder" not in out + err


@pytest.mark.parametrize("wrong", ["-1", "two", "1.5", "", "99999"])
async def test_no_other_processes(dest: Path, tmp_path: Path, wrong: str):
    code, _, err = await command("crawl", tmp_path / "list", dest, "--processes", wrong)
    assert code == 2 and "processes" in err and "Traceback" not in err
