"""When a failed attempt is repeated: (error, attempt) -> a delay in seconds, or None to give up."""

from __future__ import annotations

import random

from .errors import FetchError
from .settings import RetryPolicy


def delay(policy: RetryPolicy, error: FetchError, attempt: int, rng: random.Random) -> float | None:
    """Seconds to wait before the next attempt, after `attempt` of them (from 1) have failed.

    The server's wish wins over the formula, unless it is no time at all, which says little. The formula is exponential
    back-off with full jitter: a random part of min(cap, base x 2^(attempt-1)) (Brooker, "Exponential Backoff And
    Jitter", AWS Architecture Blog, 2015).
    """
    if not error.retryable or attempt > policy.retries:
        return None
    if error.retry_after:
        return error.retry_after
    return rng.uniform(0.0, policy.backoff(attempt))
