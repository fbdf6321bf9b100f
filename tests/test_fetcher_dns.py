"""Names: the resolver on real sockets against a name server that lies, and the parts of it that are pure."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from asynccrawl.errors import FetchError
from asynccrawl.fetcher import HttpFetcher, name_servers
from asynccrawl.fetcher.dns_cache import LONGEST, NEGATIVE, SHORTEST, Answer, DnsCache
from asynccrawl.fetcher.hosts_file import parse_hosts, read_hosts
from asynccrawl.fetcher.lane import Lane
from asynccrawl.fetcher.name_servers import NameServers
from asynccrawl.fetcher.resolver import NotResolved, Resolver
from asynccrawl.models import Reason, Response
from asynccrawl.settings import Network, Settings
from asynccrawl.testing import DnsAnswer, DnsServer, ImageServer

from .conftest import LOOPBACK
from .fetching import fate, outcome
from .raw_client import STEP, soon

GOOD = DnsAnswer(("127.0.0.1",))
SILENT = DnsAnswer(lie="silence")


def asking(dns: DnsServer, *allowed: str) -> Settings:
    return replace(LOOPBACK, network=Network(allow_net=allowed or ("127.0.0.0/8",), nameserver=(dns.nameserver,)))


@pytest.fixture
async def dns() -> AsyncIterator[DnsServer]:
    async with DnsServer() as started:
        yield started


@pytest.fixture
async def resolver(dns: DnsServer) -> AsyncIterator[Resolver]:
    async with resolving(dns) as made:
        yield made


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look-ups that are not answered end soon."""
    monkeypatch.setattr(name_servers, "_TIMEOUT", 0.05)
    monkeypatch.setattr(name_servers, "LOOK_UP", 0.3)


