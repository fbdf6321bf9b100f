"""The engine without a network: a scripted fetcher, a decoder that believes everything, a backlog in memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from asynccrawl.engine import Engine
from asynccrawl.engine.fetching import Fetching
from asynccrawl.engine.outbox import Outbox
from asynccrawl.engine.portion import FEWEST, Portion
from asynccrawl.engine.state import State
from asynccrawl.errors import FetchError, ListError, StorageError
from asynccrawl.fetcher.wire import Doubt
from asynccrawl.frontier import Flight
from asynccrawl.imaging import Facts
from asynccrawl.models import Failure, Hop, Reason, Record, Request, Response, Result, Sample
from asynccrawl.settings import HostLimits, Limits, Network, RetryPolicy, Settings
from asynccrawl.testing.fakes import FakeDecoder, FakeFetcher, MemoryBacklog

QUICK = Settings(retry=RetryPolicy(base=0.0))


def record(ordinal: int, url: str) -> Record:
    return Record(ordinal, ordinal + 1, f"{ordinal:09d}", None, Request(url), url.split("/")[2])


async def feed(items: Sequence[Record | Failure], size: int = 50) -> AsyncGenerator[Sequence[Record | Failure], None]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


async def run(answers: Any, urls: Sequence[str], settings: Settings = QUICK, **options: Any) -> list[Result]:
    engine = Engine(settings, options.get("fetcher") or FakeFetcher(answers), FakeDecoder())
    found: list[Result] = []
    backlog = options.get("backlog") or MemoryBacklog()
    pending: list[Record] = [record(i, url) for i, url in enumerate(urls)]
    while pending:  # as a job does it: the list, then what is left for its second chance
        async for batch in engine.run(feed(pending), backlog):
            found += batch
        done = {result.ordinal for result in found}
        pending = [r for n, r in sorted(backlog.records.items()) if n not in done] if engine.chances else []
    assert engine.frontier.idle and engine.frontier.in_flight == 0
    return sorted(found, key=lambda result: result.ordinal)


async def until(true: Callable[[], bool]) -> None:
    """Let the loop turn until something has come about; the test's time-out is the bound."""
    while not true():
        await asyncio.sleep(0)


def busy(retry_after: float | None = None) -> FetchError:
    return FetchError(Reason.HTTP_429, True, "busy", http_status=429, retry_after=retry_after)


RESET = FetchError(Reason.RESET, True, "reset")


async def test_bodies_become_samples_and_errors_failures():
    good, gone = await run({"http://a/1": b"picture"}, ["http://a/1", "http://a/2"])
    assert isinstance(good, Sample) and isinstance(gone, Failure)
    assert (good.data, good.bytes, good.attempts, good.final_url, good.line) == (b"picture", 7, 1, "http://a/1", 1)
    assert (gone.reason, gone.retryable, gone.http_status, gone.attempts) == (Reason.HTTP_404, False, 404, 1)


async def test_failures_in_the_feed_pass_through():
    bad = Failure(Request("x"), 0, None, Reason.BAD_LINE, line=1)
    engine = Engine(QUICK, FakeFetcher({}), FakeDecoder())
    assert [b async for b in engine.run(feed([bad]), MemoryBacklog())] == [[bad]]


async def test_every_record_has_one_result_within_all_limits():
    fetcher = FakeFetcher(lambda hop: b"x")
    urls = [f"http://h{i % 7}/{i}" for i in range(1000)]
    found = await run(None, urls, replace(QUICK, concurrency=10, hosts=HostLimits(per_host=2)), fetcher=fetcher)
    assert [result.ordinal for result in found] == list(range(1000))
    assert fetcher.most[""] <= 10
    assert all(fetcher.most[f"h{i}"] <= 2 for i in range(7))


async def test_a_transient_failure_is_tried_again_and_a_permanent_one_is_not():
    fetcher = FakeFetcher({"http://a/1": [RESET, RESET, b"late"], "http://a/2": [RESET]})
    late, never, gone = await run(None, ["http://a/1", "http://a/2", "http://a/3"], fetcher=fetcher)
    assert isinstance(late, Sample) and late.attempts == 3
    assert isinstance(never, Failure) and (never.attempts, never.retryable, never.reason) == (8, True, Reason.RESET)
    assert isinstance(gone, Failure) and gone.attempts == 1
    assert Counter(hop.url for hop in fetcher.started) == {"http://a/1": 3, "http://a/2": 8, "http://a/3": 1}


