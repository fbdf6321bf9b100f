"""Settings that would never do what they say are refused where they are made."""

from __future__ import annotations

from typing import Any

import pytest

from asynccrawl import HostLimits, ListOptions, Network, RetryPolicy, Settings, SettingsError


@pytest.mark.parametrize(
    ("group", "values"),
    [
        (HostLimits, {"per_host": 1.5}),
        (HostLimits, {"per_host": 0}),
        (HostLimits, {"breaker": 2.0}),
        (HostLimits, {"gap": float("nan")}),
        (RetryPolicy, {"retries": 2.5}),
        (Network, {"max_redirects": 1.5}),
        (ListOptions, {"offset": 0.5}),
        (Settings, {"concurrency": 1.5}),
        (HostLimits, {"overrides": {"example.com": 3}}),
        (HostLimits, {"overrides": {"Example.com": HostLimits()}}),
        (HostLimits, {"overrides": {"http://example.com": HostLimits()}}),
        (HostLimits, {"overrides": {"example.com:80": HostLimits()}}),
    ],
    ids=str,
)
def test_what_could_not_be_kept_to_is_refused(group: Any, values: dict[str, Any]):
    with pytest.raises(ValueError, match=next(iter(values))):
        group(**values)


@pytest.mark.parametrize("given", [None, 3, "", "\ud800"], ids=repr)
def test_a_key_that_cannot_be_kept_is_refused(given: Any):
    with pytest.raises(SettingsError, match="host_key gave"):
        HostLimits(host_key=lambda host: given).key_of("h")


def test_overrides_are_named_by_what_host_key_gives():
    mine = {"Flickr": HostLimits(per_host=1)}
    assert HostLimits(host_key=lambda host: "Flickr", overrides=mine).of("Flickr").per_host == 1
    assert HostLimits(overrides={"xn--bcher-kva.example": mine["Flickr"], "127.0.0.1": mine["Flickr"]})
