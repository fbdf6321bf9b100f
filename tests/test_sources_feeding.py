"""Batches of entries from whatever `urls` may be: complete, prompt, and never blocking the loop."""

from __future__ import annotations

import asyncio
import contextvars
import gzip
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from asynccrawl.errors import ListError
from asynccrawl.models import Request
from asynccrawl.settings import ListOptions
from asynccrawl.sources import BATCH, MAX_LINE_BYTES, Entry, entries

OPTIONS = ListOptions()
WAYS = ["list", "tuple", "iterable", "async"]


def given_as(way: str, items: list[Any]) -> Any:
    """The items as a list, a tuple, a foreign iterable, or an async iterable."""

    async def asynchronously() -> AsyncIterator[Any]:
        for n, item in enumerate(items):
            if n % 3 == 0:
                await asyncio.sleep(0)
            yield item

    return {"list": list, "tuple": tuple, "iterable": deque, "async": lambda _: asynchronously()}[way](items)


async def batches_of(urls: Any, options: ListOptions = OPTIONS) -> list[list[Entry]]:
    return [batch async for batch in entries(urls, options)]


async def entries_of(urls: Any, options: ListOptions = OPTIONS) -> list[Entry]:
    return [entry for batch in await batches_of(urls, options) for entry in batch]


def reading_ends() -> bool:
    """Whether no reading thread is left; one that has said its last word may take a moment to go."""
    ours = [thread for thread in threading.enumerate() if thread.name == "asynccrawl-list"]
    for thread in ours:
        thread.join(5)
    return not any(thread.is_alive() for thread in ours)


@pytest.mark.parametrize("way", WAYS)
async def test_every_kind_of_item(way: str):
    request = Request("http://h/4", "key", "label", {"a": 1})
    items = ["http://h/1", "k2 http://h/2\n", "", ("k3", "http://h/3"), [None, " http://h/5 "], request, "nonsense"]
    made = await entries_of(given_as(way, items))
    assert [(e.line, e.request) for e in made] == [
        (1, Request("http://h/1")), (2, Request("http://h/2", "k2")), (4, Request("http://h/3", "k3")),
        (5, Request("http://h/5")), (6, request), (7, Request("nonsense")),
    ]  # fmt: skip
    assert [e.line for e in made if e.error] == [7]
    assert made[4].request is request


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("count", [0, 1, BATCH - 1, BATCH, BATCH + 1, 5 * BATCH + 7])
async def test_nothing_is_lost_doubled_or_out_of_order(way: str, count: int):
    batches = await batches_of(given_as(way, [f"http://h/{n}" for n in range(count)]))
    assert [entry.line for batch in batches for entry in batch] == list(range(1, count + 1))
    assert all(0 < len(batch) <= BATCH for batch in batches)
    assert reading_ends()


async def test_a_long_list_comes_in_few_batches(tmp_path: Path):
    path = tmp_path / "list"
    path.write_text("".join(f"http://h/{n}\n" for n in range(20 * BATCH)))
    batches = await batches_of(path)
    assert sum(map(len, batches)) == 20 * BATCH
    assert len(batches) < 100


async def test_the_first_batch_of_a_long_sequence_is_small():
    first = await anext(entries(["http://h/a"] * 10_000, OPTIONS))
    assert len(first) < BATCH


@pytest.mark.parametrize("as_str", [True, False])
async def test_a_str_and_a_path_are_paths(tmp_path: Path, as_str: bool):
    path = tmp_path / "list"
    path.write_bytes(b"http://h/1\n\nk http://h/2\n")
    made = await entries_of(str(path) if as_str else path)
    assert [(e.line, e.request.key) for e in made] == [(1, None), (3, "k")]


async def test_the_format_holds_for_items_that_are_str():
    made = await entries_of(["k http://h/a", ("k", "http://h/b")], ListOptions(format="urls"))
    assert [e.request for e in made] == [Request("k http://h/a"), Request("http://h/b", "k")]


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ("http://h/a\x00b", "0x00"),
        ("http://h/a\nhttp://h/b", "0x0a"),
        (("k", "http://h/\x00"), "0x00"),
        ("http://h/" + "a" * MAX_LINE_BYTES, "longer than"),
    ],
)
@pytest.mark.parametrize("way", WAYS)
async def test_a_bad_item_is_a_bad_entry(way: str, item: Any, why: str):
    before, entry, after = await entries_of(given_as(way, ["http://h/1", item, "http://h/3"]))
    assert before.error is None and after.error is None
    assert entry.error and why in entry.error and len(entry.request.url) < 1000