async def test_a_waiting_retry_occupies_no_slot():
    slow_retry = replace(QUICK, concurrency=1, retry=RetryPolicy(base=0.0))
    answers = {"http://a/0": [busy(0.15), b"x"], **{f"http://b/{i}": b"x" for i in range(1, 50)}}
    fetcher = FakeFetcher(answers)
    await run(None, ["http://a/0", *(f"http://b/{i}" for i in range(1, 50))], slow_retry, fetcher=fetcher)
    assert [hop.url for hop in fetcher.started].index("http://b/49") < len(fetcher.started) - 1
    assert fetcher.started[-1].url == "http://a/0", "the others went on while it was held"


async def test_retry_after_holds_the_whole_host():
    times: dict[str, float] = {}
    loop = asyncio.get_running_loop()

    def answer(hop: Hop) -> Any:
        times[f"{hop.url} {hop.attempt}"] = loop.time()
        return busy(0.1) if hop.url == "http://a/0" and hop.attempt == 1 else b"x"

    await run(answer, [f"http://a/{i}" for i in range(4)], replace(QUICK, hosts=HostLimits(per_host=1)))
    first = times["http://a/0 1"]
    assert all(when >= first + 0.1 for key, when in times.items() if key != "http://a/0 1")


async def test_what_a_server_answered_counts_also_when_we_had_been_away():
    """A laptop's lid may close between a request and its 429; whoever was away may be too late, but is not deaf."""
    loop, asked, away = asyncio.get_running_loop(), list[float](), [0.0]

    def answer(hop: Hop) -> Any:
        asked.append(loop.time())
        if len(asked) > 1:
            return b"x"
        away[0] = 5.0
        return busy(0.1)

    engine = Engine(QUICK, FakeFetcher(answer), FakeDecoder(), clock=lambda: loop.time() + away[0])
    found = [one async for batch in engine.run(feed([record(0, "http://a/0")]), MemoryBacklog()) for one in batch]
    assert [result.attempts for result in found] == [2] and asked[1] - asked[0] >= 0.1


async def test_what_failed_while_we_were_away_does_not_count():
    asked, away = list[str](), [0.0]

    def answer(hop: Hop) -> Any:
        asked.append(hop.url)
        away[0] += 5.0 if len(asked) == 1 else 0.0
        return RESET if len(asked) == 1 else b"x"

    clock = asyncio.get_running_loop().time
    engine = Engine(QUICK, FakeFetcher(answer), FakeDecoder(), clock=lambda: clock() + away[0])
    found = [one async for batch in engine.run(feed([record(0, "http://a/0")]), MemoryBacklog()) for one in batch]
    assert [result.attempts for result in found] == [1] and len(asked) == 2


async def test_a_host_that_asks_for_too_long_is_left_alone_and_its_records_end_retryable():
    urls = [f"http://a/{i}" for i in range(300)] + ["http://b/1"]
    fetcher = FakeFetcher(lambda hop: busy(86_400) if hop.host == "a" else b"x")
    settings = replace(QUICK, hosts=HostLimits(per_host=1, window=500))
    found = await run(None, urls, settings, fetcher=fetcher)
    assert isinstance(found[-1], Sample)
    assert len(found) == 301 and all(isinstance(r, Failure) and r.retryable for r in found[:-1])
    assert sum(hop.host == "a" for hop in fetcher.started) == 1
    assert sorted(r.attempts for r in found[:-1]) == [0] * 299 + [1]


async def test_redirects_go_through_the_frontier_to_their_host():
    answers = {"http://a/1": "http://b/2", "http://b/2": "/3", "http://b/3": b"there"}
    fetcher = FakeFetcher(answers)
    (found,) = await run(None, ["http://a/1"], fetcher=fetcher)
    assert isinstance(found, Sample) and found.final_url == "http://b/3" and found.attempts == 1
    assert [(hop.host, hop.hops) for hop in fetcher.started] == [("a", 0), ("b", 1), ("b", 2)]


