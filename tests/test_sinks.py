"""What every sink is spoken to through, and the sinks that keep nothing on disk: adapters, memory, null, tee."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from typing import Any

import pytest

from asynccrawl.errors import DestinationBusy, StorageError
from asynccrawl.models import Failure, Reason, Request, Sample
from asynccrawl.sinks import (
    DirectorySink,
    MemorySink,
    NullSink,
    TeeSink,
    can_remove,
    close_sink,
    remove_from,
    write_to,
)


def sample(name: str = "a", data: bytes | None = b"picture", **changes: Any) -> Sample:
    return Sample(Request("http://h/"), 0, name, "n01", "jpeg", data=data, bytes=7, **changes)


def spooled(path: Path, name: str = "a") -> Sample:
    path.write_bytes(b"picture")
    return sample(name, None, path=path, temporary=True)


class Scripted:
    """A sink whose async write returns what it is told, or raises it."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer
        self.batches: list[list[Sample]] = []

    async def write(self, batch: Sequence[Sample]) -> Any:
        self.batches.append(list(batch))
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer(batch) if callable(self.answer) else self.answer


class Removing(Scripted):
    def __init__(self, answer: Any = None) -> None:
        super().__init__(answer)
        self.removed: list[str] = []
        self.closed = 0

    async def remove(self, batch: Sequence[Sample]) -> None:
        self.removed += [sample.name for sample in batch]

    async def aclose(self) -> None:
        self.closed += 1


