"""The command, as a process of its own: exit codes, what goes to stdout and stderr, signals, resuming."""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import click
import pytest

from asynccrawl.ledger import FILE_NAME, manifest, reading, row_of
from asynccrawl.testing import Answer, ImageServer, PictureSet, picture, silent

pytestmark = pytest.mark.interpreter

main = importlib.import_module("asynccrawl.cli.main")  # the package has a function of that name

OPEN = ("--allow-net", "127.0.0.0/8")


async def command(*words: Any, stdin: bytes | None = None, cwd: Path | None = None) -> tuple[int, str, str]:
    """Run `asynccrawl` with `words`; returns exit code, stdout and stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-m", "asynccrawl", *map(str, words),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd,
    )  # fmt: skip
    out, err = await process.communicate(stdin)
    assert process.returncode is not None
    assert "Traceback" not in err.decode(), err.decode()
    return process.returncode, out.decode(), err.decode()


async def printed_manifest(dest: Path) -> list[dict[str, Any]]:
    """What `asynccrawl manifest` prints."""
    code, out, _ = await command("manifest", dest)
    assert code == 0
    return [json.loads(line) for line in out.splitlines()]


async def manifest_of(dest: Path) -> list[dict[str, Any]]:
    """The same rows without starting a process, for tests of something else."""

    def rows() -> list[dict[str, Any]]:
        with reading(dest / FILE_NAME) as connection:
            return [json.loads(json.dumps(row_of(outcome))) for outcome in manifest(connection)]

    return await asyncio.to_thread(rows)


@pytest.fixture
def served(server: ImageServer) -> ImageServer:
    server.route(lambda request: Answer(picture(seed=len(request.path))))
    return server


async def test_the_tutorials_line_works_as_typed(served: ImageServer, tmp_path: Path):
    lines = "".join(f"n0144076{n % 2}_{n}\t{served.url('/' + 'x' * n, n)}\n" for n in range(1, 10))
    (tmp_path / "ilsvrc12_urls.txt").write_text(lines)
    words = ["crawl", "ilsvrc12_urls.txt", ".", "--jobs", "100", "--retry", "3", "--sleep", "0"]
    code, out, err = await command(*words, *OPEN, cwd=tmp_path)
    assert code == 0, err
    assert "9 of 9 records saved (yield 100.0%)" in out
    assert (tmp_path / "n01440761/n01440761_1.jpg").is_file()
    rows = await printed_manifest(tmp_path)
    assert [row["ordinal"] for row in rows] == list(range(9)) and rows == await manifest_of(tmp_path)


async def test_the_list_may_be_the_archive_it_is_published_in_or_stdin(served: ImageServer, tmp_path: Path):
    lines = f"n01_1\t{served.url('/1')}\nn01_2\t{served.url('/22')}\n".encode()
    (tmp_path / "ilsvrc12_urls.txt").write_bytes(lines)
    with tarfile.open(tmp_path / "urls.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "ilsvrc12_urls.txt", "ilsvrc12_urls.txt")
    assert (await command("crawl", tmp_path / "urls.tar.gz", tmp_path / "a", *OPEN))[0] == 0
    assert (await command("crawl", "-", tmp_path / "b", *OPEN, stdin=lines))[0] == 0
    for dest in ("a", "b"):
        assert [row["path"] for row in await manifest_of(tmp_path / dest)] == ["n01/n01_1.jpg", "n01/n01_2.jpg"]


async def test_results_go_to_stdout_and_progress_to_stderr(served: ImageServer, dest: Path, tmp_path: Path):
    (tmp_path / "list").write_text(f"{served.url('/1')}\n")
    served.add("/1", Answer(picture(), delay=1.0))
    code, out, err = await command("crawl", tmp_path / "list", dest, *OPEN, "--json", "--msg", "0.1", "--verbose")
    assert code == 0
    assert json.loads(out)["saved"] == 1
    assert "0/1 done" in err and "1 in flight" in err and "00000/000000000.jpg" in err
    code, out, err = await command("report", dest, "--json")
    assert (code, json.loads(out)["by_host"], err) == (0, {"127.0.0.1": {"saved": 1, "failed": 0, "skipped": 0}}, "")
    assert (await command("report", dest))[1].startswith("1 of 1 records saved")


async def test_exit_codes(served: ImageServer, dest: Path, tmp_path: Path):
    listed = tmp_path / "list"
    listed.write_text(f"{served.url('/1')}\nhttp://10.0.0.1/\n")
    assert (await command("crawl", listed, dest, *OPEN, "--fail-under", "51"))[0] == 1
    assert (await command("crawl", listed, dest, *OPEN, "--fail-under", "50"))[0] == 0
    for words, said in [
        (("crawl", tmp_path / "none", dest), "none"),
        (("crawl", listed, dest, "--jobs", "0"), "concurrency is 0"),
        (("crawl", listed, dest, "--allow-net", "10.0.0.1/8"), "CIDR"),
        (("crawl", listed, dest, "--formats", "jpg,bpg"), "bpg"),
        (("crawl", listed, dest, "--max-bytes", "many"), "many"),
        (("crawl", listed, dest, "--ca-file", listed), "no certificates"),
        (("crawl", listed), "DEST"),
        (("crawl", listed, ""), "it is empty"),
        (("report", ""), "it is empty"),
        (("crawl", listed, dest, "--timeout", "inf"), "timeout is inf"),
        (("crawl", listed, dest, "--sleep", "inf"), "sleep is inf"),
        (("crawl", listed, dest, "--rate", "1e-300"), "rate is 1e-300"),
        (("crawl", listed, dest, "--offset", "9" * 30), "offset is 999"),
        (("crawl", listed, dest, "--max-bytes", "9" * 400), "too large"),
        (("crawl", listed, dest, "--fail-under", "nan"), "finite"),
        (("fetch",), "fetch"),
    ]:
        code, out, err = await command(*words)
        assert (code, out) == (2, "") and said in err, (words, code, err)
    for words in (("report", tmp_path), ("manifest", tmp_path / "nowhere")):
        code, _, err = await command(*words)
        assert code == 3 and "no ledger here" in err
    (tmp_path / "file").write_text("")
    code, _, err = await command("crawl", listed, tmp_path / "file")
    assert code == 3 and "cannot be used as the destination" in err


async def start(*words: Any) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "asynccrawl", *map(str, words), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_a_command_that_cannot_be_imported_leaves_the_garbage_collector_on(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(main._COMMANDS, "broken", "nosuch")
    with pytest.raises(ModuleNotFoundError):
        main.group.get_command(click.Context(main.group), "broken")
    assert gc.isenabled()


async def test_a_second_run_exits_4(server: ImageServer, dest: Path, tmp_path: Path):
    server.route(lambda request: silent())
    (tmp_path / "list").write_text(server.url("/1"))
    first = await start("crawl", tmp_path / "list", dest, *OPEN)
    while not server.audit.count():
        await asyncio.sleep(0.02)
    code, _, err = await command("crawl", tmp_path / "list", dest, *OPEN)
    assert code == 4 and "another run is writing here" in err
    assert (await command("report", dest))[1].startswith("0 of 1 records saved"), "reports work during a run"
    first.kill()
    await first.communicate()


@pytest.mark.slow  # a crawl has to be under way before it can be interrupted
@pytest.mark.parametrize(
    ("number", "records"), [(signal.SIGINT, 2_000), (signal.SIGTERM, 1_000), (signal.SIGKILL, 1_000)]
)
async def test_interrupted_and_resumed_nothing_is_lost_or_fetched_twice(
    server: ImageServer, dest: Path, tmp_path: Path, number: signal.Signals, records: int
):
    pictures = PictureSet(records)
    server.route(lambda request: Answer(pictures.data(pictures.number(request.path) or 0), delay=0.01))
    listed = tmp_path / "list"
    listed.write_text("".join(f"n0{i % 9}_{i} {server.url(pictures.path(i), i % 20)}\n" for i in range(records)))
    crawl = await start("crawl", listed, dest, *OPEN)
    while server.audit.count() < records // 2:
        await asyncio.sleep(0.01)
    crawl.send_signal(number)
    _, err = await crawl.communicate()
    assert crawl.returncode == (-9 if number == signal.SIGKILL else 128 + number), err.decode()
    asked, recorded = server.audit.count(), len(await manifest_of(dest))
    stored = sum(1 for _ in dest.glob("*/*.jpg"))  # after a kill a batch may be stored and not yet recorded
    assert 0 < recorded <= stored < records
    if number != signal.SIGKILL:
        assert recorded == asked, "what was in flight was finished and recorded"
        assert b"The same command goes on" in err
    code, out, err = await command("crawl", listed, dest, *OPEN)
    assert code == 0, err
    assert f"{records:,} of {records:,} records saved" in out
    assert server.audit.count() - asked == records - stored, "nothing that was stored is fetched again"
    table = await manifest_of(dest)
    assert [row["ordinal"] for row in table] == list(range(records))
    files = {str(path.relative_to(dest)) for path in dest.rglob("*.jpg")}
    assert files == {row["path"] for row in table}
    assert sorted(p.name for p in dest.iterdir() if p.name.startswith(".")) == [".asynccrawl.sqlite3"]


@pytest.mark.slow  # deadlines have to pass while the process is stopped
async def test_a_stopped_process_blames_no_host(server: ImageServer, dest: Path, tmp_path: Path):
    pictures = PictureSet(60)
    server.route(lambda request: Answer(pictures.data(pictures.number(request.path) or 0), delay=1.0))
    listed = tmp_path / "list"
    listed.write_text("".join(f"n0_{i} {server.url(pictures.path(i), i % 3)}\n" for i in range(60)))
    crawl = await start("crawl", listed, dest, *OPEN, "--retry", 0, "--timeout", 4)
    while server.audit.count() < 24:
        await asyncio.sleep(0.01)
    crawl.send_signal(signal.SIGSTOP)
    await asyncio.sleep(5.0)
    crawl.send_signal(signal.SIGCONT)
    out, err = await crawl.communicate()
    assert crawl.returncode == 0 and b"60 of 60 records saved" in out, (out + err).decode()
    assert server.audit.count() <= 60 + 24, "at most what was in flight is fetched again"


async def test_a_second_signal_stops_at_once(server: ImageServer, dest: Path, tmp_path: Path):
    server.route(lambda request: silent())
    (tmp_path / "list").write_text(server.url("/1"))
    crawl = await start("crawl", tmp_path / "list", dest, *OPEN)
    while not server.audit.count():
        await asyncio.sleep(0.02)
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(2):
        crawl.send_signal(signal.SIGINT)
        await asyncio.sleep(0.1)
    _, err = await crawl.communicate()
    assert crawl.returncode == 130 and loop.time() - began < 20.0, err.decode()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
async def test_closed_standard_streams_do_no_harm(served: ImageServer, dest: Path, tmp_path: Path, closed: str):
    (tmp_path / "list").write_text(served.url("/1"))
    shell = await asyncio.create_subprocess_shell(
        f"{sys.executable} -m asynccrawl crawl {tmp_path}/list {dest} {' '.join(OPEN)} {closed}"
    )
    assert await shell.wait() == 0
    assert [row["status"] for row in await manifest_of(dest)] == ["saved"]


async def test_output_that_cannot_be_written_is_no_bug_of_ours(served: ImageServer, dest: Path, tmp_path: Path):
    (tmp_path / "list").write_text(served.url("/1"))
    shell = await asyncio.create_subprocess_shell(
        f"{sys.executable} -m asynccrawl crawl {tmp_path}/list {dest} {' '.join(OPEN)} > /dev/full",
        stderr=subprocess.PIPE,
    )
    _, err = await shell.communicate()
    assert shell.returncode == 3 and b"standard output cannot be written" in err and b"Traceback" not in err


async def test_a_reader_that_has_enough_is_no_error(served: ImageServer, dest: Path, tmp_path: Path):
    (tmp_path / "list").write_text("".join(f"bad line {'x' * 200}\n" for _ in range(3000)))
    assert (await command("crawl", tmp_path / "list", dest))[0] == 0
    shell = await asyncio.create_subprocess_shell(
        f"set -o pipefail; {sys.executable} -m asynccrawl manifest {dest} | head -n 1",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, executable="/bin/bash", env=os.environ,
    )  # fmt: skip
    out, err = await shell.communicate()
    assert (shell.returncode, len(out.splitlines()), err) == (0, 1, b"")


async def test_a_process_with_few_descriptors_fetches_less_at_once(server: ImageServer, dest: Path, tmp_path: Path):
    pictures = PictureSet(400)
    server.route(lambda request: Answer(pictures.data(pictures.number(request.path) or 0), delay=0.05))
    listed = tmp_path / "list"
    listed.write_text("".join(f"n{i % 40:02d}_{i} {server.url(pictures.path(i), i % 20)}\n" for i in range(400)))
    words = [sys.executable, "-m", "asynccrawl", "crawl", listed, dest, *OPEN, "--retry", 0, "--per-host", 10]
    shell = await asyncio.create_subprocess_exec(
        "sh", "-c", 'ulimit -n 80; exec "$@"', "sh", *map(str, words), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await shell.communicate()
    assert shell.returncode == 0 and b"400 of 400 records saved" in out, (out + err).decode()
    assert b"File descriptors ran out, so fetches in flight were lowered from 100 to " in out


async def test_verify_names_what_differs(served: ImageServer, dest: Path, tmp_path: Path):
    (tmp_path / "list").write_text("".join(f"n01_{i} {served.url(f'/{i}.jpg')}\n" for i in range(8)))
    await command("crawl", tmp_path / "list", dest, *OPEN)
    code, out, _ = await command("verify", dest)
    assert (code, out) == (0, "8 saved pictures checked, 0 differ.\n")
    (dest / "n01/n01_1.jpg").unlink()
    (dest / "n01/n01_2.jpg").write_bytes(b"short")
    whole = bytearray((dest / "n01/n01_3.jpg").read_bytes())
    whole[-20] ^= 1
    (dest / "n01/n01_3.jpg").write_bytes(whole)
    (dest / "n01/n01_4.jpg").rename(dest / "n01/moved")
    (dest / "n01/n01_4.jpg").symlink_to("moved")
    code, out, err = await command("verify", dest)
    assert code == 1 and out.splitlines() == [
        "n01/n01_1.jpg is missing, or no file",
        "n01/n01_2.jpg has another size than recorded",
        "n01/n01_3.jpg has another content than recorded",
        "n01/n01_4.jpg is missing, or no file",
        "8 saved pictures checked, 4 differ.",
    ]
    assert "Verifying" in err
    code, _, err = await command("verify", tmp_path)
    assert code == 3 and "no ledger here" in err


async def test_retry_fetches_just_those_again(server: ImageServer, dest: Path, tmp_path: Path):
    answers = {"/1.jpg": Answer(status=404), "/2.jpg": Answer(status=503), "/3.jpg": Answer(picture()[:-9])}
    server.route(lambda request: answers.get(request.path) or Answer(picture()))
    (tmp_path / "list").write_text("".join(f"n01_{i} {server.url(f'/{i}.jpg')}\n" for i in range(6)))
    once = (*OPEN, "--retry", 0)
    await command("crawl", tmp_path / "list", dest, *once)
    asked = server.audit.count()
    assert [row["reason"] for row in await manifest_of(dest)][1:4] == ["http_404", "http_5xx", "corrupt"]
    answers.clear()
    code, out, err = await command("retry", dest, "--only", "corrupt", *once)
    assert code == 0 and "4 of 6 records saved" in out and server.audit.count() == asked + 1, err
    code, out, _ = await command("retry", dest, *once)
    assert code == 0 and "5 of 6 records saved" in out and server.audit.count() == asked + 2
    code, out, _ = await command("retry", dest, "--only", "http_404, dns", *once)
    assert code == 0 and "6 of 6 records saved" in out and server.audit.count() == asked + 3
    code, _, err = await command("retry", dest, *once, "--fail-under", "100")
    assert code == 0, "the yield of the whole"
    answers["/1.jpg"] = Answer(status=404)
    (tmp_path / "more").write_text(f"{server.url('/1.jpg')}\n")
    await command("crawl", tmp_path / "more", tmp_path / "other", *once)
    code, out, err = await command("retry", tmp_path / "other", *once, "--fail-under", "50")
    assert code == 1 and "0 of 1 records saved" in out and "the yield is 0.0%, below 50 %" in err
    code, _, err = await command("retry", dest, "--msg", "nan")
    assert code == 2 and "finite" in err
    code, _, err = await command("retry", dest, "--only", "gone")
    assert code == 2 and "'gone' is no reason" in err
    code, _, err = await command("retry", tmp_path)
    assert code == 3 and "no ledger here" in err
