"""Politeness and patience of whole crawls, asserted from the server's log."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

import asynccrawl as ac
from asynccrawl.opening import open_crawl
from asynccrawl.testing import (
    Answer,
    DnsServer,
    ImageServer,
    hang_up,
    identified,
    identifying,
    picture,
    redirect,
    reset,
    silent,
    status,
    too_many_requests,
    truncated,
)

from .conftest import LOOPBACK
from .lived import Lived

BODY = picture()


def polite(**hosts: Any) -> ac.Settings:
    return replace(LOOPBACK, hosts=ac.HostLimits(**hosts))


def starts(server: ImageServer, host: int) -> list[float]:
    return server.audit.starts(server.hosts[host])


@pytest.mark.slow  # half a second of holding is what is tested
@pytest.mark.parametrize("code", [429, 503])
async def test_retry_after_holds_its_host_and_no_other(server: ImageServer, dest: Path, code: int):
    asked: dict[str, list[float]] = {server.hosts[0]: [], server.hosts[1]: []}

    def route(request: Any) -> Answer:
        asked[request.host].append(lived.seconds)
        held = request.host == server.hosts[0] and len(asked[request.host]) == 1
        return too_many_requests("1", code) if held else Answer(BODY)

    server.route(route)
    urls = [server.url(f"/{n}.jpg", host=n % 2) for n in range(20)]
    with Lived() as lived:
        report = await ac.crawl(urls, dest, settings=polite(per_host=1))
    assert report.saved == 20
    first, *others = server.audit.starts(server.hosts[0])
    assert min(others) >= first + 1.0
    assert max(asked[server.hosts[1]]) < asked[server.hosts[0]][0] + 1.0, "the other host was not held"


@pytest.mark.slow  # half a second of holding is what is tested
@pytest.mark.parametrize(
    ("first", "saved"),
    [
        (redirect("/moved", 302), 8),
        (redirect("http://127.0.0.2:{port}/moved", 301), 8),
        (status(403), 8),
        (status(404), 7),
    ],
    ids=["moved", "moved away", "403", "404"],
)
async def test_retry_after_holds_whatever_the_status(server: ImageServer, dest: Path, first: Answer, saved: int):
    server.route(lambda request: Answer(BODY))
    location = first.location and first.location.format(port=server.port)
    server.add("/0.jpg", replace(first, location=location, retry_after="0.5"), BODY)
    urls = [server.url(f"/{n}.jpg") for n in range(8)]
    report = await ac.crawl(urls, dest, settings=polite(per_host=1))
    assert report.saved == saved
    answered, *others = server.audit.requests()
    assert min(entry.at for entry in others) >= answered.at + 0.5, "the redirected request, too"


async def test_a_redirect_that_asks_for_too_long_a_wait_can_be_tried_again(server: ImageServer, dest: Path):
    server.add("/0.jpg", replace(redirect("/1.jpg"), retry_after="3600"))
    server.add("/1.jpg", BODY)
    urls = [server.url("/0.jpg"), server.url("/1.jpg")]
    report = await ac.crawl(urls, dest, settings=polite(per_host=1))
    assert report.retryable == {"http_429": 2} and server.audit.count() == 1


async def test_a_wait_that_is_over_is_no_leave_to_hurry(server: ImageServer, dest: Path):
    server.route(lambda request: Answer(BODY))
    server.add("/0.jpg", too_many_requests("0"), too_many_requests("-5"), BODY)
    settings = replace(polite(per_host=1), retry=ac.RetryPolicy(base=0.1))
    assert (await ac.crawl([server.url("/0.jpg")], dest, settings=settings)).saved == 1
    assert all(gap >= 0.05 * 2**n for n, gap in enumerate(server.audit.gaps()))


async def test_a_hold_of_just_the_longest_time_is_waited_for_by_the_next_run_too(server: ImageServer, dest: Path):
    server.route(lambda request: Answer(BODY))
    server.add("/0.jpg", too_many_requests("0.3"), BODY)
    settings = polite(per_host=1, max_hold=0.3)
    urls = [server.url("/0.jpg"), server.url("/1.jpg")]
    async with open_crawl(urls, dest, settings, None, None) as job:
        run = asyncio.create_task(job.run())
        while not server.audit.statuses()[429]:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.02)
        job.drain()
        await run
    assert (await ac.crawl(urls, dest, settings=settings)).saved == 2


@pytest.mark.parametrize(
    "header",
    ["86400", formatdate(4_000_000_000, usegmt=True), "99999999999999999999"],
)
async def test_a_host_that_wants_to_be_left_alone_is(server: ImageServer, dest: Path, header: str):
    server.route(lambda request: too_many_requests(header))
    urls = [server.url(f"/{n}.jpg") for n in range(30)]
    report = await ac.crawl(urls, dest, settings=polite(per_host=2))
    assert report.by_reason == report.retryable == {"http_429": 30}
    asked = server.audit.count()
    assert asked <= 2
    server.route(lambda request: Answer(BODY))
    report = await ac.crawl(urls, dest, settings=polite(per_host=2))
    assert report.by_reason == {"http_429": 30} and server.audit.count() == asked, "holds survive a restart"
    patient = replace(polite(), retry=ac.RetryPolicy(retries=0))
    assert (await ac.crawl([server.url("/x.jpg", host=1)], dest, settings=patient)).saved == 1


@pytest.mark.slow  # a second of holding is what is tested
async def test_a_hold_survives_a_run_that_is_stopped(server: ImageServer, dest: Path):
    server.route(lambda request: Answer(BODY))
    server.add("/0.jpg", too_many_requests("2"), BODY)
    urls = [server.url(f"/{n}.jpg") for n in range(5)]
    async with open_crawl(urls, dest, polite(per_host=1), None, None) as job:
        run = asyncio.create_task(job.run())
        while not server.audit.statuses()[429]:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        job.drain()
        await run
    before = server.audit.count()
    report = await ac.crawl(urls, dest, settings=polite(per_host=1))
    assert report.saved == 5
    (answered,) = [entry for entry in server.audit.requests() if entry.status == 429]
    assert min(entry.at for entry in server.audit.requests()[before:]) >= answered.at + 2.0


async def test_busy_answers_that_name_no_time_slow_a_host_down(server: ImageServer, dest: Path):
    server.route(lambda request: Answer(BODY))
    server.add("/0.jpg", *[status(503)] * 3, BODY)
    settings = replace(polite(per_host=1), retry=ac.RetryPolicy(base=0.1))
    report = await ac.crawl([server.url("/0.jpg")], dest, settings=settings)
    assert report.saved == 1
    gaps = server.audit.gaps()
    assert all(gap >= 0.05 * 2**n for n, gap in enumerate(gaps)), "half of 0.1, 0.2, 0.4 s at least"


async def test_a_host_that_drowns_gets_fewer_requests_at_once(server: ImageServer, dest: Path):
    def route(request: Any) -> Answer:
        over = server.audit.in_flight(request.host) > 3
        return too_many_requests("0.005") if over else Answer(BODY, delay=0.005)

    server.route(route)
    urls = [server.url(f"/{n}.jpg") for n in range(150)]
    rigid = await ac.crawl(urls, dest / "rigid", settings=polite(per_host=16, adaptive=False))
    refused = server.audit.statuses()[429]
    adaptive = await ac.crawl(urls, dest / "adaptive", settings=polite(per_host=16))
    assert rigid.total == 150 and adaptive.saved == 150
    assert server.audit.statuses()[429] - refused < refused / 2


async def test_a_host_that_comes_and_goes_gets_a_chance_as_long_as_it_comes(server: ImageServer, dest: Path):
    asked = 0

    def route(request: Any) -> Answer:
        nonlocal asked
        asked += 1
        return Answer(BODY) if asked in (5, 10) or asked > 15 else hang_up()

    server.route(route)
    settings = replace(polite(per_host=1, breaker=2, probes=1), retry=ac.RetryPolicy(retries=1, base=0.01))
    report = await ac.crawl([server.url(f"/{n}.jpg") for n in range(30)], dest, settings=settings)
    assert "host_down" not in report.by_reason and report.saved >= 25


async def test_hosts_of_one_key_share_their_limits(server: ImageServer, dest: Path):
    most = 0

    def route(request: Any) -> Answer:
        nonlocal most
        most = max(most, server.audit.in_flight())
        return Answer(BODY, delay=0.01)

    server.route(route)
    urls = [server.url(f"/{n}.jpg", host=n % 5) for n in range(40)]
    settings = polite(per_host=2, host_key=lambda host: host.rpartition(".")[0])
    report = await ac.crawl(urls, dest, settings=settings)
    assert report.saved == 40 and most <= 2
    assert set(report.by_host) == {"127.0.0"}


@pytest.mark.parametrize("key", [lambda host: "", lambda host: None, lambda host: 1 / 0])
async def test_a_host_key_that_is_none_is_told(server: ImageServer, dest: Path, key: Any):
    with pytest.raises(ac.SettingsError, match="host_key"):
        await ac.crawl([server.url("/0.jpg")], dest, settings=polite(host_key=key))


# --- the circuit


async def test_a_dead_host_costs_few_requests_and_ends_as_host_down(server: ImageServer, dest: Path):
    server.route(lambda request: reset() if request.host == server.hosts[0] else Answer(BODY))
    urls = [server.url(f"/{n}.jpg", host=n % 2) for n in range(400)]
    report = await ac.crawl(urls, dest, settings=polite(per_host=4))
    assert report.saved == 200
    assert set(report.by_reason) <= {"host_down", "reset"} and report.by_reason["host_down"] >= 180
    assert report.retryable == report.by_reason
    assert server.audit.count(server.hosts[0]) <= 60


async def test_a_host_that_comes_back_is_served_in_the_same_run(server: ImageServer, dest: Path):
    asked = 0

    def route(request: Any) -> Answer:
        nonlocal asked
        asked += 1
        return hang_up() if asked <= 14 else Answer(BODY)

    server.route(route)
    urls = [server.url(f"/{n}.jpg") for n in range(100)]
    report = await ac.crawl(urls, dest, settings=polite(per_host=4))
    assert report.saved == 100


async def test_without_retries_there_is_no_second_chance(server: ImageServer, dest: Path):
    server.route(lambda request: status(500))
    settings = replace(LOOPBACK, retry=ac.RetryPolicy(retries=0))
    report = await ac.crawl([server.url(f"/{n}.jpg", host=n) for n in range(5)], dest, settings=settings)
    assert report.by_reason == {"http_5xx": 5} and server.audit.count() == 5


# --- yield


async def test_records_that_failed_for_causes_that_pass_get_a_second_chance_at_the_end(server: ImageServer, dest: Path):
    server.route(lambda request: Answer(BODY))
    server.add("/0.jpg", *[status(500)] * 5, BODY)
    server.add("/1.jpg", status(500))
    urls = [server.url(f"/{n}.jpg", host=n % 3) for n in range(60)]
    outcomes = {}

    def note(outcome: ac.Outcome) -> None:
        assert outcome.ordinal not in outcomes, "a record that waits has no outcome"
        outcomes[outcome.ordinal] = outcome

    report = await ac.crawl(urls, dest, settings=LOOPBACK, on_outcome=note)
    assert report.saved == 59 and outcomes[0].attempts == 6
    assert (outcomes[1].reason, outcomes[1].retryable, outcomes[1].attempts) == ("http_5xx", True, 8)
    order = [entry.path for entry in server.audit.requests()]
    last_first = max(order.index(f"/{n}.jpg") for n in range(60))
    assert all(path in ("/0.jpg", "/1.jpg") for path in order[last_first + 1 :]), "after everything else"


@pytest.mark.slow  # sixty requests that run out of time
async def test_a_slot_whose_silent_request_was_broken_off_is_not_counted_twice_by_the_servers(dest: Path):
    """Sixty hosts keep silent: their requests are broken off, one after the other, while others wait for the slots."""
    most = 0

    async with ImageServer(hosts=120) as server:

        def route(request: Any) -> Answer:
            nonlocal most
            most = max(most, server.audit.in_flight())
            return silent() if request.host in server.hosts[::2] else Answer(BODY, delay=0.02)

        server.route(route)
        urls = [server.url(f"/{n}.jpg", n % 120) for n in range(1200) if n % 2 or n < 120]
        settings = replace(
            LOOPBACK, retry=ac.RetryPolicy(retries=0, second_chance=False), limits=ac.Limits(timeout=2.0)
        )
        report = await ac.crawl(urls, dest, settings=settings, concurrency=40)
        assert report.saved == 600 and server.audit.count() > len(urls), "some were tried again"
    assert most <= 40


async def test_a_retry_budget_keeps_a_failing_host_from_costing_its_tries_many_times_over(
    server: ImageServer, dest: Path
):
    server.route(lambda request: status(500))
    urls = [server.url(f"/{n}.jpg") for n in range(200)]
    settings = replace(LOOPBACK, retry=ac.RetryPolicy(base=0.001, second_chance=False, budget=0.5))
    report = await ac.crawl(urls, dest, settings=settings)
    assert report.by_reason == {"http_5xx": 200}
    assert server.audit.count() <= 200 + 100 + 10, "the budget, and what a host may cost before it"


def faulty(server: ImageServer, seed: int) -> Any:
    """A route of self-identifying pictures with the faults of the field; none strikes a URL more than twice."""
    honest = identifying(server)
    struck: Counter[tuple[str, str]] = Counter()

    def route(request: Any) -> Answer:
        draw = random.Random(f"{seed} {request.host} {request.path} {struck[request.path, 'asked']}").random()
        struck[request.path, "asked"] += 1
        answer = honest(request)
        for kind, share, fault in (
            ("busy", 0.2, too_many_requests("0")),
            ("reset", 0.05, reset()),
            ("cut", 0.05, truncated(answer.body)),
            ("error", 0.05, status(502)),
        ):
            if draw < share:
                struck[request.path, kind] += 1
                return answer if struck[request.path, kind] > 2 else fault
            draw -= share
        return answer

    return route


@pytest.mark.slow  # six hundred pictures, and twice as many faults
@pytest.mark.may_block  # the test reads pictures back in the loop
@pytest.mark.parametrize("seed", [1, 2])
async def test_every_retrievable_picture_is_saved_with_few_requests(server: ImageServer, dest: Path, seed: int):
    names = [f"host{n}.example" for n in range(20)]
    async with DnsServer() as dns:
        for n, name in enumerate(names):
            failures = ["SERVFAIL"] * (n % 5 == 0) * 2
            dns.add(name, *failures, server.hosts[n])
        server.route(faulty(server, seed))
        port = server.port
        urls = [f"http://{names[n % 20]}:{port}/{n}.jpg" for n in range(600)]
        settings = replace(LOOPBACK, network=replace(LOOPBACK.network, nameserver=(dns.nameserver,)))
        report = await ac.crawl([(f"k{n}", url) for n, url in enumerate(urls)], dest, settings=settings)
    assert report.saved == 600, str(report)
    assert server.audit.count() <= 1.7 * 600
    for n, url in enumerate(urls):
        (file,) = dest.rglob(f"k{n}.jpg")
        assert identified(file.read_bytes()) == url


@pytest.mark.slow  # time-outs are what is tested
async def test_overload_of_our_own_line_is_recognised_and_told(server: ImageServer, dest: Path):
    async with ImageServer(hosts=60) as crowded:

        def route(request: Any) -> Answer:
            return silent() if crowded.audit.in_flight() > 25 else Answer(BODY, delay=0.02)

        crowded.route(route)
        urls = [crowded.url(f"/{n}.jpg", host=n % 60) for n in range(900)]
        settings = replace(
            LOOPBACK,
            concurrency=100,
            limits=replace(LOOPBACK.limits, timeout=0.3),
            hosts=ac.HostLimits(per_host=8, breaker=1000, adaptive=False),
        )
        report = await ac.crawl(urls, dest, settings=settings)
    assert report.saved + report.by_reason.get("timeout", 0) == 900 and report.saved > 800
    assert report.notes and "lowered from 100" in report.notes[0] and report.notes[0][:30] in str(report)
