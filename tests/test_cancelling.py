"""Cancelled at the worst moment: what a thread was about to obtain is given back, and the next run finds nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import asynccrawl as ac
from asynccrawl import opening
from asynccrawl.errors import FetchError, SettingsError
from asynccrawl.fetcher import HttpFetcher, body, connector, encoding, resolver
from asynccrawl.ledger import FILE_NAME, Ledger, Lock, store
from asynccrawl.settings import Limits, Network
from asynccrawl.testing import Answer, ImageServer, gzipped, picture, silent
from asynccrawl.threads import completed, in_thread, obtained

from .conftest import LOOPBACK, lenient
from .fetching import hop
from .lived import Lived
from .test_crawl import in_thread as off_the_loop
from .test_crawl import rows


class Gate:
    """A function that is held up in its thread: it has done its work, and has not returned."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._arrived, self._opened = threading.Event(), threading.Event()

    def __call__(self, *arguments: Any) -> Any:
        result = self._function(*arguments)
        self._arrived.set()
        self._opened.wait(30)
        return result

    async def cancel(self, task: asyncio.Task[Any]) -> None:
        """Cancel the task while the function is held up, twice, and wait until it has ended."""
        assert await asyncio.to_thread(self._arrived.wait, 30)
        for _ in range(2):
            task.cancel()
            await asyncio.sleep(0)
        self._opened.set()
        with pytest.raises(asyncio.CancelledError):
            await task


def descriptors() -> set[str]:
    """What this process has open, but for sockets and pipes."""
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the listing's own
            found.add(str(link.readlink()))
    return {path for path in found if path.startswith("/") and not path.startswith("/proc")}


@contextmanager
def nothing_stays_open() -> Iterator[None]:
    """The same descriptors after as before."""
    before = descriptors()
    yield
    assert descriptors() <= before


async def test_what_a_thread_obtains_is_given_back_or_handed_over():
    given: list[str] = []
    assert await obtained(str.upper, "a", give_back=given.append) == "A" and not given
    gate = Gate(str.upper)
    await gate.cancel(asyncio.ensure_future(obtained(gate, "b", give_back=given.append)))
    assert given == ["B"]

    def refuse() -> str:
        raise OSError("nothing there")

    gate = Gate(str.upper)
    with pytest.raises(OSError, match="nothing there"):
        await obtained(refuse, give_back=given.append)
    await gate.cancel(asyncio.ensure_future(in_thread(gate, "c")))
    assert given == ["B"], "what is merely called gives nothing back"


async def test_what_has_to_be_known_is_known_before_the_cancellation_is():
    gate, seen = Gate(str.upper), []

    async def commit() -> None:
        loop = asyncio.get_running_loop()
        seen.append(await completed(loop.run_in_executor(None, gate, "a")))
        await asyncio.sleep(0)
        seen.append("further")

    await gate.cancel(asyncio.ensure_future(commit()))
    assert seen == ["A"]


async def test_whatever_is_recorded_is_told_also_when_time_is_short(
    server: ImageServer, dest: Path, monkeypatch: pytest.MonkeyPatch
):
    server.route(lambda request: Answer(picture()))
    told: list[ac.Outcome] = []
    gate = Gate(Ledger._settle)
    monkeypatch.setattr(Ledger, "_settle", lambda *arguments: gate(*arguments))
    urls = [server.url(f"/{n}.jpg", n) for n in range(20)]
    crawl = ac.crawl(urls, dest, settings=LOOPBACK, on_outcome=told.append)
    await gate.cancel(asyncio.ensure_future(crawl))
    recorded = rows(dest)
    assert recorded and [row["ordinal"] for row in recorded] == sorted(one.ordinal or 0 for one in told)


class Slow:
    """A sink that writes for a long time, and is not to be closed meanwhile."""

    def __init__(self) -> None:
        self.writing, self.go_on = threading.Event(), threading.Event()
        self.closed = False

    def write(self, batch: Sequence[ac.Sample]) -> None:
        self.writing.set()
        self.go_on.wait(30)
        assert not self.closed

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.slow  # as long as a cancelled crawl may take
async def test_a_sink_that_still_writes_is_closed_afterwards_and_not_waited_for(server: ImageServer, dest: Path):
    server.add("/a.jpg", picture())
    sink = Slow()
    task = asyncio.ensure_future(ac.crawl([server.url("/a.jpg")], dest, settings=LOOPBACK, sink=sink))
    assert await asyncio.to_thread(sink.writing.wait, 30)
    with Lived() as lived:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert lived.seconds < 2.0 and not sink.closed
    sink.go_on.set()
    while not sink.closed:
        await asyncio.sleep(0.01)
    assert rows(dest) == [] and len(asyncio.all_tasks()) == 1


