"""Signals from the first moment to the last: what they end, how fast, and with which exit code."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from asynccrawl.starting import is_command
from asynccrawl.testing import Answer, ImageServer, PictureSet, picture

from .test_cli import OPEN, command, manifest_of, printed_manifest, start

pytestmark = pytest.mark.interpreter

SCRIPT = Path(sys.executable).with_name("asynccrawl")


@pytest.mark.slow  # starts two processes
@pytest.mark.parametrize("library", ["_asyncio", "_sqlite3", "uvloop"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_while_modules_are_imported_ends_it_quietly(
    tmp_path: Path, number: signal.Signals, library: str
):
    for words in ([SCRIPT], [sys.executable, "-m", "asynccrawl"]):
        process = await asyncio.create_subprocess_exec(
            *map(str, words), "crawl", tmp_path / "fifo", tmp_path / "dest", stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip
        maps = Path(f"/proc/{process.pid}/maps")
        while library not in await asyncio.to_thread(maps.read_text):
            await asyncio.sleep(0.001)
        process.send_signal(number)
        out, err = await process.communicate()
        # To a shell both are 128 + number; the second is when the interpreter was ending already, as there is no list.
        assert process.returncode in (128 + number, -number) and not out and b"Traceback" not in err, err.decode()


@pytest.mark.slow  # starts two processes
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_while_the_network_is_imported_is_one_to_a_crawl(tmp_path: Path, number: signal.Signals):
    process = await start("crawl", tmp_path / "list", tmp_path / "dest")
    maps = Path(f"/proc/{process.pid}/maps")
    while "multidict" not in await asyncio.to_thread(maps.read_text):
        await asyncio.sleep(0.001)
    process.send_signal(number)
    _, err = await process.communicate()
    assert process.returncode == 128 + number and b"Stopped. The same command goes on from here." in err
    assert b"Traceback" not in err and not (tmp_path / "dest" / ".asynccrawl.tmp").exists()


def test_only_the_command_takes_signals_from_the_start():
    assert is_command(["-m"], ["python", "-W", "error", "-m", "asynccrawl", "crawl"])
    assert is_command(["/usr/bin/asynccrawl", "crawl"], ["python", "/usr/bin/asynccrawl", "crawl"])
    assert not is_command(["-m"], ["python", "-m", "pytest", "asynccrawl"])
    assert not is_command(["ingest.py"], ["python", "ingest.py"])
    assert not is_command([""], ["python"])
    code = "import signal, asynccrawl; print(signal.getsignal(2) is signal.default_int_handler, signal.getsignal(15))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"True {signal.SIG_DFL}\n"


@pytest.mark.slow  # starts two processes
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_what_is_in_flight_is_finished_and_recorded(
    server: ImageServer, dest: Path, tmp_path: Path, number: signal.Signals
):
    server.route(lambda request: Answer(picture(seed=len(request.path)), delay=1.0))
    (tmp_path / "list").write_text("".join(f"n01_{i} {server.url(f'/{i}', i % 20)}\n" for i in range(40)))
    crawl = await start("crawl", tmp_path / "list", dest, *OPEN, "--jobs", 10)
    while server.audit.count() < 10:
        await asyncio.sleep(0.01)
    crawl.send_signal(number)
    out, err = await crawl.communicate()
    assert crawl.returncode == 128 + number and b"Traceback" not in err
    assert b"10 of 40 records saved" in out and server.audit.count() == 10
    assert len(await manifest_of(dest)) == 10 and not (dest / ".asynccrawl.tmp").exists()


@pytest.mark.slow  # two seconds have to pass
async def test_a_second_signal_is_obeyed_although_the_disk_hangs(dest: Path, tmp_path: Path):
    code = """
import sys, time
from asynccrawl.cli import main
from asynccrawl.sinks import DirectorySink
DirectorySink._write = lambda self, batch: print("hangs", flush=True) or time.sleep(60)
main(sys.argv[1:])
"""
    async with ImageServer() as server:
        server.route(lambda request: Answer(picture()))
        (tmp_path / "list").write_text(f"n01_1 {server.url('/1')}\n")
        crawl = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, "crawl", tmp_path / "list", dest, *OPEN,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert crawl.stdout and await crawl.stdout.readline() == b"hangs\n"
        crawl.send_signal(signal.SIGINT)
        await asyncio.sleep(0.2)
        began = asyncio.get_running_loop().time()
        crawl.send_signal(signal.SIGINT)
        assert await crawl.wait() == 130 and asyncio.get_running_loop().time() - began < 2.5
    assert await manifest_of(dest) == []


@pytest.mark.slow  # starts five processes
async def test_report_manifest_and_verify_work_during_a_run(server: ImageServer, dest: Path, tmp_path: Path):
    pictures = PictureSet(2_000)
    server.route(lambda request: Answer(pictures.data(pictures.number(request.path) or 0)))
    listed = tmp_path / "list"
    listed.write_text("".join(f"n01_{i} {server.url(pictures.path(i), i % 20)}\n" for i in range(2_000)))
    crawl = await start("crawl", listed, dest, *OPEN, "--rate", 5)
    while server.audit.count() < 120:
        await asyncio.sleep(0.01)
    rows = await printed_manifest(dest)
    saved = [row for row in rows if row["status"] == "saved"]
    assert len(saved) >= 20 and all((dest / row["path"]).stat().st_size == row["bytes"] for row in saved)
    assert [row["ordinal"] for row in rows] == sorted(row["ordinal"] for row in rows)
    code, out, err = await command("verify", dest)
    assert code == 0 and ", 0 differ." in out, out + err
    code, out, _ = await command("report", dest)
    assert code == 0 and out, out
    assert crawl.returncode is None, "all that while it was running"
    crawl.send_signal(signal.SIGTERM)
    await crawl.communicate()
    assert crawl.returncode == 143
