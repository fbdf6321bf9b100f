"""Signals from the first moment to the last: what they end, how fast, and with which exit code."""

from __future__ import annotations

import asyncio
import os
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


HELD_UP = """
import os, sys, time

class Gate:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["HELD_AT"]:
            sys.meta_path.remove(self)
            os.write(2, b"held up\\n")
            while not os.path.exists(os.environ["GO_ON"]):
                time.sleep(0.01)

sys.meta_path.insert(0, Gate())
"""
"""What Python runs first: whoever imports the module HELD_AT says so, and waits until there is a file GO_ON."""


async def held_up(tmp_path: Path, module: str, *words: object) -> asyncio.subprocess.Process:
    """A process that has come to importing a module, and comes no further before there is a file `go on`."""
    await asyncio.to_thread((tmp_path / "sitecustomize.py").write_text, HELD_UP)
    held = {"PYTHONPATH": str(tmp_path), "HELD_AT": module, "GO_ON": str(tmp_path / "go on")}
    process = await asyncio.create_subprocess_exec(
        *map(str, words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | held
    )
    assert process.stderr and await process.stderr.readline() == b"held up\n"
    return process


@pytest.mark.slow  # starts two processes
@pytest.mark.parametrize("module", ["_asyncio", "_sqlite3", "uvloop"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_while_modules_are_imported_ends_it_quietly(tmp_path: Path, number: signal.Signals, module: str):
    for command_ in ([SCRIPT], [sys.executable, "-m", "asynccrawl"]):
        process = await held_up(tmp_path, module, *command_, "crawl", tmp_path / "list", tmp_path / "dest")
        process.send_signal(number)
        out, err = await process.communicate()
        assert process.returncode == 128 + number and not out and b"Traceback" not in err, err.decode()


@pytest.mark.slow  # starts two processes
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_while_the_network_is_imported_is_one_to_a_crawl(tmp_path: Path, number: signal.Signals):
    words = (sys.executable, "-m", "asynccrawl", "crawl", tmp_path / "list", tmp_path / "dest")
    process = await held_up(tmp_path, "multidict", *words)
    process.send_signal(number)
    await asyncio.sleep(0.1)  # it is the crawl's now, whoever imports
    (tmp_path / "go on").touch()
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
    server.route(lambda request: Answer(picture(seed=len(request.path)), delay=2.5))
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
        assert await crawl.wait() == 130 and asyncio.get_running_loop().time() - began < 20.0
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
