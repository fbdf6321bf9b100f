"""The address guard against real connections, in a network where every address is ours and none a stranger's.

Where no such network can be made these tests fail: what they prove has to be proven somewhere.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from .guard_crawls import CLOSED, HIGH_PORTS, LOW_PORTS, NOWHERE, RESOLVED
from .namespace import run_isolated

Crawl = dict[str, Any]

# Ten crawls of some hundred URLs, in a process of their own.
pytestmark = [pytest.mark.slow, pytest.mark.may_block]


@pytest.fixture(scope="module")
def crawls() -> dict[str, Any]:
    """What came of all crawls."""
    done = run_isolated("tests.guard_crawls", timeout=150)
    assert done.returncode == 0, f"no crawls in a network namespace (unshare --net): {done.stderr[-3000:]}"
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def reasons(crawl: Crawl) -> set[tuple[str | None, bool]]:
    return {(fate["reason"], fate["retryable"]) for fate in crawl["fates"].values()}


def reached(crawl: Crawl) -> set[str]:
    return {name for name, fate in crawl["fates"].items() if fate["reached"]}


def named(*hosts: str) -> set[str]:
    return {f"{way} {host}" for way in ("written", "redirected") for host in hosts}


def test_nothing_that_is_not_public_is_connected_to(crawls: dict[str, Any]):
    closed = crawls["closed"]
    assert set(closed["fates"]) == named(*CLOSED, *NOWHERE, *RESOLVED)
    assert {name for name, fate in closed["fates"].items() if fate["reason"] != "blocked_address"} == set()
    assert reasons(closed) == {("blocked_address", False)}
    assert closed["connections"] == 0


def test_opened_the_same_urls_do_reach_the_server(crawls: dict[str, Any]):
    """So it was the guard that closed them, and the test above can fail."""
    assert named(*CLOSED, *RESOLVED) - reached(crawls["open"]) == set()
    assert reached(crawls["open"]) & named(*NOWHERE) == set()


def test_public_addresses_are_connected_to(crawls: dict[str, Any]):
    assert reached(crawls["public"]) == set(crawls["public"]["fates"])
    assert reasons(crawls["public"]) == {(None, False)}


def test_allow_net_opens_exactly_that_network(crawls: dict[str, Any]):
    assert reached(crawls["exact"]) == set(crawls["exact"]["fates"])
    assert reasons(crawls["near"]) == {("blocked_address", False)}
    assert crawls["near"]["connections"] == 0


def test_names_that_are_rebound_lead_nowhere(crawls: dict[str, Any]):
    for turn, crawl in enumerate(crawls["rebound"]):
        assert crawl["connections"] == 0
        for name, fate in crawl["fates"].items():
            expected = "blocked_address" if turn and name.startswith("rebind") else None
            assert fate["reason"] == expected, (turn, name, fate)
    assert {name for name in reached(crawls["rebound open"][1]) if name.startswith("rebind")} == {
        "rebind v4", "rebind v6", "rebind all",
    }  # fmt: skip


def test_of_the_low_ports_only_those_of_the_web_are_requested(crawls: dict[str, Any]):
    fates = crawls["ports"]["fates"]
    low = {name: fate for name, fate in fates.items() if int(name.split()[0]) in LOW_PORTS}
    assert len(low) == 6 * len(LOW_PORTS) and len(fates) == 6 * len(LOW_PORTS + HIGH_PORTS)
    assert reached(crawls["ports"]) == set(fates) - set(low)
    for name, fate in low.items():
        assert (fate["reason"], fate["retryable"]) == ("blocked_address", False)
        assert f"port {name.split()[0]} " in fate["detail"]
