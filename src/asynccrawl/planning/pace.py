"""The least time that politeness leaves to a crawl: no server, network or disk can make it shorter. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from ..report import size_of
from ..settings import HostLimits, Settings
from .figures import REQUEST_SECONDS, Bound


def bounds_of(fetches: Mapping[str, int], settings: Settings, size: int) -> tuple[Bound, ...]:
    """What sets the least time, the longest first: the host that needs longest, and what holds for all together.

    `fetches` counts requests by host key; `size` is what they bring, in bytes. Each request is taken to last
    REQUEST_SECONDS. Empty when there is nothing to fetch.
    """
    if not fetches:
        return ()
    found = [_host_bound(fetches, settings.hosts), *_overall(sum(fetches.values()), settings, size)]
    return tuple(sorted(found, key=lambda bound: -bound.seconds))


def _host_bound(fetches: Mapping[str, int], hosts: HostLimits) -> Bound:
    seconds, n, host = max((_least(n, hosts.of(host)), n, host) for host, n in fetches.items())
    limits = hosts.of(host)
    if seconds > _in_flight(n, limits.per_host):
        rule, setting = f"{limits.spacing:g} s apart", "hosts.gap" if limits.gap == limits.spacing else "--rate"
    else:
        rule, setting = f"{limits.per_host:,} at once", "--per-host"
    return Bound(seconds, n, host, rule, "hosts.overrides" if host in hosts.overrides else setting)


def _least(n: int, limits: HostLimits) -> float:
    """Least seconds for n requests to one host: there are n - 1 spacings between them."""
    return max((n - 1) * limits.spacing, _in_flight(n, limits.per_host))


def _in_flight(n: int, at_once: int) -> float:
    return math.ceil(n / at_once) * REQUEST_SECONDS


def _overall(n: int, settings: Settings, size: int) -> Iterator[Bound]:
    at_once, sleep = settings.concurrency, settings.limits.sleep
    seconds, rule, setting = _in_flight(n, at_once), f"{at_once:,} at once", "--jobs"
    if sleep:
        # The rest after a slot's last image holds up nothing.
        seconds += (math.ceil(n / at_once) - 1) * sleep
        rule, setting = f"{rule}, {sleep:g} s of rest after each", "--jobs, --sleep"
    yield Bound(seconds, n, None, rule, setting)
    if rate := settings.limits.limit_rate:
        yield Bound(size / rate, n, None, f"{size_of(size)} at {size_of(rate)}/s", "--limit-rate")