async def test_a_byte_order_mark_in_the_first_str():
    assert (await entries_of(["\ufeffk http://h/a"]))[0].request.key == "k"


async def test_a_pair_is_no_line_and_may_have_any_key():
    good, bad = await entries_of([("a\tb\n_1", " http://h/a "), ("k", "http://h/\tb")])
    assert good == Entry(1, Request("http://h/a", "a\tb\n_1"))
    assert bad.error and "a tab" in bad.error and bad.request.key == "k"


async def test_half_a_surrogate_pair_does_no_harm():
    assert [e.error for e in await entries_of(["http://h/\ud800", ("\ud800", "http://h/")])] == [None, None]


WRONG = [b"http://h/a", 7, None, ("k",), ("k", None), (1, "http://h/a"), ("k", "u", "x"), {"url": "http://h/a"}]


@pytest.mark.parametrize("item", WRONG, ids=repr)
@pytest.mark.parametrize("way", WAYS)
async def test_an_item_of_another_type_is_a_type_error_that_tells_its_position(way: str, item: Any):
    made = []
    with pytest.raises(TypeError, match=r"item 3 is .* must be a str .*pair.*Request"):
        async for batch in entries(given_as(way, ["http://h/1", "http://h/2", item]), OPTIONS):
            made += batch
    assert [entry.line for entry in made] == [1, 2]
    assert reading_ends()


@pytest.mark.parametrize("urls", [b"list.txt", bytearray(b"x"), Request("http://h/a"), 7, None])
def test_urls_of_another_type_are_refused_at_once(urls: Any):
    with pytest.raises(TypeError, match=f"urls must be a path.*{type(urls).__name__}"):
        entries(urls, OPTIONS)


async def test_a_missing_file_and_the_entries_before_damage(tmp_path: Path):
    with pytest.raises(ListError, match="no such file"):
        await batches_of(tmp_path / "none")
    path = tmp_path / "list.gz"
    path.write_bytes(gzip.compress(b"http://h/a\n" * 50_000)[:-10])
    made = []
    with pytest.raises(ListError, match="fetch it again"):
        async for batch in entries(path, OPTIONS):
            made += batch
    assert len(made) > 10_000
    assert reading_ends()


class Mine(Exception):
    """An error of the caller's own."""


@pytest.mark.parametrize("error", [Mine("unchanged"), KeyError("k"), SystemExit(3)])
async def test_what_an_iterable_raises_comes_through_after_its_items(error: BaseException):
    def items() -> Iterator[str]:
        yield "http://h/1"
        yield "http://h/2"
        raise error

    made = []
    with pytest.raises(type(error)) as caught:
        async for batch in entries(items(), OPTIONS):
            made += batch
    assert caught.value is error and len(made) == 2


async def test_what_an_async_iterable_raises_comes_through_after_its_items():
    error = Mine("unchanged")

    async def items() -> AsyncIterator[str]:
        yield "http://h/1"
        raise error

    made = []
    with pytest.raises(Mine) as caught:
        async for batch in entries(items(), OPTIONS):
            made += batch
    assert caught.value is error and len(made) == 1


class Broken:
    """Says it is iterable, and is not."""

    def __iter__(self) -> Iterator[str]:
        raise Mine("iter")

    def __aiter__(self) -> AsyncIterator[str]:
        raise Mine("aiter")


async def test_an_iterable_that_cannot_even_begin():
    with pytest.raises(Mine, match="aiter"):
        await batches_of(Broken())
    with pytest.raises(Mine, match="iter"):
        await batches_of(type("Sync", (), {"__iter__": Broken.__iter__})())


async def test_a_foreign_iterable_runs_off_the_loop_in_the_callers_context():
    variable = contextvars.ContextVar("variable", default="")
    variable.set("mine")
    seen = []

    def items() -> Iterator[str]:
        seen.append((threading.current_thread(), variable.get()))
        yield "http://h/a"

    await batches_of(items())
    ((thread, value),) = seen
    assert thread is not threading.main_thread() and thread.daemon and value == "mine"


