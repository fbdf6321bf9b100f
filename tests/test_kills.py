"""kill -9 at any moment: what is visible is whole, what is recorded is not fetched again, and the end is the same."""

from __future__ import annotations

import asyncio
import random
import signal
from pathlib import Path

import pytest

from asynccrawl.testing import Answer, ImageServer, PictureSet

from .test_cli import OPEN, command, manifest_of, start

KILLS, RECORDS = 10, 600
"""The soak benchmark's part `kills` has the long form: a thousand of them."""


def tree(dest: Path) -> dict[str, bytes]:
    """Everything that is visible in the destination but for the ledger."""
    found = (path for path in dest.rglob("*") if path.is_file() and not path.name.startswith(".asynccrawl"))
    return {str(path.relative_to(dest)): path.read_bytes() for path in found if ".asynccrawl.tmp" not in path.parts}


def kind(request_path: str) -> str:
    """What the server does with a path: one in ten is gone, one in 47 fails once, each on another host."""
    number = int(request_path[1:-4])
    return "gone" if number % 10 == 3 else "fails once" if number % 47 == 7 else "good"


async def kill_after(requests: int, crawl: asyncio.subprocess.Process, server: ImageServer, rng: random.Random) -> None:
    """Kill a crawl at some moment after the server's so many-th request, and wait until it has ended."""
    while server.audit.count() < requests and crawl.returncode is None:
        await asyncio.sleep(0.001)
    await asyncio.sleep(rng.random() * 0.05)
    crawl.send_signal(signal.SIGKILL)
    await crawl.communicate()


@pytest.mark.slow  # a dozen processes are started
@pytest.mark.timeout(300)
async def test_ten_kills_end_in_the_tree_of_an_unkilled_run(server: ImageServer, dest: Path, tmp_path: Path):
    pictures, rng = PictureSet(RECORDS), random.Random(5)
    failed: set[str] = set()

    def answer(path: str) -> Answer:
        if kind(path) == "gone":
            return Answer(status=404)
        if kind(path) == "fails once" and path not in failed:
            failed.add(path)
            return Answer(status=503)
        return Answer(pictures.data(pictures.number(path) or 0))

    server.route(lambda request: answer(request.path))
    listed = tmp_path / "list"
    lines = (f"n0{i % 9}_{i} {server.url(pictures.path(i), i % 20)}\n" for i in range(RECORDS))
    await asyncio.to_thread(listed.write_text, "".join(lines))
    wanted = {
        f"n0{i % 9}/n0{i % 9}_{i}.jpg": pictures.data(i) for i in range(RECORDS) if kind(pictures.path(i)) != "gone"
    }
    settled: set[str] = set()  # URLs' paths with a final row before the run
    for _ in range(KILLS):
        before = server.audit.count()
        crawl = await start("crawl", listed, dest, *OPEN)
        await kill_after(before + rng.randrange(RECORDS // KILLS), crawl, server, rng)
        visible = await asyncio.to_thread(tree, dest)
        assert {path: data for path, data in visible.items() if wanted.get(path) != data} == {}, "whole, and its own"
        asked = {entry.path for entry in server.audit.requests()[before:]}
        assert not asked & settled, "nothing that was recorded is fetched again"
        rows = await manifest_of(dest)
        assert {row["path"] for row in rows if row["path"]} <= set(visible), "files are never behind the ledger"
        settled = {row["url"].rpartition("/")[2] for row in rows if not row["retryable"]}
        settled = {f"/{path}" for path in settled}
    assert crawl.returncode == -9
    code, _, err = await command("crawl", listed, dest, *OPEN)
    assert code == 0, err
    assert await asyncio.to_thread(tree, dest) == wanted
    rows = await manifest_of(dest)
    assert [row["ordinal"] for row in rows] == list(range(RECORDS))
    assert {row["path"] for row in rows if row["status"] == "saved"} == set(wanted)
    assert (await command("verify", dest))[0] == 0
