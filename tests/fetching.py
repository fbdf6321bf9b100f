"""What the real fetcher makes of one URL, and that it ends in time."""

from __future__ import annotations

from pathlib import Path

from asynccrawl.errors import FetchError
from asynccrawl.fetcher import HttpFetcher
from asynccrawl.models import Hop, Record, Request, Response
from asynccrawl.settings import Settings
from asynccrawl.urls import parse

from .conftest import LOOPBACK
from .lived import Lived

GRACE = 1.0
"""Seconds after its deadline by which every attempt ends: the promise."""


def hop(url: str, seconds: float) -> Hop:
    return Hop.first(Record(0, 1, "x", None, Request(url), parse(url).host), seconds)


async def outcome(fetcher: HttpFetcher, url: str, seconds: float = 5.0) -> Response | FetchError:
    """The Response, or the FetchError that came within the deadline."""
    with Lived() as lived:
        try:
            return await fetcher.fetch(hop(url, seconds))
        except FetchError as error:
            assert error.detail
            return error
        finally:
            assert lived.seconds < seconds + GRACE


async def fate(url: str, spool: Path, settings: Settings = LOOPBACK, seconds: float = 5.0) -> Response | FetchError:
    """The outcome of one URL with a fetcher of its own, which has no connection and no name in its caches."""
    fetcher = await HttpFetcher.open(settings, spool)
    try:
        return await outcome(fetcher, url, seconds)
    finally:
        await fetcher.aclose()