async def test_what_a_slow_iterable_gave_is_not_held_back():
    go_on = threading.Event()

    def items() -> Iterator[str]:
        for n in range(3):
            yield f"http://h/{n}"
            assert go_on.wait(30)
            go_on.clear()

    async with aclosing(entries(items(), OPTIONS)) as batches:
        for n in range(3):
            (entry,) = await anext(batches)
            assert entry.line == n + 1
            go_on.set()
        assert [batch async for batch in batches] == []


async def test_what_a_slow_async_iterable_gave_is_not_held_back_or_lost():
    go_on = asyncio.Event()

    async def items() -> AsyncIterator[str]:
        for n in range(4):
            yield f"http://h/{n}"
            if n % 2:
                await go_on.wait()
                go_on.clear()

    async with aclosing(entries(items(), OPTIONS)) as batches:
        for first in (1, 3):
            made: list[Entry] = []
            while len(made) < 2:
                made += await anext(batches)
            assert [entry.line for entry in made] == [first, first + 1]
            go_on.set()
        assert [batch async for batch in batches] == []


@pytest.mark.parametrize("way", ["iterable", "async"])
async def test_reading_ahead_is_bounded(way: str):
    given = 0

    def items() -> Iterator[str]:
        nonlocal given
        while True:
            given += 1
            yield f"http://h/{given}"

    async def asynchronously() -> AsyncIterator[str]:
        for item in items():
            yield item

    async with aclosing(entries(items() if way == "iterable" else asynchronously(), OPTIONS)) as batches:
        taken = 0
        for _ in range(5):
            taken += len(await anext(batches))
            await asyncio.sleep(0.005)
            assert given - taken <= 3 * BATCH
    assert reading_ends()


async def test_leaving_early_closes_the_generator_and_ends_the_thread():
    closed = threading.Event()

    def items() -> Iterator[str]:
        try:
            while True:
                yield "http://h/a"
        finally:
            closed.set()

    async with aclosing(entries(items(), OPTIONS)) as batches:
        await anext(batches)
    assert closed.is_set() and reading_ends()


async def test_leaving_early_closes_an_async_generator():
    closed = []

    async def items() -> AsyncIterator[str]:
        try:
            while True:
                yield "http://h/a"
                await asyncio.sleep(0)
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    async with aclosing(entries(items(), OPTIONS)) as batches:
        await anext(batches)
    assert closed == [True] and len(asyncio.all_tasks()) == 1


async def test_leaving_early_does_not_wait_for_an_iterable_that_is_blocked():
    let_go = threading.Event()

    closed = []

    def items() -> Iterator[str]:
        try:
            yield "http://h/1"
            let_go.wait(20)
            yield "http://h/2"
        finally:
            closed.append(True)

    batches = entries(items(), OPTIONS)
    await anext(batches)
    async with asyncio.timeout(15):
        await batches.aclose()
    assert not closed
    let_go.set()
    assert reading_ends() and closed == [True]


async def test_cancelled_while_it_waits_it_lets_go():
    let_go = threading.Event()

    def items() -> Iterator[str]:
        yield "http://h/1"
        let_go.wait(20)

    async def consume() -> None:
        async for _ in entries(items(), OPTIONS):
            waiting.set()

    waiting = asyncio.Event()
    task = asyncio.create_task(consume())
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    let_go.set()
    assert reading_ends()


BLOCKED_STDIN = """
import asyncio, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may have ignored it
from asynccrawl.settings import ListOptions
from asynccrawl.sources import entries

async def main():
    async for batch in entries("-", ListOptions()):
        print([entry.line for entry in batch], flush=True)

try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.slow  # starts a process
def test_ctrl_c_is_not_held_up_by_a_standard_input_that_blocks():
    with subprocess.Popen(
        [sys.executable, "-c", BLOCKED_STDIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write(b"http://h/1\nhttp://h/2")
        process.stdin.flush()
        assert process.stdout.readline() == b"[1]\n", "a line that is there is handed on"
        process.send_signal(signal.SIGINT)
        assert process.wait(50) == 0
        assert process.stdout.read() == b"interrupted\n"
        assert process.stderr.read() == b""