class Plain:
    """A sink of plain functions."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []

    def write(self, batch: Sequence[Sample]) -> list[PurePath]:
        self.threads.append(threading.current_thread())
        return [PurePath("d", sample.name) for sample in batch]

    def remove(self, batch: Sequence[Sample]) -> None:
        self.threads.append(threading.current_thread())

    def aclose(self) -> None:
        self.threads.append(threading.current_thread())


REFUSED = Failure(Request("http://h/"), 0, "b", Reason.NAME_CONFLICT)


# Adapters


@pytest.mark.parametrize(
    ("answer", "entries"),
    [
        (None, [None, None]),
        (["d/a", None], ["d/a", None]),
        ((PurePath("d/a"), REFUSED), ["d/a", REFUSED]),
    ],
)
async def test_what_write_returns_becomes_one_entry_a_sample(answer: Any, entries: Any):
    assert await write_to(Scripted(answer), [sample("a"), sample("b")]) == entries


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (["one"], "Scripted.write returned 1 entries for 2 samples"),
        ([], "Scripted.write returned 0 entries for 2 samples"),
        ("ab", "Scripted.write returned str"),
        ({1, 2}, "Scripted.write returned set"),
        ([1, 2], "an entry that is int"),
        (ValueError("no such shard"), "Scripted.write failed: ValueError: no such shard"),
        (OSError(28, "No space left on device"), "Scripted.write failed: OSError"),
    ],
)
async def test_what_does_not_fit_is_a_storage_error_that_names_the_sink(answer: Any, told: str):
    with pytest.raises(StorageError, match=told):
        await write_to(Scripted(answer), [sample("a"), sample("b")])


@pytest.mark.parametrize("error", [StorageError("full"), DestinationBusy("held"), asyncio.CancelledError()])
async def test_what_is_ours_already_passes_unchanged(error: BaseException):
    with pytest.raises(type(error)) as caught:
        await write_to(Scripted(error), [sample()])
    assert caught.value is error


async def test_plain_functions_are_called_in_a_thread():
    sink = Plain()
    assert await write_to(sink, [sample()]) == ["d/a"]
    assert await remove_from(sink, [sample()])
    await close_sink(sink)
    assert len(sink.threads) == 3 and threading.main_thread() not in sink.threads


async def test_a_plain_function_may_return_an_awaitable():
    class Wrapped:
        def write(self, batch: Sequence[Sample]) -> Any:
            return Scripted(["x"]).write(batch)

    assert await write_to(Wrapped(), [sample()]) == ["x"]


async def test_a_sink_may_do_without_remove_and_aclose():
    await close_sink(Scripted())
    assert not can_remove(Scripted())
    assert not await remove_from(Scripted(), [sample()])


async def test_stop_iteration_in_a_thread_does_not_hang():
    class Exhausted:
        def write(self, batch: Sequence[Sample]) -> None:
            next(iter(()))

    with pytest.raises(StorageError, match="StopIteration"):
        await write_to(Exhausted(), [sample()])


async def test_a_cancelled_write_waits_for_its_thread():
    began, go, ended = threading.Event(), threading.Event(), threading.Event()

    class Slow:
        def write(self, batch: Sequence[Sample]) -> None:
            began.set()
            go.wait(30)
            ended.set()
            raise ValueError("nobody hears this")

    writing = asyncio.create_task(write_to(Slow(), [sample()]))
    await asyncio.to_thread(began.wait, 30)
    for _ in range(3):
        writing.cancel()
        await asyncio.sleep(0)
    assert not writing.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert ended.is_set()


async def test_no_temporary_file_outlives_a_write(tmp_path: Path):
    left = spooled(tmp_path / "left")
    await write_to(NullSink(), [left])
    assert not left.path.exists()


async def test_a_temporary_file_outlives_a_write_that_failed(tmp_path: Path):
    kept = spooled(tmp_path / "kept")
    with pytest.raises(StorageError):
        await write_to(Scripted(ValueError()), [kept])
    assert kept.path.exists()


# Memory and null


async def test_memory_sink_keeps_samples_by_name(tmp_path: Path):
    sink = MemorySink()
    assert await write_to(sink, [sample("a"), spooled(tmp_path / "x", "b")]) == [None, None]
    assert {name: await kept.read() for name, kept in sink.samples.items()} == {"a": b"picture", "b": b"picture"}
    assert not sink.samples["b"].temporary and repr(sink) == "<MemorySink 2 samples>"
    await sink.remove([sample("a"), sample("unknown")])
    assert list(sink.samples) == ["b"]


async def test_null_sink_counts():
    sink = NullSink()
    await write_to(sink, [sample("a"), sample("b")])
    await write_to(sink, [sample("a")])
    assert (sink.written, sink.bytes) == (3, 21)


# Tee


async def test_tee_writes_to_all_and_tells_the_first_ones_paths():
    memory = MemorySink()
    tee = TeeSink(Scripted(["first"]), Scripted(["second"]), memory)
    assert await write_to(tee, [sample()]) == ["first"]
    assert list(memory.samples) == ["a"]


async def test_a_failure_from_one_sink_fails_the_sample_for_all():
    def refuse_b(batch: Sequence[Sample]) -> list[Any]:
        return [REFUSED if each.name == "b" else "other" for each in batch]

    first, last = Removing(lambda batch: [f"d/{each.name}" for each in batch]), Removing()
    tee = TeeSink(first, Scripted(refuse_b), last)
    assert await write_to(tee, [sample("a"), sample("b"), sample("c")]) == ["d/a", REFUSED, "d/c"]
    assert first.removed == ["b"] and last.removed == []
    assert [each.name for each in last.batches[0]] == ["a", "c"]


async def test_a_failure_from_a_later_sink_leaves_what_cannot_be_taken_back():
    kept = Scripted()
    assert await write_to(TeeSink(kept, Scripted([REFUSED])), [sample("b")]) == [REFUSED]
    assert len(kept.batches) == 1


async def test_only_the_last_sink_may_move_a_temporary_file(tmp_path: Path):
    seen = [Scripted(), Scripted(), Scripted()]
    await write_to(TeeSink(*seen), [spooled(tmp_path / "x")])
    assert [sink.batches[0][0].temporary for sink in seen] == [False, False, True]


async def test_a_temporary_file_reaches_every_directory(tmp_path: Path):
    tee = TeeSink(DirectorySink(tmp_path / "1"), MemorySink(), DirectorySink(tmp_path / "2"))
    for _ in range(2):
        assert await write_to(tee, [spooled(tmp_path / "x")]) == ["n01/a.jpg"]
    assert (tmp_path / "1/n01/a.jpg").read_bytes() == (tmp_path / "2/n01/a.jpg").read_bytes() == b"picture"
    assert not (tmp_path / "x").exists()
    assert tee.remove is not None
    await tee.remove([sample()])
    await close_sink(tee)
    assert not list((tmp_path / "1").iterdir()) and not list((tmp_path / "2").iterdir())


async def test_a_conflict_in_one_directory_leaves_nothing_in_the_other(tmp_path: Path):
    (tmp_path / "2/n01/a.jpg").mkdir(parents=True)
    (entry,) = await write_to(TeeSink(DirectorySink(tmp_path / "1"), DirectorySink(tmp_path / "2")), [sample()])
    assert isinstance(entry, Failure) and entry.reason is Reason.NAME_CONFLICT
    assert not (tmp_path / "1/n01").exists()


async def test_a_tee_can_remove_when_all_of_it_can():
    both, one = TeeSink(Removing(), Removing()), TeeSink(Removing(), Scripted())
    assert can_remove(both) and not can_remove(one)


@pytest.mark.parametrize(
    ("make", "durable"),
    [
        (lambda: TeeSink(Scripted(), MemorySink(), NullSink()), True),
        (lambda: TeeSink(Scripted(), TeeSink(Scripted(), MemorySink())), True),
        (lambda: TeeSink(Scripted(), ExportOnly()), False),
        (lambda: TeeSink(TeeSink(ExportOnly())), False),
    ],
)
def test_a_tee_is_as_durable_as_what_is_in_it(make: Callable[[], TeeSink], durable: bool):
    assert make().durable is durable


class ExportOnly(Scripted):
    durable = False


async def test_a_tee_closes_all_and_tells_every_failure():
    class Stuck(Removing):
        async def aclose(self) -> None:
            await super().aclose()
            raise OSError("stuck")

    sinks = [Stuck(), Removing(), Stuck()]
    with pytest.raises(StorageError, match="stuck") as caught:
        await close_sink(TeeSink(*sinks, Scripted()))
    assert [sink.closed for sink in sinks] == [1, 1, 1]
    assert caught.value.__notes__ == ["also: Stuck.aclose failed: OSError: stuck"]


def test_a_tee_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        TeeSink()