@pytest.fixture
def brief_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Further tries come at once."""
    monkeypatch.setattr(name_servers, "_PAUSES", (STEP, STEP, STEP))


@asynccontextmanager
async def resolving(dns: DnsServer, hosts: dict[str, Answer] | None = None) -> AsyncIterator[Resolver]:
    made = Resolver(NameServers((dns.nameserver,)), hosts or {}, DnsCache())
    yield made
    await made.close()


async def addresses(resolver: Resolver, name: str) -> list[str]:
    return [found["host"] for found in await resolver.resolve(name, 80)]


async def refusal(resolver: Resolver, name: str) -> tuple[bool, str]:
    with pytest.raises(NotResolved) as caught:
        await resolver.resolve(name, 80)
    return caught.value.permanent, caught.value.strerror


# What a fetch makes of each fate


@pytest.mark.parametrize(
    ("answer", "retryable", "words"),
    [
        ("NXDOMAIN", False, "does not exist (NXDOMAIN)"),
        (DnsAnswer(), False, "has no address"),
        (DnsAnswer(cname="cats.example"), False, "has no address"),
        ("SERVFAIL", True, "SERVFAIL"),
        ("REFUSED", True, "REFUSED"),
        ("NOTIMP", True, "NOTIMP"),
        (DnsAnswer(lie="garbage"), True, "could not be read"),
    ],
    ids=["nxdomain", "nodata", "loop", "servfail", "refused", "notimp", "garbage"],
)
async def test_a_name_that_is_not_resolved(
    dns: DnsServer, tmp_path: Path, brief_pauses: None, answer: Any, retryable: bool, words: str
):
    dns.add("cats.example", answer)
    error = await fate("http://cats.example:9009/x.jpg", tmp_path, asking(dns))
    assert isinstance(error, FetchError)
    assert (error.reason, error.retryable) == (Reason.DNS, retryable), error
    assert "cats.example" in error.detail and words in error.detail


@pytest.mark.parametrize("lie", ["silence", "wrong_id", "wrong_name"])
async def test_a_name_server_that_says_nothing_of_use(dns: DnsServer, tmp_path: Path, hurried: None, lie: Any):
    dns.add("cats.example", DnsAnswer(("127.0.0.1",), lie=lie))
    error = await fate("http://cats.example:9009/x.jpg", tmp_path, asking(dns))
    assert isinstance(error, FetchError) and (error.reason, error.retryable) == (Reason.DNS, True), error
    assert "no answer from the name server within 0." in error.detail


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"],
        [DnsAnswer(("127.0.0.1",), delay=5 * STEP)],
        [DnsAnswer(("127.0.0.1",), truncated=True)],
        [DnsAnswer(cname="end.example")],
        ["SERVFAIL", "SERVFAIL", "127.0.0.1"],
        ["REFUSED", "127.0.0.1"],
        [DnsAnswer(lie="garbage"), "127.0.0.1"],
        [SILENT, "127.0.0.1"],
        [DnsAnswer(("127.0.0.1",), lie="wrong_id"), "127.0.0.1"],
    ],
    ids=["plain", "slow", "tcp", "alias", "servfail", "refused", "garbage", "silence", "wrong_id"],
)
async def test_a_name_that_is_resolved_in_one_fetch(
    dns: DnsServer, server: ImageServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: list[Any]
):
    monkeypatch.setattr(name_servers, "_TIMEOUT", 0.1)
    dns.add("end.example", "127.0.0.1")
    dns.add("cats.example", *answers)
    server.add("/x", b"body")
    got = await fate(server.url("/x", "cats.example"), tmp_path, asking(dns))
    assert isinstance(got, Response) and got.data == b"body", got
    assert server.audit.hosts == ["cats.example"]


@pytest.mark.slow  # c-ares waits for a quarter of a second before it asks again
async def test_an_answer_slower_than_all_before_is_waited_for(dns: DnsServer, resolver: Resolver):
    """c-ares, which has come to expect answers at once, gives up after a quarter of a second."""
    for n in range(10):
        dns.add(f"quick{n}.example", GOOD)
        await addresses(resolver, f"quick{n}.example")
    dns.add("slow.example", DnsAnswer(("127.0.0.2",), delay=0.4))
    assert await addresses(resolver, "slow.example") == ["127.0.0.2"]


async def test_a_failure_that_may_pass_is_tried_three_times_more(
    dns: DnsServer, resolver: Resolver, brief_pauses: None
):
    dns.add("cats.example", "SERVFAIL")
    permanent, _ = await refusal(resolver, "cats.example")
    assert not permanent and dns.audit.count("cats.example", "A") == 4
    dns.add("dogs.example", "NXDOMAIN")
    permanent, _ = await refusal(resolver, "dogs.example")
    assert permanent and dns.audit.count("dogs.example", "A") == 1


@pytest.mark.parametrize(
    ("four", "six", "expected"),
    [
        (["127.0.0.1"], "SERVFAIL", ["127.0.0.1"]),
        (["127.0.0.1"], "NXDOMAIN", ["127.0.0.1"]),
        (["127.0.0.1"], SILENT, ["127.0.0.1"]),
        (["127.0.0.1"], DnsAnswer(("::1",)), ["127.0.0.1", "::1"]),
        ([DnsAnswer(("127.0.0.1",), delay=0.1)], DnsAnswer(("::1",)), ["127.0.0.1", "::1"]),
        (["SERVFAIL"], DnsAnswer(("::1",)), ["::1"]),
        (["SERVFAIL", "127.0.0.1"], DnsAnswer(), ["127.0.0.1"]),
        (["SERVFAIL", "127.0.0.1"], "NXDOMAIN", ["127.0.0.1"]),
    ],
    ids=str,
)
async def test_one_family_of_addresses_does_not_spoil_the_other(
    dns: DnsServer, resolver: Resolver, monkeypatch: pytest.MonkeyPatch, four: list[Any], six: Any, expected: list[str]
):
    both = {1: DnsServer(), 28: DnsServer()}
    both[1].add("cats.example", *four)
    both[28].add("cats.example", six)
    monkeypatch.setattr(dns, "_turn", lambda name, kind: both[kind]._turn(name, kind))
    assert await addresses(resolver, "cats.example") == expected


async def test_no_address_and_a_failure_beside_it_may_pass(
    dns: DnsServer, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(name_servers, "_PAUSES", (STEP,))
    turns = {1: DnsAnswer(rcode="SERVFAIL"), 28: DnsAnswer()}
    monkeypatch.setattr(dns, "_turn", lambda name, kind: turns[kind])
    assert await refusal(resolver, "cats.example") == (False, "the name server failed (SERVFAIL)")
    turns[1], turns[28] = turns[28], turns[1]
    assert await refusal(resolver, "dogs.example") == (False, "the name server failed (SERVFAIL)")


async def test_a_look_up_ends_with_the_deadline_of_its_caller(dns: DnsServer, tmp_path: Path):
    dns.add("cats.example", SILENT)
    error = await fate("http://cats.example:9009/x.jpg", tmp_path, asking(dns), seconds=0.2)
    assert isinstance(error, FetchError) and (error.reason, error.retryable) == (Reason.DNS, True)


async def test_no_name_server_at_all(tmp_path: Path, hurried: None):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        closed = f"127.0.0.1:{bound.getsockname()[1]}"
    settings = replace(LOOPBACK, network=Network(nameserver=(closed,)))
    error = await fate("http://cats.example:9009/x.jpg", tmp_path, settings)
    assert isinstance(error, FetchError) and (error.reason, error.retryable) == (Reason.DNS, True)


async def test_the_next_name_server_is_asked(dns: DnsServer, server: ImageServer, tmp_path: Path):
    server.add("/x", b"body")
    dns.add("cats.example", "REFUSED")
    async with DnsServer() as second:
        second.add("cats.example", "127.0.0.1")
        servers = (dns.nameserver, second.nameserver)
        settings = replace(LOOPBACK, network=Network(allow_net=("127.0.0.0/8",), nameserver=servers))
        got = await fate(server.url("/x", "cats.example"), tmp_path, settings)
    assert isinstance(got, Response)


# Who is asked, and how often


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_addresses_and_names_of_this_machine_are_not_asked_for(
    dns: DnsServer, server: ImageServer, tmp_path: Path, host: str
):
    server.add("/x", b"body")
    got = await fate(server.url("/x", host), tmp_path, asking(dns, "127.0.0.0/8", "::1/128"))
    assert isinstance(got, Response) and dns.audit.queries == []


async def test_the_hosts_file_comes_first(dns: DnsServer):
    dns.add("cats.example", "127.0.0.9")
    hosts = parse_hosts("127.0.0.5 Cats.Example cats # our own\n::1 cats\nno-address x\n\n# 127.0.0.6 y\n127.0.0.7\n")
    assert set(hosts) == {"cats.example", "cats"}
    async with resolving(dns, hosts) as resolver:
        assert await addresses(resolver, "cats.example") == ["127.0.0.5"]
        assert await addresses(resolver, "CATS.") == ["127.0.0.5", "::1"]
        assert await addresses(resolver, "a.localhost") == ["127.0.0.1", "::1"]
    assert dns.audit.queries == []


def test_a_hosts_file_that_cannot_be_read_has_no_names(tmp_path: Path):
    assert read_hosts(tmp_path / "none") == {}
    (tmp_path / "hosts").write_bytes(b"127.0.0.1 a\n\xff\xfe 127.0.0.2\n127.0.0.3 b\n")
    assert read_hosts(tmp_path / "hosts") == {"a": Answer(("127.0.0.1",)), "b": Answer(("127.0.0.3",))}


async def test_names_are_kept_and_shared(dns: DnsServer, resolver: Resolver):
    dns.add("cats.example", DnsAnswer(("127.0.0.1",), delay=5 * STEP, ttl=0))
    dns.add("none.example", "NXDOMAIN")
    ends = await asyncio.gather(*(addresses(resolver, "cats.example") for _ in range(100)))
    assert ends == [["127.0.0.1"]] * 100
    assert await addresses(resolver, "Cats.Example.") == ["127.0.0.1"]
    first = await refusal(resolver, "none.example")
    assert await refusal(resolver, "none.example") == first == (True, "it does not exist (NXDOMAIN)")
    for name in ("cats.example", "none.example"):
        assert (dns.audit.count(name, "A"), dns.audit.count(name, "AAAA")) == (1, 1)


async def test_a_failure_that_may_pass_is_not_kept(dns: DnsServer, resolver: Resolver, brief_pauses: None):
    dns.add("cats.example", *["SERVFAIL"] * 4, "127.0.0.1")
    assert not (await refusal(resolver, "cats.example"))[0]
    assert await addresses(resolver, "cats.example") == ["127.0.0.1"]


async def test_one_who_gives_up_does_not_take_the_look_up_from_the_others(dns: DnsServer, resolver: Resolver):
    dns.add("cats.example", DnsAnswer(("127.0.0.1",), delay=0.1))
    askers = [asyncio.create_task(addresses(resolver, "cats.example")) for _ in range(10)]
    await soon(lambda: dns.audit.count("cats.example", "A") == 1)
    for asker in askers[:9]:  # the first of them is the one who began it
        asker.cancel()
    assert await askers[9] == ["127.0.0.1"]
    assert all(asker.cancelled() for asker in askers[:9]) and dns.audit.count("cats.example", "A") == 1


async def test_a_look_up_that_nobody_waits_for_ends(dns: DnsServer, resolver: Resolver):
    dns.add("cats.example", SILENT)
    before = asyncio.all_tasks()
    askers = [asyncio.create_task(addresses(resolver, "cats.example")) for _ in range(3)]
    await soon(lambda: dns.audit.count("cats.example", "A") == 1)
    for asker in askers:
        asker.cancel()
    await soon(lambda: asyncio.all_tasks() == before)
    dns.add("cats.example", "127.0.0.1")
    assert await addresses(resolver, "cats.example") == ["127.0.0.1"], "another look-up begins anew"


async def test_closing_ends_all_look_ups(dns: DnsServer):
    dns.add("cats.example", SILENT)
    async with resolving(dns) as resolver:
        asker = asyncio.create_task(refusal(resolver, "cats.example"))
        await soon(lambda: dns.audit.count("cats.example", "A") == 1)
    assert await asker == (False, "the resolver was closed")
    assert await refusal(resolver, "cats.example") == (False, "the resolver is closed")


@pytest.mark.slow  # three hundred names wait for their deadline
async def test_dead_names_do_not_hold_up_good_ones(dns: DnsServer, server: ImageServer, tmp_path: Path):
    server.add("/x", b"body")
    for n in range(300):
        dns.add(f"dead{n}.example", SILENT)
    for n in range(20):
        dns.add(f"good{n}.example", "127.0.0.1")
    fetcher = await HttpFetcher.open(asking(dns), tmp_path)
    dead = [asyncio.create_task(outcome(fetcher, f"http://dead{n}.example:9009/", 4.0)) for n in range(300)]
    await soon(lambda: dns.audit.count(type="A") > 0)
    good = [outcome(fetcher, server.url("/x", f"good{n}.example"), 20.0) for n in range(20)]
    assert all(isinstance(end, Response) for end in await asyncio.gather(*good))
    assert not any(task.done() for task in dead)
    assert {getattr(end, "reason", None) for end in await asyncio.gather(*dead)} == {Reason.DNS}
    await fetcher.aclose()


async def test_what_is_slow_leaves_the_lane():
    lane, inside = Lane(2, 3 * STEP), []

    async def pass_through(n: int, seconds: float) -> None:
        async with lane.place():
            inside.append(n)
            await asyncio.sleep(seconds)

    slow = [asyncio.create_task(pass_through(n, 60)) for n in range(4)]
    await soon(lambda: len(inside) == 2)
    quick = asyncio.create_task(pass_through(4, 0))
    gone = asyncio.create_task(pass_through(5, 0))
    await asyncio.sleep(0)
    gone.cancel()
    await quick
    assert inside == [0, 1, 2, 3, 4] and not any(task.done() for task in slow)
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
    await soon(lambda: lane._free._value == 2)


# Where the connection goes


@asynccontextmanager
async def answering(host: str, port: int = 0) -> AsyncIterator[int]:
    """A web server of one address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody")
        writer.close()

    async with await asyncio.start_server(answer, host, port) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("alive", ["127.0.0.2", "::1"])
