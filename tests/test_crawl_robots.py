"""`--robots`, proven at the server: asked once, before anything else, and obeyed."""

from __future__ import annotations

import gzip
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

import asynccrawl as ac
from asynccrawl.testing import Answer, ImageServer, picture, raw, redirect, reset, silent, status, too_many_requests

from .conftest import LOOPBACK

OBEDIENT = replace(LOOPBACK, network=replace(LOOPBACK.network, robots=True))


def robots(text: str) -> Answer:
    return Answer(text.encode(), headers=(("Content-Type", "text/plain"),))


async def crawled(urls: list[str], dest: Path, settings: ac.Settings = OBEDIENT) -> dict[str, ac.Outcome]:
    outcomes: dict[str, ac.Outcome] = {}

    def note(outcome: ac.Outcome) -> None:
        outcomes[outcome.url] = outcome

    await ac.crawl(urls, dest, settings=settings, on_outcome=note)
    assert set(outcomes) == set(urls)
    return outcomes


def verdicts(outcomes: dict[str, ac.Outcome]) -> Counter[str]:
    return Counter(str(outcome.reason) if outcome.reason else "saved" for outcome in outcomes.values())


async def test_it_is_asked_once_a_host_before_all_else_and_obeyed(server: ImageServer, dest: Path):
    server.route(lambda request: Answer(picture(seed=len(request.path))))
    rules = "User-agent: *\nDisallow: /\n\nUser-agent: asynccrawl\nDisallow: /private/\nAllow: /private/open/\n"
    server.add("/robots.txt", robots(rules))
    paths = [f"/pictures/{n}.jpg" for n in range(30)] + ["/private/1.jpg", "/private/2.jpg", "/private/open/1.jpg"]
    urls = [server.url(path, host=host) for host in range(3) for path in paths]
    outcomes = await crawled(urls, dest)
    assert verdicts(outcomes) == {"saved": 93, "robots": 6}
    for outcome in outcomes.values():
        if outcome.reason:
            assert (outcome.status, outcome.retryable, outcome.attempts) == ("skipped", False, 0)
    for host in range(3):
        mine = [entry.request.path for entry in server.audit.requests() if entry.host == server.hosts[host]]
        assert mine[0] == "/robots.txt" and mine.count("/robots.txt") == 1
        assert "/private/1.jpg" not in mine and "/private/open/1.jpg" in mine
    again = server.audit.count()
    await ac.crawl(urls, dest, settings=OBEDIENT)
    assert server.audit.count() == again, "what robots.txt forbids is settled"


@pytest.mark.parametrize("coding", [None, "gzip"])
async def test_a_file_that_is_larger_than_a_picture_may_be_is_obeyed_all_the_same(
    server: ImageServer, dest: Path, coding: str | None
):
    text = b"# no rule\n" * 100 + b"User-agent: *\nDisallow: /private/\n" + b"# " + bytes(range(32, 127)) * 20_000
    headers = (("Content-Encoding", coding),) if coding else ()
    server.add("/robots.txt", Answer(gzip.compress(text) if coding else text, headers=headers))
    server.add("/private/1.jpg", picture())
    small = replace(OBEDIENT, limits=replace(OBEDIENT.limits, max_bytes=1_500, spool_above=500))
    assert verdicts(await crawled([server.url("/private/1.jpg")], dest, small)) == {"robots": 1}


async def test_a_file_that_cannot_be_decoded_forbids_for_now(server: ImageServer, dest: Path):
    server.add("/robots.txt", Answer(b"User-agent: *\nAllow: /\n", headers=(("Content-Encoding", "br"),)))
    (outcome,) = (await crawled([server.url("/1.jpg")], dest)).values()
    assert (outcome.reason, outcome.retryable) == ("robots", True)


async def test_a_site_that_wants_requests_too_far_apart_is_left_for_another_run(server: ImageServer, dest: Path):
    server.route(lambda request: Answer(picture()))
    server.add("/robots.txt", robots("User-agent: *\nCrawl-delay: 3600\n"))
    outcomes = await crawled([server.url(f"/{n}.jpg") for n in range(3)], dest)
    assert verdicts(outcomes) == {"robots": 3} and server.audit.count() == 1
    assert all(outcome.retryable and "3600 s" in (outcome.detail or "") for outcome in outcomes.values())


@pytest.mark.parametrize("code", [401, 403, 404, 410])
async def test_no_file_forbids_nothing(server: ImageServer, dest: Path, code: int):
    server.route(lambda request: Answer(picture()))
    server.add("/robots.txt", status(code))
    assert verdicts(await crawled([server.url("/a.jpg")], dest)) == {"saved": 1}


async def test_a_server_error_forbids_everything_for_now(server: ImageServer, dest: Path):
    server.route(lambda request: Answer(picture()))
    server.add("/robots.txt", status(500))
    urls = [server.url(f"/{n}.jpg") for n in range(5)]
    outcomes = await crawled(urls, dest)
    assert verdicts(outcomes) == {"robots": 5} and all(outcome.retryable for outcome in outcomes.values())
    assert {entry.request.path for entry in server.audit.requests()} == {"/robots.txt"}
    server.add("/robots.txt", robots(""))
    report = await ac.crawl(urls, dest, settings=OBEDIENT)
    assert report.saved == 5, "another run asks again"


