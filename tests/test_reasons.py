"""Every Reason of the network half, produced over real sockets; a new one cannot come without its place here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import asynccrawl as ac
from asynccrawl.models import Reason
from asynccrawl.testing import (
    Answer,
    DnsServer,
    ImageServer,
    dripping,
    hang_up,
    partial_content,
    picture,
    raw,
    redirect,
    reset,
    silent,
    status,
    truncated,
)

from .conftest import LOOPBACK

BODY = picture()
ANSWERS = {
    Reason.TIMEOUT: silent(),
    Reason.TOO_SLOW: dripping(b"x" * 1_000, 0.02),
    Reason.RESET: reset(),
    Reason.TRUNCATED: truncated(BODY),
    Reason.PROTOCOL: raw(b"no HTTP"),
    Reason.HTTP_4XX: status(418),
    Reason.HTTP_403: status(403),
    Reason.HTTP_404: status(404),
    Reason.HTTP_410: status(410),
    Reason.HTTP_429: status(429),
    Reason.HTTP_5XX: status(500),
    Reason.HTTP_OTHER: partial_content(BODY),
    Reason.REDIRECT_LOOP: redirect("/x"),
    Reason.BAD_REDIRECT: redirect("http://"),
    Reason.BLOCKED_SCHEME: redirect("ftp://h/x"),
    Reason.OPT_OUT: Answer(BODY, headers=(("X-Robots-Tag", "noai"),)),
    Reason.TOO_LARGE: Answer(bytes(20_000)),
    Reason.EMPTY: Answer(b""),
    Reason.ROBOTS: Answer(BODY),
    Reason.HOST_DOWN: hang_up(),
}
ELSEWHERE = {
    Reason.DNS: "http://nowhere.example/x",
    Reason.CONNECT: "http://127.0.0.222:{port}/x",
    Reason.TLS: "https://127.0.0.1:{port}/x",
    Reason.BLOCKED_ADDRESS: "http://10.0.0.1/x",
}
OF_OTHERS = set(Reason) - ANSWERS.keys() - ELSEWHERE.keys()
"""Of the list, the pictures and what is done with them; they have their tests where they are decided."""


@pytest.mark.slow  # timeouts, and rests between probes
async def test_every_reason_of_the_network(dest: Path):
    async with ImageServer(hosts=len(ANSWERS) + 1) as server, DnsServer() as dns:
        wanted: dict[str, Reason] = {}
        for host, (reason, answer) in enumerate(ANSWERS.items(), start=1):
            paths = [f"/{n}" for n in range(20)] if reason is Reason.HOST_DOWN else ["/x"]
            for path in paths:
                server.add(path, answer, host=server.hosts[host])
                wanted[server.url(path, host)] = reason
            if reason is Reason.ROBOTS:
                server.add("/robots.txt", Answer(b"User-agent: *\nDisallow: /x"), host=server.hosts[host])
        wanted |= {url.format(port=server.port): reason for reason, url in ELSEWHERE.items()}
        settings = replace(
            LOOPBACK,
            hosts=ac.HostLimits(breaker=2, probes=1),
            retry=ac.RetryPolicy(retries=0, base=0.01),
            limits=ac.Limits(timeout=3.0, grace=0.1, max_bytes=10_000),
            network=replace(LOOPBACK.network, nameserver=(dns.nameserver,), robots=True),
        )
        told: list[ac.Outcome] = []
        await ac.crawl(list(wanted), dest, settings=settings, on_outcome=told.append)
    found = {(wanted[outcome.url], outcome.reason) for outcome in told}
    assert found - {(Reason.HOST_DOWN, Reason.RESET)} == {(reason, reason) for reason in wanted.values()}
    assert all(outcome.detail for outcome in told)


def test_no_reason_of_the_network_is_left_out():
    others = "not_an_image unsupported_format corrupt too_many_pixels too_small placeholder duplicate hash_mismatch"
    others += " bad_line bad_url bad_name name_conflict label_full label_not_wanted internal"
    assert set(others.split()) == OF_OTHERS