@pytest.mark.parametrize("dead", ["127.0.0.3", "::1"])
async def test_a_dead_address_does_not_fail_a_host_with_another(dns: DnsServer, tmp_path: Path, dead: str, alive: str):
    dns.add("cats.example", DnsAnswer((dead, "127.0.0.4", alive)))
    fetcher = await HttpFetcher.open(asking(dns, "127.0.0.0/8", "::1/128"), tmp_path)
    async with answering(alive) as port:
        for _ in range(4):  # the addresses take turns
            got = await outcome(fetcher, f"http://cats.example:{port}/x")
            assert isinstance(got, Response) and got.data == b"body"
    await fetcher.aclose()


async def test_the_addresses_take_turns(dns: DnsServer, resolver: Resolver):
    dns.add("cats.example", DnsAnswer(("127.0.0.1", "127.0.0.2", "127.0.0.3", "::1")))
    turns = [await addresses(resolver, "cats.example") for _ in range(3)]
    assert {turn[0] for turn in turns} == {"127.0.0.1", "127.0.0.2", "127.0.0.3"}
    assert all(len(turn) == 4 and turn[3] == "::1" for turn in turns)
    found = await resolver.resolve("cats.example", 443, socket.AF_INET6)
    assert [(one["host"], one["port"], one["family"]) for one in found] == [("::1", 443, socket.AF_INET6)]


