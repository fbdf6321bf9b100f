"""Answers that are no picture: when their server wants to be asked again, and that their bodies hold nobody up."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from asynccrawl.errors import FetchError
from asynccrawl.fetcher.translate import LONGEST, refused, retry_after
from asynccrawl.models import Reason, Response
from asynccrawl.testing import ImageServer, dripping, too_many_requests

from .fetching import fate
from .lived import Lived

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = "Thu, 01 Jan 2026 00:02:00 GMT"


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        (" 120 ", None, 120.0),
        ("0000000000000120", None, 120.0),
        ("1.5", None, 1.5),
        (".5", None, 0.5),
        ("+7", None, 7.0),
        ("-5", None, 0.0),
        ("-0.1", None, 0.0),
        ("1" + "0" * 30, None, LONGEST),
        ("9" * 5_000, None, LONGEST),
        (LATER, None, 120.0),
        ("Thursday, 01-Jan-26 00:02:00 GMT", None, 120.0),
        ("Thu Jan  1 00:02:00 2026", None, 120.0),
        (LATER, "Thu, 01 Jan 2026 00:01:30 GMT", 30.0),
        (LATER, "Thursday, 01-Jan-26 00:01:30 GMT", 30.0),
        (LATER, "yesterday", 120.0),
        (LATER, "Thu, 01 Jan 2026 00:02:30 GMT", 0.0),
        ("Wed, 31 Dec 2025 00:00:00 GMT", None, 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None, (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - NOW).total_seconds()),
        ("120, 60", None, 120.0),
        ("60,120", None, 120.0),
        (f"60, {LATER}", None, 120.0),
        (f"{LATER}, soon, 180", None, 180.0),
        ("120, soon", None, 120.0),
        ("", None, None),
        (" , ,", None, None),
        ("soon", None, None),
        ("1e3", None, None),
        ("nan", None, None),
        ("inf", None, None),
        ("\u0661\u0662", None, None),
        ("120s", None, None),
        ("Thu, 01 Jan 99999999999999999999 00:00:00 GMT", None, None),
        ("Thu, 32 Jan 2026 00:00:00 GMT", None, None),
    ],
)
def test_the_wait_in_all_its_forms(value: str, date: str | None, seconds: float | None):
    headers = {"Retry-After": value} | ({"Date": date} if date else {})
    assert retry_after(headers, NOW) == seconds


def test_the_wait_said_twice_or_not_at_all():
    headers = CIMultiDict([("Retry-After", "60"), ("Retry-After", LATER), ("Retry-After", "soon")])
    assert retry_after(headers, NOW) == 120.0
    assert retry_after({}, NOW) is None and retry_after(CIMultiDict(), NOW) is None


DATES = st.datetimes(timezones=st.just(UTC)).map(lambda when: format_datetime(when, usegmt=True))
VALUES = st.one_of(st.text(), DATES, st.decimals().map(str), st.integers().map(str))


@given(st.lists(VALUES), VALUES)
@example(["Sun Nov  6 08:49:37 1994"], "Mon, 01 Jan 0001 00:00:00 +2359")
@example(["Mon, 01 Jan 0001 00:00:00 +2359"], "")
@example(["1 Jan 1 1:1:1 -9999999999"], "1 Jan 1 1:1:1 +2400")
def test_any_wait_at_all(values: list[str], date: str):
    for one in (",".join(values), *values):
        found = retry_after({"Retry-After": one, "Date": date}, NOW)
        assert found is None or (math.isfinite(found) and 0.0 <= found <= LONGEST)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 522])
def test_every_refusal_that_may_pass_can_say_when(status: int):
    error = refused(status, {"Retry-After": "7"}, NOW)
    assert (error.retryable, error.retry_after, error.http_status) == (True, 7.0, status)


@pytest.mark.parametrize(("status", "retryable"), [(403, True), (413, True), (202, True), (404, False), (410, False)])
def test_who_says_when_is_left_alone_and_may_mean_that_it_passes(status: int, retryable: bool):
    said, silent = refused(status, {"Retry-After": "7"}, NOW), refused(status, {}, NOW)
    assert (said.retry_after, said.retryable) == (7.0, retryable)
    assert (silent.retry_after, silent.retryable) == (None, False)


@pytest.mark.parametrize("status", [100, 304, 501, 505, 999])
def test_other_refusals_are_for_good(status: int):
    assert not refused(status, {}, NOW).retryable


async def test_the_longer_of_two_headers_reaches_the_caller(server: ImageServer, tmp_path: Path):
    server.add("/x", replace(too_many_requests("7"), headers=(("Retry-After", "9"),)))
    found = await fate(server.url("/x"), tmp_path)
    assert isinstance(found, FetchError) and (found.reason, found.retry_after) == (Reason.HTTP_429, 9.0)


@pytest.mark.slow  # for some time a body may come
@pytest.mark.parametrize(("status", "reason"), [(404, Reason.HTTP_404), (503, Reason.HTTP_5XX)])
async def test_a_page_that_drips_behind_a_refusal_changes_nothing(
    server: ImageServer, tmp_path: Path, status: int, reason: Reason
):
    server.add("/x", replace(dripping(b"x" * 1_000, 0.05), status=status))
    server.add("/moved", replace(dripping(b"x" * 1_000, 0.05), status=302, location="/y"))
    for seconds in (1.5, 20.0):
        with Lived() as lived:
            found = await fate(server.url("/x"), tmp_path, seconds=seconds)
            assert isinstance(found, FetchError) and (found.reason, found.http_status) == (reason, status)
            moved = await fate(server.url("/moved"), tmp_path, seconds=seconds)
            assert isinstance(moved, Response) and moved.location == "/y"
            assert lived.seconds < 10.0, "nobody waits for the page"
