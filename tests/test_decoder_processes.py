"""Decoder processes die, hang and swell for real: each takes one picture with it, and nothing else."""

from __future__ import annotations

import asyncio
import errno
import functools
import io
import os
import resource
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from asynccrawl.decoder import ProcessDecoder, processes
from asynccrawl.decoder.children import cpu_seconds
from asynccrawl.errors import InvalidImage, Undecodable
from asynccrawl.imaging import Facts, prepare
from asynccrawl.models import Reason
from asynccrawl.settings import ImagePolicy
from asynccrawl.testing import picture

from .lived import Lived

pytestmark = [pytest.mark.slow, pytest.mark.interpreter]  # a process is started in a tenth of a second


@functools.cache
def large(side: int = 7_000) -> bytes:
    """A small file of many pixels: half a second of decoding, in C."""
    file = io.BytesIO()
    Image.new("RGB", (side, side), (1, 2, 3)).save(file, "PNG", compress_level=1)
    return file.getvalue()


@asynccontextmanager
async def decoding(processes: int = 1, **policy: Any) -> AsyncIterator[ProcessDecoder]:
    """A decoder whose first process is there, and of which no process is left."""
    decoder = ProcessDecoder(ImagePolicy(**policy), processes)
    try:
        await decoder.examine(picture(), None)
        yield decoder
    finally:
        pids = decoder.pids
        with Lived() as lived:
            await decoder.aclose()
            assert lived.seconds < 1, "whatever its children are doing"
        assert not [pid for pid in pids if alive(pid)]


