"""Threads that share a batch: when there are several, what they keep in order, and what an error leaves."""

from __future__ import annotations

import errno
import os
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from asynccrawl.errors import StorageError
from asynccrawl.models import Failure, Reason, Request, Sample
from asynccrawl.sinks import DirectorySink, write_to
from asynccrawl.sinks.crew import MOST, Crew

from .test_sinks_directory import descriptors, files, sample


class Clock:
    """Seconds that pass when somebody says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def batch(crew: Crew[int], clock: Clock, seconds: float, size: int = 20) -> int:
    """A batch of files that take so long each; returns how many threads it was given to."""
    calls = []

    def work(jobs: Iterator[int]) -> None:
        calls.append(1)
        for _ in jobs:
            clock.now += seconds

    crew.share(range(size), lambda job: job, work)
    return len(calls)


def test_one_thread_stores_while_files_are_quick():
    crew: Crew[int] = Crew(clock=(clock := Clock()))
    assert [batch(crew, clock, 0.0003) for _ in range(5)] == [1] * 5


def test_more_threads_store_where_files_wait_and_one_when_they_do_no_longer():
    crew: Crew[int] = Crew(clock=(clock := Clock()))
    assert [batch(crew, clock, 0.01) for _ in range(4)] == [1, 4, 16, 16]
    assert [batch(crew, clock, 0.0) for _ in range(2)] == [16, 1]
    crew.close()


def test_few_threads_are_tried_again_by_and_by():
    """With sixteen threads that wait for the interpreter a file always seems to be slow."""
    crew: Crew[int] = Crew(clock=(clock := Clock()))
    used = [batch(crew, clock, 0.01) for _ in range(101)]
    assert used == [1, 4] + [16] * 98 + [1]
    crew.close()


def test_files_that_are_brought_to_the_disk_are_known_to_wait():
    crew: Crew[int] = Crew(waits=True, clock=(clock := Clock()))
    assert [batch(crew, clock, 0.0) for _ in range(3)] == [4] * 3
    crew.close()


def test_a_few_files_and_a_slow_one_among_many_tell_nothing():
    crew: Crew[int] = Crew(clock=(clock := Clock()))
    assert batch(crew, clock, 1.0, size=7) == 1

    def work(jobs: Iterator[int]) -> None:
        for job in jobs:
            clock.now += 0.01 if job % 2 else 0.0001

    crew.share(range(20), lambda job: job, work)
    assert crew.threads == 1


def test_jobs_of_a_rank_stay_in_order_and_all_are_done():
    crew: Crew[int] = Crew(waits=True)
    done: list[int] = []

    def work(jobs: Iterator[int]) -> None:
        done.extend(jobs)

    crew.share(range(3000), lambda job: job % 7, work)
    crew.close()
    assert sorted(done) == list(range(3000))
    for rank in range(7):
        ranked = [job for job in done if job % 7 == rank]
        assert ranked == sorted(ranked)


def test_an_error_comes_when_all_have_ended_and_nothing_further_is_begun():
    crew: Crew[int] = Crew(waits=True)
    begun, ended = Counter[int](), Counter[int]()
    all_in = threading.Barrier(4)

    def work(jobs: Iterator[int]) -> None:
        for job in jobs:
            begun[job] += 1
            all_in.wait(30)
            if job == 2:
                raise OSError(errno.ENOSPC, "no space left")
            ended[job] += 1

    with pytest.raises((OSError, threading.BrokenBarrierError)) as caught:
        crew.share(range(4), lambda job: job, work)
    assert isinstance(caught.value, OSError) and caught.value.errno == errno.ENOSPC
    assert set(begun) == {0, 1, 2, 3} and set(ended) == {0, 1, 3}
    crew.close()


def test_a_crew_that_finds_no_descriptors_stays_at_one():
    crew: Crew[int] = Crew(waits=True, clock=(clock := Clock()))

    def work(jobs: Iterator[int]) -> None:
        raise OSError(errno.EMFILE, "too many open files")

    with pytest.raises(OSError, match="too many"):
        crew.share(range(9), lambda job: job, work)
    crew.close()
    assert [batch(crew, clock, 1.0) for _ in range(3)] == [1] * 3


# --- the directory sink with several threads


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Every batch is stored by sixteen threads; counts the calls."""
    calls: Counter[str] = Counter()
    inner = Crew._share

    def share(self: Crew[Any], *rest: Any) -> None:
        self.threads = MOST
        calls["batches"] += 1
        inner(self, *rest)

    monkeypatch.setattr(Crew, "__init__", _wide(Crew.__init__))
    monkeypatch.setattr(Crew, "_learn", lambda self, seconds: None)
    monkeypatch.setattr(Crew, "_share", share)
    return calls


