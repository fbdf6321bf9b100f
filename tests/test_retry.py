"""When a failed attempt is repeated."""

from __future__ import annotations

import random

import pytest

from asynccrawl.errors import FetchError
from asynccrawl.models import Reason
from asynccrawl.retry import delay
from asynccrawl.settings import RetryPolicy

RNG = random.Random(7)
RESET = FetchError(Reason.RESET, True, "reset")


def test_three_retries_are_three_more_tries():
    policy = RetryPolicy(retries=3)
    assert [delay(policy, RESET, n, RNG) is None for n in (1, 2, 3, 4)] == [False, False, False, True]


def test_a_permanent_cause_is_not_repeated():
    assert delay(RetryPolicy(), FetchError(Reason.HTTP_404, False, "404"), 1, RNG) is None


def test_the_servers_wish_wins():
    busy = FetchError(Reason.HTTP_429, True, "429", retry_after=17.0)
    assert delay(RetryPolicy(base=0.1), busy, 1, RNG) == 17.0


def test_a_wait_that_is_over_says_nothing():
    busy = FetchError(Reason.HTTP_429, True, "429", retry_after=0.0)
    assert 0.0 < (delay(RetryPolicy(base=0.1), busy, 1, RNG) or 0.0) <= 0.1


@pytest.mark.parametrize(("attempt", "most"), [(1, 1.0), (2, 2.0), (3, 4.0), (9, 60.0), (5000, 60.0)])
def test_the_back_off_doubles_up_to_its_cap_with_full_jitter(attempt: int, most: float):
    policy = RetryPolicy(retries=10_000, base=1.0, cap=60.0)
    assert policy.backoff(attempt) == most
    drawn = [delay(policy, RESET, attempt, RNG) for _ in range(200)]
    assert all(0.0 <= d <= most for d in drawn)
    assert min(drawn) < most * 0.1 and max(drawn) > most * 0.9
