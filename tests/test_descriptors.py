"""A process that runs out of file descriptors: nobody is blamed for it, and what files need is kept free."""

from __future__ import annotations

import asyncio
import os
import pickle
import resource
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from asynccrawl.errors import FetchError, OutOfDescriptors
from asynccrawl.fetcher import HttpFetcher
from asynccrawl.fetcher.body import read_body
from asynccrawl.models import Reason, Response
from asynccrawl.settings import Limits, Network
from asynccrawl.testing import Answer, DnsServer, ImageServer, picture

from .conftest import LOOPBACK, lenient
from .fetching import outcome


@contextmanager
def free_descriptors(number: int) -> Iterator[None]:
    """No more than so many files can be opened for a while, besides those that are open."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (4_096, before[1]))
    try:
        # The lowest free numbers, one after the other; there may be gaps between those that are in use.
        free = [os.dup(0) for _ in range(number + 1)]
        for one in free:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free[-1], before[1]))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_a_look_up_that_finds_none_is_no_failure_of_the_name(server: ImageServer, tmp_path: Path):
    server.route(lambda request: Answer(picture()))
    url = server.url("/1").replace("127.0.0.1", "cats.test")
    async with DnsServer() as dns:
        dns.add("cats.test", "127.0.0.1")
        network = Network(allow_net=("127.0.0.0/8",), nameserver=(dns.nameserver,))
        fetcher = await HttpFetcher.open(replace(LOOPBACK, network=network), tmp_path)
        with free_descriptors(0):
            assert isinstance(await outcome(fetcher, url), OutOfDescriptors)
        assert not dns.audit.count("cats.test", "A")
        found = await outcome(fetcher, url)
        assert isinstance(found, Response) and found.data == picture(), "and it was not remembered as one"
        await fetcher.aclose()


async def test_connections_leave_some_for_files(server: ImageServer, tmp_path: Path):
    server.route(lambda request: Answer(picture()))
    fetcher = await HttpFetcher.open(LOOPBACK, tmp_path)
    with free_descriptors(8):
        assert isinstance(await outcome(fetcher, server.url("/1")), OutOfDescriptors)
        for opened in [socket.socket() for _ in range(8)]:
            opened.close()  # they were there
    assert server.audit.count() == 0
    assert isinstance(await outcome(fetcher, server.url("/1")), Response)
    await fetcher.aclose()


async def test_a_large_body_that_finds_none_waits(tmp_path: Path):
    def chunks(*left: bytes):
        waiting = [*left, b""]

        async def read() -> bytes:
            return waiting.pop(0)

        return read

    with free_descriptors(0), pytest.raises(OutOfDescriptors):
        await read_body(chunks(bytes(100)), Limits(spool_above=10), tmp_path / "spool")
    body = await read_body(chunks(bytes(100)), Limits(spool_above=10), tmp_path / "spool")
    assert body.path is not None and body.path.read_bytes() == bytes(100)


def test_the_error_crosses_processes():
    again = pickle.loads(pickle.dumps(OutOfDescriptors()))
    assert type(again) is OutOfDescriptors and again.retryable and "ulimit -n" in again.detail


async def test_a_large_body_for_which_no_thread_can_be_started_blames_nobody(tmp_path: Path):
    """As under a limit of address space. Threads of the system are what cannot be had here."""
    async with ImageServer() as server:
        server.add("/a.jpg", picture(size=(300, 200)))
        fetcher = await HttpFetcher.open(lenient(limits=Limits(spool_above=1_000)), tmp_path)
        try:
            asyncio.get_running_loop().set_default_executor(NoThreads())
            error = await outcome(fetcher, server.url("/a.jpg"))
        finally:
            await fetcher.aclose()
    assert isinstance(error, FetchError) and (error.reason, error.retryable) == (Reason.INTERNAL, True)


class NoThreads(ThreadPoolExecutor):
    """What `ThreadPoolExecutor` does where the system refuses it a thread."""

    def submit(self, *arguments: Any, **named: Any) -> Any:
        raise RuntimeError("can't start new thread")