async def test_a_last_dot_changes_nothing(dns: DnsServer, server: ImageServer, tmp_path: Path):
    server.add("/x", b"body")
    dns.add("cats.example", "127.0.0.1")
    assert isinstance(await fate(server.url("/x", "cats.example."), tmp_path, asking(dns)), Response)
    assert {query.name for query in dns.audit.queries} == {"cats.example"}


async def test_names_that_lead_inside_are_blocked_in_every_turn(dns: DnsServer, server: ImageServer, tmp_path: Path):
    server.add("/x", b"body")
    dns.add("rebinding.example", "192.0.2.1", "127.0.0.1")
    dns.add("both.example", DnsAnswer(("10.0.0.1", "127.0.0.1")))
    dns.add("six.example", DnsAnswer(("::ffff:127.0.0.1",)))
    closed = replace(LOOPBACK, network=Network(nameserver=(dns.nameserver,)))
    for name in ("rebinding.example", "rebinding.example", "both.example", "six.example"):
        error = await fate(server.url("/x", name), tmp_path, closed)  # a fetcher of its own, with nothing in its cache
        assert isinstance(error, FetchError) and (error.reason, error.retryable) == (Reason.BLOCKED_ADDRESS, False)
    assert dns.audit.count("rebinding.example", "A") == 2
    assert server.audit.count() == 0 and server.audit.connections == 0