@pytest.mark.parametrize(
    ("location", "reason"),
    [("http://a/0", Reason.REDIRECT_LOOP), ("ftp://b/", Reason.BLOCKED_SCHEME), ("http://[::bad", Reason.BAD_REDIRECT),
     ("http://", Reason.BAD_REDIRECT), ("data:image/png;base64,xx", Reason.BLOCKED_SCHEME)],
)  # fmt: skip
async def test_redirects_that_lead_nowhere(location: str, reason: Reason):
    fetcher = FakeFetcher({"http://a/0": location})
    (found,) = await run(None, ["http://a/0"], fetcher=fetcher)
    assert isinstance(found, Failure) and (found.reason, found.retryable) == (reason, False)
    assert len(fetcher.started) == (6 if reason is Reason.REDIRECT_LOOP else 1)


async def test_no_redirects_where_none_are_wanted():
    settings = replace(QUICK, network=Network(max_redirects=0))
    (found,) = await run({"http://a/0": "/1", "http://a/1": b"x"}, ["http://a/0"], settings)
    assert isinstance(found, Failure) and found.reason is Reason.REDIRECT_LOOP


async def test_the_deadline_is_summed_over_the_hops_of_an_attempt():
    fetcher = FakeFetcher({"http://a/1": "http://b/2", "http://b/2": b"x"})
    await run(None, ["http://a/1"], replace(QUICK, limits=Limits(timeout=9.0)), fetcher=fetcher)
    first, second = fetcher.started
    assert first.seconds_left == 9.0 and 0 < second.seconds_left < 9.0
    assert second.elapsed == pytest.approx(9.0 - second.seconds_left)


async def test_a_body_that_may_not_be_kept_is_a_failure_with_its_answer():
    (found,) = await run({"http://a/1": b"bad picture"}, ["http://a/1"])
    assert isinstance(found, Failure)
    assert (found.reason, found.http_status, found.final_url) == (Reason.CORRUPT, 200, "http://a/1")


async def test_a_bad_body_without_framing_was_cut_and_is_tried_again():
    cut = Response("http://a/1", 200, data=b"bad", size=3, framed=False)
    saved, lost = await run({"http://a/1": [cut, b"whole"], "http://a/2": cut}, ["http://a/1", "http://a/2"])
    assert isinstance(saved, Sample) and saved.attempts == 2
    assert isinstance(lost, Failure) and (lost.reason, lost.retryable) == (Reason.TRUNCATED, True)


async def test_a_fetcher_that_raises_costs_one_record_only():
    def answer(hop: Hop) -> bytes:
        if hop.url.endswith("/1"):
            raise ZeroDivisionError("oops")
        return b"x"

    odd, good = await run(answer, ["http://a/1", "http://a/2"], replace(QUICK, retry=RetryPolicy(retries=0)))
    assert isinstance(odd, Failure) and odd.reason is Reason.INTERNAL and "oops" in (odd.detail or "")
    assert isinstance(good, Sample)


async def test_a_storage_error_ends_the_run():
    def answer(hop: Hop) -> bytes:
        raise StorageError("the disk is full")

    with pytest.raises(StorageError, match="full"):
        await run(answer, ["http://a/1", "http://a/2"])


async def test_a_list_that_breaks_ends_the_run_after_what_is_in_flight():
    async def broken() -> AsyncGenerator[Sequence[Record | Failure], None]:
        yield [record(0, "http://a/0")]
        await until(lambda: bool(fetcher.started))
        raise ListError("line 2 is damaged")

    gate = asyncio.Event()
    fetcher = FakeFetcher({"http://a/0": b"x"}, gate)
    engine = Engine(QUICK, fetcher, FakeDecoder())
    asyncio.get_running_loop().call_later(0.02, gate.set)
    found: list[Result] = []
    with pytest.raises(ListError, match="line 2"):
        async for batch in engine.run(broken(), MemoryBacklog()):
            found += batch
    assert [result.ordinal for result in found] == [0]


