"""The directory sink when the disk fails it, and when it is killed: real limits, a real full disk, a real kill -9."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from asynccrawl.errors import StorageError
from asynccrawl.models import Request, Sample
from asynccrawl.sinks import TEMPORARY, DirectorySink, write_to

KB = 1_000


def sample(name: str, size: int = 50 * KB, label: str = "n01") -> Sample:
    return Sample(Request("http://h/"), 0, name, label, "jpeg", data=name.encode()[:1] * size, bytes=size)


@contextmanager
def limit(which: int, soft: int) -> Iterator[None]:
    """A lower limit of a resource for a while."""
    before = resource.getrlimit(which)
    resource.setrlimit(which, (soft, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(which, before)


async def test_a_disk_that_takes_only_a_part_leaves_no_part(dest: Path):
    sink = DirectorySink(dest)
    batch = [sample("a"), sample("b", 300 * KB, label="n02"), sample("c")]
    with limit(resource.RLIMIT_FSIZE, 200 * KB), pytest.raises(StorageError) as caught:
        await sink.write(batch)
    assert str(caught.value) == (
        f"{dest}/n02/b.jpg: cannot be stored: File too large; raise the limit of file sizes (ulimit -f), "
        "then run again to go on"
    )
    assert [path.name for path in dest.rglob("*.*")] == [TEMPORARY, "a.jpg"], "neither a part nor an empty class"
    assert await sink.write(batch) == ["n01/a.jpg", "n02/b.jpg", "n01/c.jpg"]
    await sink.aclose()


async def test_too_many_open_files_for_long_end_the_crawl(dest: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("asynccrawl.sinks.trouble._TRIES", 2)
    sink = DirectorySink(dest)
    await sink.write([sample("a")])
    free = os.dup(0)
    os.close(free)
    with limit(resource.RLIMIT_NOFILE, free + 2), pytest.raises(StorageError, match="ulimit -n"):
        await sink.write([sample("b")])
    assert await sink.write([sample("b")]) == ["n01/b.jpg"]


async def test_an_fsync_that_fails_is_never_tried_again(dest: Path, monkeypatch: pytest.MonkeyPatch):
    """The kernel may have dropped what it could not write, and would report success (fsync(2), Linux)."""
    tries: list[int] = []

    def fsync(file: int) -> None:
        tries.append(file)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StorageError, match="Input/output error; see to the disk"):
        await DirectorySink(dest, sync=True).write([sample("a")])
    assert len(tries) == 1 and not [path for path in dest.rglob("*") if path.is_file()]


async def test_a_destination_that_goes_away_is_not_made_again(dest: Path):
    sink = DirectorySink(dest)
    await sink.write([sample("a")])
    dest.rename(dest.with_name("moved"))
    with pytest.raises(StorageError, match=f"{dest}: cannot be stored: No such file or directory; bring the directory"):
        await sink.write([sample("b")])
    await sink.aclose()
    assert not dest.exists()


async def test_a_destination_that_is_a_file_is_told(dest: Path):
    dest.write_bytes(b"")
    with pytest.raises(StorageError, match=f"{dest}: cannot be stored: File exists; remove what is in its place"):
        await DirectorySink(dest).write([sample("a")])


ON_SMALL_DISK = """
import asyncio, json, os, subprocess, sys
from dataclasses import replace
from pathlib import Path
from asynccrawl.errors import StorageError
from asynccrawl.models import Request, Sample
from asynccrawl.sinks import DirectorySink, write_to

disk, elsewhere = map(Path, sys.argv[1:])
dest = disk / "dataset"

def sample(n, label, size=150_000):
    return Sample(Request(""), n, str(n), label, "jpeg", data=bytes([n]) * size, bytes=size)

def whole():
    return sorted(p.name for p in dest.glob("n*/*") if p.stat().st_size == 150_000)

def in_file(sample, temporary):
    path = elsewhere / f"source-{sample.name}"
    path.write_bytes(sample.data)
    return replace(sample, data=None, path=path, temporary=temporary)