# The cache, which is pure


def test_addresses_are_kept_for_their_ttl_within_bounds():
    cache = DnsCache()
    for ttl, seconds in [(0, SHORTEST), (5, SHORTEST), (300, 300), (2**31 - 1, LONGEST)]:
        answer = Answer(("127.0.0.1",), ttl)
        cache.put("a", answer, 1000.0)
        assert cache.get("a", 1000.0 + seconds - 0.1) == answer
        assert cache.get("a", 1000.0 + seconds) is None and len(cache) == 0
    assert cache.get("b", 0.0) is None


def test_the_lack_of_addresses_is_kept_and_what_may_pass_is_not():
    cache = DnsCache()
    cache.put("a", Answer(failure="no such name", permanent=True), 0.0)
    cache.put("b", Answer(failure="no answer"), 0.0)
    assert cache.get("b", 0.0) is None
    assert cache.get("a", NEGATIVE - 0.1) and cache.get("a", NEGATIVE) is None


def test_the_oldest_names_go():
    cache = DnsCache(names=3)
    for name in ("a", "b", "a", "c", "d"):
        cache.put(name, Answer(("127.0.0.1",)), 0.0)
    assert len(cache) == 3
    assert [name for name in "abcd" if cache.get(name, 1.0)] == ["a", "c", "d"]


# The setting


@pytest.mark.parametrize("server", ["127.0.0.1", "::1", "127.0.0.1:5353", "[::1]:53", "fe80::1%eth0", "9.9.9.9:65535"])
def test_name_servers_that_are(server: str):
    assert Network(nameserver=(server,)).nameserver == (server,)


@pytest.mark.parametrize(
    "servers",
    ["127.0.0.1", *((one,) for one in ("", "dns.example", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "1.2.3:53")),
     *((one,) for one in ("[127.0.0.1]:53", "[::1]", "[::1]:x", "[fe80::1%lo]:53", "::1]:53", "127.0.0.1:-1")),
     *((one,) for one in ("127.0.0.1:٥٣", 53, None))],
    ids=str,
)  # fmt: skip
def test_name_servers_that_are_none(servers: Any):
    with pytest.raises(ValueError, match=r"nameserver .*must be"):
        Network(nameserver=servers)


async def test_every_form_of_a_name_server_is_taken_by_the_resolver():
    for server in ("127.0.0.1", "::1", "127.0.0.1:5353", "[::1]:53"):
        resolver = await Resolver.open((server,))
        assert resolver._servers._quick._channel.servers[0].rstrip("0123456789").endswith(":")
        await resolver.close()