async def test_a_sorted_list_starves_nobody_and_keeps_little_in_memory():
    """All of one slow host first: the others are served at once, and the slow host's rest waits in the backlog."""
    gate = asyncio.Event()

    class Slow(FakeFetcher):
        async def fetch(self, hop: Hop, heard: Callable[[], None] = lambda: None) -> Response:
            if hop.host == "slow":
                await gate.wait()
            return await super().fetch(hop, heard)

    urls = [f"http://slow/{i}" for i in range(2000)] + [f"http://h{i % 20}/{i}" for i in range(500)]
    fetcher = Slow(lambda hop: b"x")
    engine = Engine(replace(QUICK, concurrency=20), fetcher, FakeDecoder())
    records = [record(i, url) for i, url in enumerate(urls)]
    seen: list[str] = []
    async for batch in engine.run(feed(records), MemoryBacklog()):
        seen += [result.request.url.split("/")[2] for result in batch]
        if len(seen) >= 500 and not gate.is_set():
            assert "slow" not in seen
            assert engine.frontier.spilled >= 1900 and engine.frontier.queued <= 64
            gate.set()
    assert Counter(seen)["slow"] == 2000 and len(seen) == 2500


async def test_a_slow_consumer_pauses_fetching():
    fetcher = FakeFetcher(lambda hop: b"x" * 1000)
    settings = replace(QUICK, concurrency=4, limits=Limits(buffer_bytes=20_000), hosts=HostLimits(per_host=4))
    engine = Engine(settings, fetcher, FakeDecoder())
    records = [record(i, f"http://h{i % 9}/{i}") for i in range(400)]
    taken = 0
    async for batch in engine.run(feed(records), MemoryBacklog()):
        taken += len(batch)
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(fetcher.started) - taken <= 20 + 4
    assert taken == 400


async def test_what_has_come_and_is_not_taken_is_bounded_by_number_too():
    """It would be fetched again after a kill."""
    fetcher = FakeFetcher(lambda hop: b"x")
    engine = Engine(replace(QUICK, concurrency=4), fetcher, FakeDecoder())
    records = [record(i, f"http://h{i % 9}/{i}") for i in range(600)]
    taken, most = 0, 0
    async for batch in engine.run(feed(records), MemoryBacklog()):
        for _ in range(1000):
            await asyncio.sleep(0)
        most = max(most, len(fetcher.started) - taken)
        taken += len(batch)
    assert taken == 600 and most == 4 + 256


async def test_leaving_the_loop_ends_everything():
    gate = asyncio.Event()
    fetcher = FakeFetcher(lambda hop: b"x", gate)
    engine = Engine(QUICK, fetcher, FakeDecoder())
    before = asyncio.all_tasks()
    records = [record(i, f"http://h{i}/") for i in range(50)]
    bad = Failure(Request("x"), 50, None, Reason.BAD_LINE, line=51)
    async with aclosing(engine.run(feed([*records, bad]), MemoryBacklog())) as results:
        async for _ in results:
            break
    assert asyncio.all_tasks() == before
    assert engine.frontier.in_flight == 0


async def test_draining_finishes_what_is_in_flight_and_starts_nothing_more():
    gate = asyncio.Event()
    fetcher = FakeFetcher(lambda hop: RESET if hop is fetcher.started[0] else b"x", gate)
    engine, backlog = Engine(replace(QUICK, concurrency=5), fetcher, FakeDecoder()), MemoryBacklog()
    records = [record(i, f"http://h{i}/") for i in range(50)]

    async def stop() -> None:
        await until(lambda: len(fetcher.started) == 5)
        engine.drain()
        gate.set()

    stopping = asyncio.create_task(stop())
    found = [result async for batch in engine.run(feed(records), backlog) for result in batch]
    await stopping
    assert len(fetcher.started) == 5
    first, *others = [hop.record.ordinal for hop in fetcher.started]
    assert sorted(result.ordinal for result in found) == sorted(others)
    left = [(ordinal, n) for ordinal, _, n in backlog.put_backs]
    assert left == [(first, 1)], "a retry that will not come stays pending"


async def test_sleep_rests_the_slot_after_each_image():
    settings = replace(QUICK, concurrency=1, limits=Limits(sleep=0.03))
    loop = asyncio.get_running_loop()
    began = loop.time()
    await run(lambda hop: b"x", [f"http://a/{i}" for i in range(4)], settings)
    assert loop.time() - began >= 0.09


async def test_the_snapshot_says_what_is_going_on():
    gate = asyncio.Event()
    engine = Engine(replace(QUICK, concurrency=3), FakeFetcher(lambda hop: b"x", gate), FakeDecoder())

    async def look() -> None:
        await until(lambda: engine.frontier.in_flight == 3)
        now = engine.snapshot()
        assert (now.in_flight, now.busiest[0]) == (3, ("a", 1, 7)) and now.waiting == 7, "one until it was heard"
        gate.set()

    looking = asyncio.create_task(look())
    records = [record(i, f"http://{host}/{i}") for i, host in enumerate("aaaaaaaabc")]
    async for _ in engine.run(feed(records), MemoryBacklog()):
        pass
    await looking