def alive(pid: int) -> bool:
    """Whether there is such a process, be it only to be buried."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def ask(decoder: ProcessDecoder, *bodies: bytes) -> list[asyncio.Task[Facts]]:
    return [asyncio.create_task(decoder.examine(body, None)) for body in bodies]


async def until(condition: Any, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, condition
        await asyncio.sleep(0.002)


async def at_work(pid: int, seconds: float = 0.02) -> None:
    """Wait until a process has computed for a while."""
    began = cpu_seconds(pid)
    await until(lambda: cpu_seconds(pid) > began + seconds)


async def blamed(task: asyncio.Task[Facts]) -> Undecodable:
    with pytest.raises(InvalidImage) as caught:
        await task
    assert caught.value.reason is Reason.CORRUPT and isinstance(caught.value, Undecodable)
    return caught.value


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS])
async def test_who_dies_over_a_picture_takes_that_one_alone(number: signal.Signals):
    async with decoding() as decoder:
        (pid,) = decoder.pids
        victim, *queued = ask(decoder, large(), *(picture(seed=n) for n in range(12)))
        await at_work(pid)
        os.kill(pid, number)
        error = await blamed(victim)
        assert f"its decoder was killed by {number.name} over it" in error.detail
        assert error.retryable is (number is signal.SIGKILL), "the system kills so for want of memory"
        assert {(await task).width for task in queued} == {64}
        assert decoder.pids != [pid] and len(decoder.pids) == 1
        assert "lost over a picture, and replaced: 1" in decoder.story()[0]


async def test_of_two_only_one_is_lost():
    async with decoding(2) as decoder:
        tasks = ask(decoder, *(large() for _ in range(12)))
        await until(lambda: len(decoder.pids) == 2)
        first, second = decoder.pids
        await at_work(first)
        os.kill(first, signal.SIGKILL)
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(isinstance(end, Undecodable) for end in ended) == 1
        assert sum(isinstance(end, Facts) for end in ended) == 11
        assert second in decoder.pids and first not in decoder.pids and len(decoder.pids) == 2


async def test_who_dies_idle_takes_nothing():
    async with decoding() as decoder:
        (pid,) = decoder.pids
        os.kill(pid, signal.SIGKILL)
        await until(lambda: decoder.pids != [pid])
        assert (await decoder.examine(picture(), None)).width == 64
        assert decoder.story() == []


async def test_what_is_computed_for_too_long_is_ended():
    async with decoding(max_decode_seconds=0.2) as decoder:
        for _ in range(20):  # on a busy machine a child may not come to compute, and then the picture is not to blame
            victim, *queued = ask(decoder, large(), *(picture(seed=n) for n in range(5)))
            error = await blamed(victim)
            assert "decoding it took more than 0.2 s" in error.detail
            assert {(await task).width for task in queued} == {64}
            if not error.retryable:
                break
        assert not error.retryable


async def test_a_child_that_is_stopped_is_replaced():
    async with decoding(max_decode_seconds=1.0) as decoder:
        (pid,) = decoder.pids
        os.kill(pid, signal.SIGSTOP)
        victim, *queued = ask(decoder, *(picture(seed=n) for n in range(5)))
        error = await blamed(victim)
        assert "(0.0 s of a processor)" in error.detail and error.retryable, "the picture may be innocent"
        assert {(await task).width for task in queued} == {64}
        await until(lambda: not alive(pid))


async def test_memory_is_bounded_and_its_bound_is_not_felt_by_others():
    async with decoding(max_decode_bytes=64 * 2**20) as decoder:
        (pid,) = decoder.pids
        victim, *queued = ask(decoder, large(), *(picture(seed=n) for n in range(5)))
        error = await blamed(victim)
        assert "more memory than there is" in error.detail and not error.retryable
        assert {(await task).width for task in queued} == {64}
        assert decoder.pids != [pid], "what ran out of memory once is not used again"
        assert (await decoder.examine(picture(size=(3_000, 3_000)), None)).width == 3_000, "27 MB"


async def test_a_child_is_replaced_in_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(processes, "LIFETIME", 10)
    async with decoding() as decoder:
        seen = set(decoder.pids)
        for _ in range(4):
            found = await asyncio.gather(*ask(decoder, *(picture(seed=n) for n in range(9))))
            assert {facts.width for facts in found} == {64}
            seen |= set(decoder.pids)
        assert len(seen) >= 3 and decoder.story() == []


async def test_signals_to_the_whole_crawl_are_not_for_children():
    async with decoding() as decoder:
        (pid,) = decoder.pids
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(pid, number)
        assert (await decoder.examine(picture(), None)).width == 64
        assert decoder.pids == [pid]
        assert os.getsid(pid) == pid != os.getsid(0), "nor the terminal's"


async def test_a_child_has_nothing_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SECRET_TOKEN", "abc")
    secret = os.open(tmp_path / "secret", os.O_CREAT)
    os.set_inheritable(secret, True)
    async with decoding() as decoder:
        about = Path(f"/proc/{decoder.pids[0]}")
        links = {path.name: str(path.readlink()) for path in await asyncio.to_thread(list, (about / "fd").iterdir())}
        assert set(links) == {"0", "1", "2"} and links["0"].startswith("socket:") and links["2"] == "/dev/null"
        environment = await asyncio.to_thread((about / "environ").read_bytes)
        assert b"SECRET" not in environment
        limits = await asyncio.to_thread((about / "limits").read_text)
        assert limits.count("Max file size             0 ") == limits.count("Max core file size        0 ") == 1
        assert (about / "cwd").readlink() == Path("/")
        loaded = await asyncio.to_thread((about / "maps").read_text)
        assert "_sqlite3" not in loaded and "aiohttp" not in loaded
    os.close(secret)


async def test_a_child_loads_the_strict_decoder_only_where_it_is_wanted():
    for wish, loaded in (("off", False), ("on", True)):
        async with decoding(turbo=wish) as decoder:
            maps = await asyncio.to_thread(Path(f"/proc/{decoder.pids[0]}/maps").read_text)
            assert ("_multiarray_umath" in maps, "simplejpeg" in maps) == (loaded, loaded)


@pytest.mark.parametrize(("pictures", "expected"), [(0, 0), (1, 1), (2, 2), (500, 3)])
async def test_children_are_started_before_there_is_work_as_many_as_it_will_keep_busy(pictures: int, expected: int):
    decoder = ProcessDecoder(ImagePolicy(turbo="off"), 3)
    for _ in range(3):
        decoder.begin(pictures)
    await until(lambda: sum(child.ready for child in decoder._children) == expected)
    pids = decoder.pids
    assert len(pids) == expected
    if pids:
        assert (await decoder.examine(picture(), None)).width == 64
        assert decoder.pids == pids, "none was started for it"
    await decoder.aclose()
    assert decoder.pids == [] and not children()


async def test_what_was_begun_and_never_used_ends_with_the_decoder():
    decoder = ProcessDecoder(ImagePolicy(), 2)
    decoder.begin(2)
    await asyncio.sleep(0)
    await decoder.aclose()
    decoder.begin(2)
    assert decoder.pids == [] and not children()


async def test_a_late_start_ends_with_the_decoder():
    decoder = ProcessDecoder(ImagePolicy(), 2)
    asked = ask(decoder, picture())
    await asyncio.sleep(0)
    await decoder.aclose()
    assert decoder.pids == [] and not children()
    asked[0].cancel()


def children() -> list[int]:
    """All our child processes, also those that are only to be buried; but for one of the standard library, which stays
    once another test of this process has used `multiprocessing`.
    """
    found = [path.read_text().split() for path in Path("/proc/self/task").glob("*/children")]
    return [int(pid) for pids in found for pid in pids if b"resource_tracker" not in command_of(pid)]


def command_of(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


# --- starting in vain


@contextmanager
def no_descriptors(spare: int = 0) -> Iterator[None]:
    """All but `spare` file descriptors that this process may have are taken."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (max(int(path.name) for path in Path("/proc/self/fd").iterdir()) + 8, hard)
    )
    taken = []
    try:
        with suppress(OSError):
            while True:
                taken.append(os.dup(0))
        for descriptor in taken[:spare]:
            os.close(descriptor)
        yield
    finally:
        for descriptor in taken[spare:]:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("spare", [0, 1, 3])
