"""X-Robots-Tag: whose pictures are left alone, and that nothing else in the header is taken for a no."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import asynccrawl as ac
from asynccrawl.errors import FetchError
from asynccrawl.fetcher.consent import OPT_OUT, opt_out
from asynccrawl.identity import product_token
from asynccrawl.models import Reason, Response
from asynccrawl.testing import Answer, ImageServer, endless_body, picture, redirect

from .conftest import LOOPBACK
from .fetching import fate


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        (["noai"], "noai"),
        ([" NoImageAI "], "noimageai"),
        (["nofollow, noindex"], "noindex"),
        (["nofollow; noimageindex"], "noimageindex"),
        (["none"], "none"),
        (["nofollow", "noarchive,noai"], "noai"),
        (["asynccrawl: noai"], "noai"),
        (["AsyncCrawl: nofollow, noai"], "noai"),
        (["asynccrawl/0.1: noai"], "noai"),
        (["*: noindex"], "noindex"),
        (["googlebot: noindex, asynccrawl: noai"], "noai"),
        (["googlebot: noindex", "noai"], "noai"),
        (["unavailable_after: 25 Jun 2010 15:00:00 PST, noindex"], "noindex"),
        (["unavailable_after: Friday, 25-Jun-10 15:00:00 UTC, noai"], "noai"),
        (["unavailable_after: Fri, 25 Jun 2010, 15:00:00, noai"], "noai"),
        (["max-snippet:-1, max-image-preview:large, noai"], "noai"),
        (["noindex: yes"], "noindex"),
        (['"noai"'], "noai"),
        (["'noai, nofollow'"], "noai"),
        (['"nofollow, noindex"'], "noindex"),
        (['asynccrawl: "noai"'], "noai"),
        (['"asynccrawl: nofollow, noai"'], "noai"),
        (["noai noimageai"], "noai"),
        (["nofollow  noindex\tnoarchive"], "noindex"),
        (["asynccrawl: nofollow noai"], "noai"),
        (["noai max-snippet:-1"], "noai"),
        (["max-snippet:-1 noai"], "noai"),
        (["unavailable_after: 25 Jun 2010 15:00:00 PST noindex"], "noindex"),
        ([], None),
        (["", ",", ":", "::,;:"], None),
        (["all", "index, follow", "nofollow, noarchive, nosnippet"], None),
        (["googlebot: noindex"], None),
        (["googlebot: nofollow, noindex, noai"], None),
        (["other-bot/2.1: none"], None),
        (["asynccrawl: all, otherbot: noai"], None),
        (["asynccrawlers: noai"], None),
        (["googlebot: unavailable_after: 25 Jun 2010 15:00:00 PST, noindex"], None),
        (["unavailable_after: 2010-06-25T15:00:00+00:00"], None),
        (["noaix, xnoindex, no index, nonesuch"], None),
        (["max-snippet: none"], None),
        (['max-snippet: "none"'], None),
        (['googlebot: "noindex nofollow"'], None),
        (["googlebot noindex"], None),
        (["this is noai no more", "index follow", '""', "' '"], None),
    ],
)
def test_whose_pictures_are_left_alone(values: list[str], rule: str | None):
    found = opt_out(values, "asynccrawl")
    assert (found and found.rule) == rule and (found is None or found.value in values)


PIECES = st.sampled_from([*OPT_OUT, "all", "googlebot", "asynccrawl", "unavailable_after", "25 Jun 2010 15:00:00", "*"])
HEADERS = st.lists(st.lists(st.one_of(PIECES, st.sampled_from([",", ":", ";"]), st.text())).map("".join))


@given(HEADERS, st.text())
def test_any_header_at_all(values: list[str], product: str):
    found = opt_out(values, product)
    assert found is None or (found.rule in OPT_OUT and found.rule in found.value.lower() and found.value in values)
    assert found is None or (len(found.header) < 1000 and found.header.encode()), "bounded, and it can be stored"
    assert opt_out([*values, "noai"], product) is not None, "a further header is read for itself"
    again = opt_out([f"nofollow, {found.rule if found else 'noai'}, {value}" for value in values], product)
    assert (again is None) == (not values)


@pytest.mark.parametrize(
    ("user_agent", "token"),
    [("asynccrawl/0.1 (x)", "asynccrawl"), ("MyBot (http://h/)", "mybot"), ("Plain", "plain"), (" x/y/z", "x")],
)
def test_our_name(user_agent: str, token: str):
    assert product_token(user_agent) == token


def tagged(answer: Answer, *values: str) -> Answer:
    return replace(answer, headers=(*answer.headers, *(("X-Robots-Tag", value) for value in values)))


async def test_an_answer_that_says_no_is_not_read(server: ImageServer, tmp_path: Path):
    endless = endless_body()
    assert endless.raw is not None
    raw = endless.raw[:-2] + b"X-Robots-Tag: nofollow\r\nX-Robots-Tag: noimageai\r\n\r\n"
    server.add("/x", replace(endless, raw=raw))
    found = await fate(server.url("/x"), tmp_path)
    assert isinstance(found, FetchError)
    assert (found.reason, found.retryable, found.http_status) == (Reason.OPT_OUT, False, 200)
    assert "noimageai" in found.detail and "X-Robots-Tag" in found.detail


@pytest.mark.parametrize(
    ("sent", "recorded"),
    [
        (b"MyBot: nofollow,  NoAI", "X-Robots-Tag: MyBot: nofollow,  NoAI"),
        (b"noai, " + b"x" * 500, "X-Robots-Tag: noai, " + "x" * 194 + "..."),
        (b"noai, gr\xfc\xdfe", "X-Robots-Tag: noai, gr\\xfc\\xdfe"),
    ],
)
async def test_the_manifest_holds_the_header_that_said_no(server: ImageServer, dest: Path, sent: bytes, recorded: str):
    body = picture()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nX-Robots-Tag: nofollow\r\nX-Robots-Tag: " + sent
    head += b"\r\nContent-Length: %d\r\n\r\n" % len(body)
    server.add("/x", Answer(body, raw=head + body))
    mine = replace(LOOPBACK, network=replace(LOOPBACK.network, user_agent="mybot/1.0"))
    outcomes: list[ac.Outcome] = []
    await ac.crawl([server.url("/x")], dest, settings=mine, on_outcome=outcomes.append)
    (outcome,) = outcomes
    assert outcome.reason is Reason.OPT_OUT and outcome.detail is not None
    assert outcome.detail.endswith(f"({recorded})")


async def test_what_is_not_for_us_or_is_to_be_ignored(server: ImageServer, tmp_path: Path):
    body = picture()
    server.add("/other", tagged(Answer(body), "googlebot: noindex", "unavailable_after: 1 Jan 2030 00:00:00 GMT"))
    server.add("/ours", tagged(Answer(body), "mybot: noai"))
    server.add("/moved", tagged(redirect("/other"), "noai"))
    assert isinstance(await fate(server.url("/other"), tmp_path), Response)
    assert isinstance(await fate(server.url("/ours"), tmp_path), Response)
    assert isinstance(await fate(server.url("/moved"), tmp_path), Response), "it speaks of the redirect"
    mine = replace(LOOPBACK, network=replace(LOOPBACK.network, user_agent="MyBot/2 (+http://h/)"))
    refused = await fate(server.url("/ours"), tmp_path, mine)
    assert isinstance(refused, FetchError) and refused.reason is Reason.OPT_OUT
    deaf = replace(mine, network=replace(mine.network, ignore_opt_out=True))
    assert isinstance(await fate(server.url("/ours"), tmp_path, deaf), Response)


async def test_a_crawl_skips_them_and_looks_again_when_it_is_to_ignore_them(server: ImageServer, dest: Path):
    server.add("/x", tagged(Answer(picture()), "noai"))
    server.add("/robots.txt", tagged(Answer(b"User-agent: *\nDisallow:\n"), "noindex"))
    asking = replace(LOOPBACK, network=replace(LOOPBACK.network, robots=True))
    report = await ac.crawl([server.url("/x")], dest, settings=asking)
    assert (report.skipped, dict(report.by_reason)) == (1, {"opt_out": 1}), (
        "the tag of a robots.txt is not the picture's"
    )
    await ac.crawl([server.url("/x")], dest, settings=asking)
    assert server.audit.count(path="/x") == 1
    deaf = replace(asking, network=replace(asking.network, ignore_opt_out=True))
    assert (await ac.crawl([server.url("/x")], dest, settings=deaf)).saved == 1