def test_a_portion_grows_while_its_taker_is_quick_and_shrinks_when_it_is_slow():
    portion = Portion()
    sizes = []
    for seconds in (0.1, 0.1, 0.1, 0.4, 0.6, 9.0):
        portion.dealt_with(portion.size, seconds)
        sizes.append(portion.size)
    assert sizes == [128, 256, 256, 256, 128, 64]
    portion.dealt_with(portion.size - 1, 0.1)
    assert portion.size == 64  # there were no more
    for _ in range(9):
        portion.dealt_with(portion.size, 1.0)
    assert portion.size == FEWEST


def failed(ordinal: int) -> Failure:
    return Failure(Request("x"), ordinal, None, Reason.EMPTY)


async def test_results_gather_while_others_are_being_decoded_and_only_then():
    outbox = Outbox(10**6, 100, lambda: None)
    outbox.put(failed(0))
    assert await outbox.take(9) == [failed(0)]  # nothing else is on its way
    outbox.reserve(5)
    outbox.reserve(5)
    outbox.put(failed(1), 5)
    taking = asyncio.ensure_future(outbox.take(9))
    await asyncio.sleep(0)
    assert not taking.done()
    outbox.put(failed(2), 5)
    assert await taking == [failed(1), failed(2)]
    outbox.reserve(5)
    outbox.put(failed(3))
    assert await outbox.take(9) == [failed(3)]  # whose decoding takes long, does not hold up the others
    assert outbox.held_bytes == 5


async def test_a_third_of_what_is_held_is_enough_while_fetching_pauses():
    outbox = Outbox(10**6, 9, lambda: None)
    for _ in range(6):
        outbox.reserve(5)
    assert outbox.has_room(flights=2) and not outbox.has_room(flights=3)
    outbox.put(failed(0), 5)
    taking = asyncio.ensure_future(outbox.take(9))
    await asyncio.sleep(0)
    assert not taking.done()
    outbox.put(failed(1), 5)
    assert await taking == [failed(0), failed(1)]


async def test_a_picture_is_decoded_while_it_is_in_doubt_and_comes_to_nothing_if_that_was_justified():
    doubts = [Doubt(watched=True), Doubt(watched=True)]

    def answer(hop: Hop) -> Any:
        return Response(hop.url, 200, data=b"x", size=1, doubt=doubts[0] if len(fetcher.started) == 1 else doubts[1])

    class Deciding(FakeDecoder):
        async def examine(self, body: bytes | Path, content_type: str | None, whole: bool) -> Facts:
            (doubts[0].justify if len(fetcher.started) == 1 else doubts[1].end)()
            return await super().examine(body, content_type, whole)

    fetcher = FakeFetcher(answer)
    engine = Engine(QUICK, fetcher, Deciding())
    (batch,) = [batch async for batch in engine.run(feed([record(0, "http://a/0")]), MemoryBacklog())]
    assert len(fetcher.started) == 2
    assert [(type(one), one.attempts) for one in batch] == [(Sample, 1)], "asked again, at no cost to its retries"


async def test_a_flight_is_evicted_once_and_a_cancelled_crawl_is_no_eviction():
    flights: list[Flight] = []

    class Silent(FakeFetcher):
        async def fetch(self, hop: Hop, heard: Callable[[], None] = lambda: None) -> Response:
            await asyncio.Event().wait()
            raise AssertionError

    async def carried(state: State) -> Response | FetchError | None:
        flight = Flight(Hop.first(record(0, "http://a.example/1"), 60.0), "a.example", 0.0)
        flights.append(flight)
        answer = await Fetching(state, flight).answer()
        task = asyncio.current_task()
        assert task is not None and not task.cancelling() and flight.evict is None
        return answer

    state = Engine(QUICK, Silent({}), FakeDecoder())._state
    first, second = (asyncio.ensure_future(carried(state)) for _ in range(2))
    await asyncio.sleep(0)
    for _ in range(2):
        assert flights[0].evict is not None
        flights[0].evict()
    assert await first is None
    assert flights[1].evict is not None
    flights[1].evict()
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