async def main():
    sink, said = DirectorySink(dest), {}
    batch = [sample(n, "n01") for n in range(5)] + [sample(n, "n02") for n in range(5, 9)]
    try:
        await sink.write(batch)
    except StorageError as error:
        said["full"] = str(error)
    said["then"] = [whole(), sorted(os.listdir(dest)), os.listdir(dest / ".asynccrawl.tmp")]
    subprocess.run(["mount", "-o", "remount,size=4m", disk], check=True)
    said["room"] = await sink.write(batch)

    moved, copied = in_file(sample(20, "n03"), True), in_file(sample(21, "n03"), False)
    said["other device"] = [await write_to(sink, [moved, copied]), moved.path.exists(), copied.path.exists(), whole()]

    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    try:
        await sink.write([sample(30, "n01")])
    except StorageError as error:
        said["read-only"] = str(error)
    await sink.aclose()
    print(json.dumps(said))

asyncio.run(main())
"""


def mounting() -> list[str]:
    """The start of a command that may mount: as root, or as a user that the kernel lets play root."""
    for command in (["unshare", "--mount"], ["unshare", "--mount", "--map-root-user"]):
        if subprocess.run([*command, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode == 0:
            return command
    raise AssertionError("neither root nor a user namespace may mount a small disk here")


@pytest.mark.slow  # mounts a file system and starts a Python
def test_a_full_a_foreign_and_a_read_only_disk(tmp_path: Path):
    disk = tmp_path / "disk"
    disk.mkdir()
    script = 'mount -t tmpfs -o size=1m none "$1" && exec "$2" -c "$3" "$1" "$4"'
    done = subprocess.run(
        [*mounting(), "sh", "-c", script, "sh", disk, sys.executable, ON_SMALL_DISK, tmp_path],
        capture_output=True, text=True, timeout=150,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    dest = f"{disk}/dataset"
    stored = [f"{n}.jpg" for n in range(6)]
    assert said["full"] == (
        f"{dest}/n02/6.jpg: cannot be stored: No space left on device; make room there, then run again to go on"
    )
    assert said["then"] == [stored, [TEMPORARY, "n01", "n02"], []]
    assert said["room"] == [f"n01/{n}.jpg" for n in range(5)] + [f"n02/{n}.jpg" for n in range(5, 9)]
    everything = sorted(f"{n}.jpg" for n in (*range(9), 20, 21))
    assert said["other device"] == [["n03/20.jpg", "n03/21.jpg"], False, True, everything]
    assert "Read-only file system; make the file system writable" in said["read-only"]


WRITES_FOR_EVER = """
import asyncio, itertools, sys
from asynccrawl.models import Request, Sample
from asynccrawl.sinks import DirectorySink

async def main():
    sink = DirectorySink(sys.argv[1])
    for n in itertools.count(int(sys.argv[2])):
        data = b"%09d" % n * 100_000
        await sink.write([Sample(Request(""), n, f"{n:09d}", f"n{n % 3}", "jpeg", data=data)])

asyncio.run(main())
"""


@pytest.mark.slow  # starts and kills three Pythons
def test_whatever_is_killed_no_partial_file_is_ever_visible(dest: Path):
    seen = 0
    for start in (0, 1_000, 2_000):
        writer = subprocess.Popen([sys.executable, "-c", WRITES_FOR_EVER, str(dest), str(start)])
        try:
            enough = start / 1_000 * 10 + 10
            while writer.poll() is None and seen < enough:
                seen = look(dest)
                time.sleep(0.001)
        finally:
            writer.kill()
            writer.wait()
        assert seen >= enough
    assert look(dest) >= 30
    again = Sample(Request(""), 0, "000000000", "n0", "jpeg", data=b"%09d" % 0 * 100_000)
    assert asyncio.run(resume(dest, again)) == ["n0/000000000.jpg"]
    assert sorted(path.name for path in dest.iterdir()) == ["n0", "n1", "n2"]


async def resume(dest: Path, sample: Sample) -> list[Any]:
    sink = DirectorySink(dest)
    entries = await write_to(sink, [sample])
    await sink.aclose()
    return entries


def look(dest: Path) -> int:
    """How many files are in the class directories; each is whole."""
    found = list(dest.glob("n*/*"))
    for path in found:
        assert path.read_bytes() == path.stem.encode() * 100_000
    return len(found)