@pytest.mark.slow  # as long as a sink may take to be closed
@pytest.mark.parametrize("late", [False, True])
async def test_a_sink_that_is_long_in_closing_is_not_waited_for(server: ImageServer, dest: Path, late: bool):
    server.add("/a.jpg", picture())
    server.add("/never.jpg", silent())
    closing, go_on, closed = asyncio.Event(), asyncio.Event(), asyncio.Event()

    class Sink:
        async def write(self, batch: Sequence[ac.Sample]) -> None:
            pass

        async def aclose(self) -> None:
            closing.set()
            await go_on.wait()
            closed.set()

    urls = [server.url("/never.jpg" if late else "/a.jpg")]
    task = asyncio.ensure_future(ac.crawl(urls, dest, settings=LOOPBACK, sink=Sink()))
    while not (server.audit.count() if late else closing.is_set()):
        await asyncio.sleep(0.001)
    with Lived() as lived:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert lived.seconds < 2.0 and not closed.is_set()
    go_on.set()
    await closed.wait()


async def test_a_lock_that_was_being_taken_is_let_go(server: ImageServer, dest: Path, monkeypatch: pytest.MonkeyPatch):
    gate = Gate(Lock)
    with nothing_stays_open():
        with monkeypatch.context() as patch:
            gate.release = Lock.release  # type: ignore[attr-defined]
            patch.setattr(opening, "Lock", gate)
            await gate.cancel(asyncio.ensure_future(ac.crawl([], dest)))
        server.add("/a.jpg", picture())
        assert (await ac.crawl([server.url("/a.jpg")], dest, settings=LOOPBACK)).saved == 1


async def test_a_directory_that_was_being_made_is_removed(dest: Path, monkeypatch: pytest.MonkeyPatch):
    gate = Gate(opening._make_afresh)
    monkeypatch.setattr(opening, "_make_afresh", gate)
    await gate.cancel(asyncio.ensure_future(ac.crawl([], dest)))
    assert off_the_loop(lambda: [*dest.iterdir()]) == []


async def test_a_streams_room_that_was_being_made_is_removed(monkeypatch: pytest.MonkeyPatch):
    made: list[Path] = []
    make = opening._make_room
    gate = Gate(lambda: made.append(make()) or made[0])
    monkeypatch.setattr(opening, "_make_room", gate)

    async def first() -> None:
        async for _ in ac.stream([]):
            pass

    await gate.cancel(asyncio.ensure_future(first()))
    assert made and not off_the_loop(made[0].exists)


@pytest.mark.parametrize("name", ["_tls", "read_hosts"])
async def test_a_fetcher_that_was_being_opened_leaves_no_resolver(
    dest: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    module = connector if name == "_tls" else resolver
    gate = Gate(getattr(module, name))
    monkeypatch.setattr(module, name, gate)
    made: list[tuple[str, ...]] = []
    monkeypatch.setattr(resolver, "NameServers", lambda servers: made.append(servers))
    await gate.cancel(asyncio.ensure_future(HttpFetcher.open(LOOPBACK, dest)))
    assert not made, "it has descriptors, and nobody would close it"


async def test_certificates_that_cannot_be_read_leave_no_resolver(dest: Path, monkeypatch: pytest.MonkeyPatch):
    made: list[tuple[str, ...]] = []
    monkeypatch.setattr(resolver, "NameServers", lambda servers: made.append(servers))
    with pytest.raises(SettingsError, match="no certificates"):
        await HttpFetcher.open(lenient(network=Network(ca_file="/dev/null")), dest)
    assert not made


async def test_a_ledger_that_was_being_opened_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    gate = Gate(store.connect)
    monkeypatch.setattr(store, "connect", gate)
    with nothing_stays_open():
        await gate.cancel(asyncio.ensure_future(Ledger.open(tmp_path / FILE_NAME, {})))


async def test_a_ledger_that_is_being_closed_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with nothing_stays_open():
        ledger = await Ledger.open(tmp_path / FILE_NAME, {})
        gate = Gate(ledger._execute)
        monkeypatch.setattr(ledger, "_execute", gate)
        await gate.cancel(asyncio.ensure_future(ledger.aclose()))


@pytest.mark.parametrize("encoded", [False, True])
async def test_a_large_body_whose_time_is_up_leaves_no_file_and_no_descriptor(
    server: ImageServer, dest: Path, monkeypatch: pytest.MonkeyPatch, encoded: bool
):
    """A deadline or an eviction comes as a cancellation; the crawl goes on, perhaps for days."""
    module = encoding if encoded else body
    gate = Gate(module.created)  # type: ignore[attr-defined]
    monkeypatch.setattr(module, "created", gate)
    data = picture(size=(200, 200), quality=95)
    server.add("/a.jpg", gzipped(data) if encoded else Answer(data))
    above = len(data) - 1 if encoded else 10_000  # encoded it is a few bytes smaller
    fetcher = await HttpFetcher.open(lenient(limits=Limits(spool_above=above)), dest)
    with pytest.raises(FetchError):  # now its modules are loaded
        await fetcher.fetch(hop(server.url("/b.jpg"), 5.0))
    try:
        with nothing_stays_open():
            await gate.cancel(asyncio.ensure_future(fetcher.fetch(hop(server.url("/a.jpg"), 5.0))))
        assert off_the_loop(lambda: [*dest.iterdir()]) == []
    finally:
        await fetcher.aclose()