async def test_it_is_tried_again_after_causes_that_pass(server: ImageServer, dest: Path):
    server.route(lambda request: Answer(picture()))
    server.add("/robots.txt", reset(), too_many_requests("0"), robots("User-agent: *\nDisallow: /no/\n"))
    assert verdicts(await crawled([server.url("/a.jpg"), server.url("/no/b.jpg")], dest)) == {"saved": 1, "robots": 1}


async def test_redirects_are_followed_also_to_other_hosts_and_back(server: ImageServer, dest: Path):
    server.route(lambda request: Answer(picture()))
    server.add("/robots.txt", redirect(server.url("/moved", host=1)))
    server.add("/moved", redirect(server.url("/rules", host=0)))
    server.add("/rules", robots("User-agent: *\nDisallow: /no/\n"))
    urls = [server.url("/a.jpg"), server.url("/no/b.jpg"), server.url("/no/c.jpg", host=1)]
    assert verdicts(await crawled(urls, dest)) == {"saved": 1, "robots": 2}


async def test_endless_redirects_are_no_file(server: ImageServer, dest: Path):
    server.route(lambda request: Answer(picture()))
    server.add("/robots.txt", redirect("/robots.txt"))
    assert verdicts(await crawled([server.url("/a.jpg")], dest)) == {"saved": 1}
    assert server.audit.count(path="/robots.txt") == 6


async def test_a_redirect_of_a_picture_asks_the_new_host_first(server: ImageServer, dest: Path):
    server.route(lambda request: Answer(picture()))
    server.add("/a.jpg", redirect(server.url("/no/a.jpg", host=1)))
    server.add("/robots.txt", robots("User-agent: *\nDisallow: /no/\n"))
    assert verdicts(await crawled([server.url("/a.jpg")], dest)) == {"robots": 1}
    assert server.audit.count(path="/no/a.jpg") == 0


async def test_where_nobody_answers_that_is_what_the_records_end_with(server: ImageServer, dest: Path):
    server.add("/robots.txt", silent())
    quick = replace(OBEDIENT, limits=replace(OBEDIENT.limits, timeout=0.2), retry=ac.RetryPolicy(retries=0))
    outcomes = await crawled([server.url("/a.jpg"), server.url("/b.jpg")], dest, quick)
    assert verdicts(outcomes) == {"timeout": 2}
    assert all("robots.txt" in (outcome.detail or "") for outcome in outcomes.values())


async def test_a_file_that_cannot_be_had_is_no_last_word_on_the_pictures(server: ImageServer, dest: Path):
    server.route(lambda request: Answer(picture()))
    server.add("/robots.txt", raw(b"no HTTP\r\n\r\n"), host=server.hosts[0])
    server.add("/robots.txt", redirect("http://10.0.0.1/robots.txt"), host=server.hosts[1])
    urls = [server.url("/a.jpg", host=n) for n in range(2)]
    outcomes = await crawled(urls, dest)
    assert [(outcomes[url].reason, outcomes[url].retryable) for url in urls] == [("protocol", True), ("robots", True)]
    assert "10.0.0.1 is no public address" in (outcomes[urls[1]].detail or "")
    assert (await ac.crawl(urls, dest, settings=LOOPBACK)).saved == 2, "asked for without robots, they are tried"


@pytest.mark.slow  # three gaps of a tenth of a second
async def test_crawl_delay_is_kept(server: ImageServer, dest: Path):
    server.route(lambda request: Answer(picture()))
    server.add("/robots.txt", robots("User-agent: *\nCrawl-delay: 0.1\n"))
    urls = [server.url(f"/{n}.jpg", host=n % 2) for n in range(8)]
    assert verdicts(await crawled(urls, dest)) == {"saved": 8}
    for host in range(2):
        # It is kept between starts; on the way to the server a gap may shrink by what this machine adds.
        first, *_, last = server.audit.starts(server.hosts[host])[1:]
        assert last - first >= 0.15, "three of 0.1 s each, and none at all without"


async def test_many_records_of_one_host_wait_without_filling_memory_or_slots(server: ImageServer, dest: Path):
    server.route(lambda request: Answer(picture()))
    server.add("/robots.txt", Answer(b"User-agent: *\nDisallow: /no/\n", delay=0.3))
    slow = [server.url(f"/{'no/' if n % 2 else ''}{n}.jpg", host=1) for n in range(300)]
    outcomes = await crawled(slow, dest, replace(OBEDIENT, concurrency=4))
    assert verdicts(outcomes) == {"saved": 150, "robots": 150}
    assert server.audit.count(path="/robots.txt") == 1


async def test_without_the_setting_nobody_asks(server: ImageServer, dest: Path):
    server.route(lambda request: Answer(picture()))
    assert verdicts(await crawled([server.url("/a.jpg")], dest, LOOPBACK)) == {"saved": 1}
    assert server.audit.count(path="/robots.txt") == 0