def _wide(init: Any) -> Any:
    def made(self: Crew[Any], *rest: Any, **more: Any) -> None:
        init(self, *rest, **more)
        self.threads = MOST

    return made


async def test_many_threads_store_what_one_would(tmp_path: Path, shared: Counter[str]):
    many = [
        sample(f"n{n % 5}_{n}", os.urandom(100), ordinal=n, label=f"n{n % 5}", split=("train", "val")[n % 2])
        for n in range(400)
    ]
    before = descriptors()
    sink = DirectorySink(tmp_path / "wide", sync=True)
    entries = await write_to(sink, many)
    again = await write_to(sink, many)
    await sink.aclose()
    assert entries == again == [f"{s.split}/{s.label}/{s.name}.jpg" for s in many]
    assert files(tmp_path / "wide") == {e: s.data for e, s in sorted(zip(entries, many, strict=True)) if s.data}
    assert shared["batches"] == 2 and descriptors() == before


async def test_two_of_one_name_in_a_batch_are_stored_in_their_order(tmp_path: Path, shared: Counter[str]):
    for n in range(30):
        dest = tmp_path / str(n)
        sink = DirectorySink(dest)
        await write_to(sink, [sample(data=b"first"), sample("other"), sample(data=b"second", ordinal=1)])
        await sink.aclose()
        assert files(dest)["n01/n01_1.jpg"] == b"second" and files(dest)["n01/n01_1.jpg.invalid"] == b"first"
    assert shared["batches"] == 30


async def test_of_what_is_refused_no_directory_stays_and_the_rest_is_stored(tmp_path: Path, shared: Counter[str]):
    good = [sample(f"n01_{n}", ordinal=n) for n in range(50)]
    gone = [
        Sample(
            Request("http://h/"), name=f"n02_{n}", label=f"n02{n}", format="jpeg", ordinal=100 + n, path=tmp_path / "no"
        )
        for n in range(50)
    ]
    bad = [sample(f"n03_{n}" + "x" * 250, ordinal=200 + n, label=f"n03{n}") for n in range(50)]
    sink = DirectorySink(tmp_path / "dest")
    entries = await write_to(sink, [one for three in zip(good, gone, bad, strict=True) for one in three])
    await sink.aclose()
    reasons = [entry.reason if isinstance(entry, Failure) else entry for entry in entries]
    assert reasons[0::3] == [f"n01/{one.name}.jpg" for one in good]
    assert reasons[1::3] == [Reason.INTERNAL] * 50 and reasons[2::3] == [Reason.BAD_NAME] * 50
    assert [path.name for path in (tmp_path / "dest").iterdir()] == ["n01"]


async def test_a_disk_that_fails_one_of_many_threads_fails_the_batch_which_may_come_again(
    tmp_path: Path, shared: Counter[str], monkeypatch: pytest.MonkeyPatch
):
    many = [sample(f"n01_{n}", os.urandom(50), ordinal=n) for n in range(100)]
    write, failing = os.write, [True]

    def full(file: int, data: Any) -> int:
        if failing and bytes(data) == many[70].data:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, data)

    monkeypatch.setattr(os, "write", full)
    sink = DirectorySink(tmp_path / "dest")
    with pytest.raises(StorageError, match=r"n01_70\.jpg.*No space"):
        await write_to(sink, many)
    assert not any(path.name.startswith("sink-") for path in (tmp_path / "dest").rglob("sink-*"))
    failing.clear()
    assert len(await write_to(sink, many)) == 100
    await sink.aclose()
    assert files(tmp_path / "dest") == {f"n01/{s.name}.jpg": s.data for s in sorted(many, key=lambda s: s.name)}