async def test_without_descriptors_threads_must_do(spare: int):
    pictures = [picture(seed=n) for n in range(40)]
    await asyncio.to_thread(prepare)  # else it is waited for, until descriptors come back
    decoder = ProcessDecoder(ImagePolicy(), 2)
    with no_descriptors(spare):
        found = await asyncio.gather(*ask(decoder, *pictures))
    assert {facts.width for facts in found} == {64} and decoder.pids == []
    (told,) = decoder.story()
    assert os.strerror(errno.EMFILE) in told and "decoded in threads" in told
    await decoder.aclose()


async def test_with_few_descriptors_fewer_must_do():
    async with decoding(3) as decoder:
        with no_descriptors():
            while decoder.most > 1:
                found = await asyncio.gather(*ask(decoder, *(picture(seed=n) for n in range(60))))
                assert {facts.width for facts in found} == {64}
        assert len(decoder.pids) == decoder.most == 1
        assert "Not all decoder processes could be started (Too many open files); 1 had to do." in decoder.story()


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("/nonexistent/python", "No such file or directory"),
        ("/bin/false", "one ended with exit status 1 before it was ready"),
        ("", "no Python interpreter"),
        ("silent", "not ready after 0.5 s"),
        ("talker", "talks of other things"),
    ],
)
async def test_without_an_interpreter_threads_must_do(
    program: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, line in (("silent", "exec sleep 60"), ("talker", "echo it talks of other things >&0")):
        await asyncio.to_thread((tmp_path / name).write_text, f"#!/bin/sh\n{line}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / program) if program in ("silent", "talker") else program)
    if program == "silent":
        monkeypatch.setattr(processes, "START_SECONDS", 0.5)
    decoder = ProcessDecoder(ImagePolicy(), 2)
    assert (await decoder.examine(picture(), None)).width == 64
    assert said in decoder.story()[0] and decoder.pids == []
    assert (await decoder.examine(picture(), None)).width == 64
    await decoder.aclose()
    assert not children()


async def test_a_child_that_cannot_import_says_why(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if "site-packages" not in entry])
    decoder = ProcessDecoder(ImagePolicy(), 1)
    assert (await decoder.examine(picture(), None)).width == 64
    assert "ModuleNotFoundError" in decoder.story()[0]
    await decoder.aclose()
