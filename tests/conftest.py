"""What all tests share: a server that misbehaves on request, and a loop that nobody may block."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from blockbuster import blockbuster_ctx

from asynccrawl.settings import HostLimits, Limits, Network, RetryPolicy, Settings
from asynccrawl.testing import ImageServer

# No bounds in seconds, which a busy machine exceeds, and for each the same examples every time; `pytest
# --hypothesis-profile=default` looks for others.
hypothesis.settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("steady")

LOOPBACK = Settings(
    network=Network(allow_net=("127.0.0.0/8",)),
    retry=RetryPolicy(base=0.01),
    limits=Limits(timeout=5.0),
    hosts=HostLimits(per_host=8),
)
"""Settings for crawls of the kit's server: loopback is open, retries come quickly."""


def lenient(**changes: Any) -> Settings:
    """LOOPBACK with other groups of settings."""
    return replace(LOOPBACK, **changes)


@pytest.fixture(autouse=True, scope="session")
def signals_are_not_ignored() -> None:
    """What a shell starts in the background ignores Ctrl-C, and so would every command that a test starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def nobody_blocks_the_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """A blocking call that our package makes on the event loop fails the test."""
    if request.node.get_closest_marker("may_block"):
        yield
        return
    with blockbuster_ctx("asynccrawl"):
        yield


@pytest.fixture
async def server() -> AsyncIterator[ImageServer]:
    """A server on twenty loopback addresses."""
    async with ImageServer(hosts=20) as server:
        yield server


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    """A destination that does not exist yet."""
    return tmp_path / "dataset"
