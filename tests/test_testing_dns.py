"""The kit's name server, asked over raw sockets and by the resolver that we use."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiodns
import pytest
import uvloop

from asynccrawl.testing import DnsAnswer, DnsServer
from asynccrawl.testing.dns_wire import BadQuery, encode_name, read_query

from .raw_client import STEP, soon

A, CNAME, AAAA, HTTPS = 1, 5, 28, 65
NODATA, SERVFAIL, NOTFOUND, BADRESP, REFUSED, TIMEOUT = 1, 3, 4, 10, 6, 12  # ares.h


@pytest.fixture
async def dns() -> AsyncIterator[DnsServer]:
    async with DnsServer() as started:
        yield started


# Raw messages


def query(name: str, kind: int = A, number: int = 0x1234) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", kind, 1)


def read_name(message: bytes, at: int) -> tuple[str, int]:
    labels = []
    while length := message[at]:
        labels.append(message[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels), at + 1


def read_response(message: bytes) -> tuple[int, int, str, list[tuple[str, int, int, str]]]:
    """The id, the flags, the name that was asked for, and the records (name, type, ttl, data as text)."""
    number, flags, questions, count, *others = struct.unpack_from("!6H", message)
    assert (questions, others) == (1, [0, 0])
    asked, at = read_name(message, 12)
    at += 4
    records = []
    for _ in range(count):
        name, at = read_name(message, at)
        kind, _, ttl, size = struct.unpack_from("!HHIH", message, at)
        at += 10
        text = read_name(message, at)[0] if kind == CNAME else str(ipaddress.ip_address(message[at : at + size]))
        records.append((name, kind, ttl, text))
        at += size
    assert at == len(message), "nothing is left over"
    return number, flags, asked, records


async def over_udp(dns: DnsServer, *messages: bytes) -> list[bytes]:
    """The answers to messages that are sent one after the other, from the address that they went to."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, (dns.address, dns.port))
        answers = []
        for message in messages:
            await loop.sock_sendall(sock, message)
            answers.append(await asyncio.wait_for(loop.sock_recv(sock, 65_536), 30))
        return answers


async def over_tcp(dns: DnsServer, *messages: bytes, cut: int = 65_536) -> list[bytes]:
    reader, writer = await asyncio.open_connection(dns.address, dns.port)
    stream = b"".join(len(message).to_bytes(2, "big") + message for message in messages)
    try:
        for at in range(0, len(stream), cut):
            writer.write(stream[at : at + cut])
            await asyncio.sleep(0)
        return [await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big")) for _ in messages]
    finally:
        writer.transport.abort()


async def ask(dns: DnsServer, name: str, kind: int = A) -> tuple[int, list[str]]:
    """The response code and the data of the records."""
    (answer,) = await over_udp(dns, query(name, kind))
    _, flags, _, records = read_response(answer)
    return flags & 0xF, [record[-1] for record in records]


async def test_addresses_come_by_type_with_their_ttl_and_the_question_as_sent(dns: DnsServer) -> None:
    dns.add("Cats.Example.", DnsAnswer(("127.0.0.1", "::1", "127.0.0.2"), ttl=60))
    for transport in (over_udp, over_tcp):
        v4, v6, other = await transport(dns, *(query("cAtS.example", kind) for kind in (A, AAAA, HTTPS)))
        assert read_response(v4) == (0x1234, 0x8180, "cAtS.example", [
            ("cats.example", A, 60, "127.0.0.1"), ("cats.example", A, 60, "127.0.0.2"),
        ])  # fmt: skip
        assert read_response(v6)[3] == [("cats.example", AAAA, 60, "::1")]
        assert read_response(other)[1:] == (0x8180, "cAtS.example", [])
    assert [(q.name, q.type, q.transport) for q in dns.audit.queries] == [
        ("cats.example", kind, way) for way in ("udp", "tcp") for kind in ("A", "AAAA", "TYPE65")
    ]
    assert dns.audit.count("cats.example") == 6 and dns.audit.count(type="A") == 2
    assert all(q.ended and q.at <= q.ended for q in dns.audit.queries)


async def test_answers_come_in_turn_by_name_and_type(dns: DnsServer) -> None:
    dns.add("flaky.example", "SERVFAIL", "REFUSED", "127.0.0.1")
    dns.add("rebinding.example", "93.184.215.14", "127.0.0.1")
    found = (0, ["127.0.0.1"])
    assert [await ask(dns, "flaky.example") for _ in range(4)] == [(2, []), (5, []), found, found]
    assert await ask(dns, "flaky.example", AAAA) == (2, []), "each type has turns of its own"
    assert [(await ask(dns, "rebinding.example"))[1] for _ in range(2)] == [["93.184.215.14"], ["127.0.0.1"]]
    dns.add("flaky.example", "NXDOMAIN", DnsAnswer())
    assert [await ask(dns, "flaky.example") for _ in range(2)] == [(3, []), (0, [])]
    assert await ask(dns, "unknown.example") == (3, [])


async def test_aliases_are_followed_and_loops_end(dns: DnsServer) -> None:
    dns.add("a.example", DnsAnswer(cname="B.example", ttl=5))
    dns.add("b.example", DnsAnswer(cname="c.example"))
    dns.add("c.example", "127.0.0.1", "SERVFAIL")
    assert await ask(dns, "a.example") == (0, ["B.example", "c.example", "127.0.0.1"])
    assert await ask(dns, "a.example") == (2, ["B.example", "c.example"]), "the code is that of the chain's end"
    assert await ask(dns, "a.example", CNAME) == (0, ["B.example"])
    dns.add("one.example", DnsAnswer(cname="two.example"))
    dns.add("two.example", DnsAnswer(cname="one.example"))
    assert await ask(dns, "one.example") == (0, ["two.example", "one.example"])
    for n in range(40):
        dns.add(f"{n}.example", DnsAnswer(cname=f"{n + 1}.example"))
    (chain,) = await over_tcp(dns, query("0.example"))
    assert len(read_response(chain)[3]) == 16
    dns.add("dead.example", DnsAnswer(cname="nowhere.example"))
    assert await ask(dns, "dead.example") == (3, ["nowhere.example"])
    assert dns.audit.count("c.example") == 0, "only what was asked for is in the audit"


async def test_what_does_not_fit_is_truncated_and_whole_over_tcp(dns: DnsServer) -> None:
    dns.add("many.example", DnsAnswer(tuple(f"127.0.0.{n}" for n in range(1, 101))))
    dns.add("small.example", DnsAnswer(("127.0.0.1",), truncated=True))
    for name, count in (("many.example", 100), ("small.example", 1)):
        (udp,) = await over_udp(dns, query(name))
        assert len(udp) <= 512
        assert read_response(udp)[1:] == (0x8380, name, [])
        (tcp,) = await over_tcp(dns, query(name))
        assert read_response(tcp)[1] == 0x8180 and len(read_response(tcp)[3]) == count


async def test_lies(dns: DnsServer) -> None:
    dns.add("id.example", DnsAnswer(("127.0.0.1",), lie="wrong_id"))
    dns.add("name.example", DnsAnswer(("127.0.0.1",), lie="wrong_name"))
    dns.add("garbage.example", DnsAnswer(lie="garbage"))
    dns.add("silent.example", DnsAnswer(lie="silence"), "127.0.0.1")
    one, two, three = await over_udp(dns, query("id.example"), query("name.example"), query("garbage.example"))
    assert read_response(one)[0] != 0x1234 and read_response(one)[3]
    assert read_response(two)[0] == 0x1234 and read_response(two)[2] == "wrong.invalid"
    assert three[:2] == b"\x12\x34" and set(three[2:]) == {0xFF}
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(over_udp(dns, query("silent.example")), 3 * STEP)
    assert dns.audit.in_flight == 0 and dns.audit.count("silent.example") == 1
    assert await ask(dns, "silent.example") == (0, ["127.0.0.1"])


async def test_slow_answers_are_in_flight_together(dns: DnsServer) -> None:
    for n in range(5):
        dns.add(f"{n}.example", DnsAnswer(("127.0.0.1",), delay=20 * STEP))  # longer than asking takes
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await asyncio.gather(*(ask(dns, f"{n}.example") for n in range(5))) == [(0, ["127.0.0.1"])] * 5
    assert loop.time() - began >= 20 * STEP
    assert (dns.audit.max_in_flight, dns.audit.in_flight) == (5, 0)
    assert repr(dns.audit) == "<DnsAudit 5 queries, 0 in flight, at most 5>"
    assert f"port={dns.port} names=5" in repr(dns)


@pytest.mark.parametrize(
    "message",
    [
        b"", b"\0" * 11, query("a.example")[:-1], query("a.example")[:16], b"\x12\x34\x81" + query("a.example")[3:],
        query("a.example")[:12] + b"\xc0\x0c\0\1\0\1", query("a.example")[:-1] + b"\3", query("é.example"),
        query(".".join(["a" * 60] * 5)), query("a.example")[:5] + b"\2" + query("a.example")[6:],
    ],
)  # fmt: skip
async def test_what_is_no_query_is_counted_and_not_answered(dns: DnsServer, message: bytes) -> None:
    with pytest.raises(BadQuery):
        read_query(message)
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, (dns.address, dns.port))
        await loop.sock_sendall(sock, message)
        await soon(lambda: dns.audit.bad_queries == 1)
    assert dns.audit.queries == []
    assert await ask(dns, "a.example") == (3, [])


async def _whole_life() -> None:
    async with DnsServer() as dns:
        dns.add("cats.example", "127.0.0.1")
        dns.add("slow.example", DnsAnswer(("127.0.0.1",), delay=60))
        assert len(await over_tcp(dns, query("cats.example"), query("cats.example", AAAA), cut=3)) == 2
        assert await ask(dns, "cats.example") == (0, ["127.0.0.1"])
        stuck = [asyncio.create_task(over_tcp(dns, query("slow.example"))) for _ in range(2)]
        await soon(lambda: dns.audit.in_flight == 2)
        await dns.aclose()
    for ended in await asyncio.gather(*stuck, return_exceptions=True):
        assert isinstance(ended, asyncio.IncompleteReadError | ConnectionError)
    assert dns.audit.in_flight == 0
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(dns.address, dns.port)


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_server_lives_and_ends_under_both_loops(loop_factory: Callable[[], Any]) -> None:
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_whole_life())


def test_scripts_are_checked_when_made() -> None:
    wrong: list[dict[str, Any]] = [
        {"addresses": "127.0.0.1"}, {"addresses": ("cats.example",)}, {"cname": "a..b"}, {"cname": "ä.example"},
        {"rcode": "NXDOMIAN"}, {"ttl": -1}, {"ttl": 2**31}, {"delay": -1}, {"delay": float("nan")}, {"lie": "silent"},
    ]  # fmt: skip
    for values in wrong:
        with pytest.raises(ValueError):
            DnsAnswer(**values)
    dns = DnsServer()
    for arguments in (("a.example",), ("a.example", "nonsense"), ("a" * 64, "127.0.0.1"), ("", "127.0.0.1")):
        with pytest.raises(ValueError):
            dns.add(*arguments)
    with pytest.raises(RuntimeError, match="not started"):
        assert dns.port
    assert encode_name("a.bc.") == b"\1a\2bc\0"


# The resolver that we use


async def resolved(dns: DnsServer, name: str, kind: str = "A", **options: Any) -> list[str] | int:
    """The addresses, or the code of c-ares. A resolver of its own each time: it keeps answers."""
    resolver = aiodns.DNSResolver(nameservers=[dns.nameserver], tries=1, **{"timeout": 2.0} | options)
    try:
        answer = await resolver.query_dns(name, kind)
        return [record.data.addr for record in answer.answer if record.type in (A, AAAA)]
    except aiodns.error.DNSError as error:
        return int(error.args[0])
    finally:
        await resolver.close()


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["127.0.0.1"], ["127.0.0.1"]),
        ([DnsAnswer(("127.0.0.3", "127.0.0.2", "::1"), ttl=9)], ["127.0.0.3", "127.0.0.2"]),
        ([DnsAnswer(("127.0.0.1",), delay=2 * STEP)], ["127.0.0.1"]),
        ([DnsAnswer(("127.0.0.1",), truncated=True)], ["127.0.0.1"]),
        ([DnsAnswer(cname="end.example")], ["127.0.0.9"]),
        (["NXDOMAIN"], NOTFOUND),
        (["SERVFAIL"], SERVFAIL),
        (["REFUSED"], REFUSED),
        ([DnsAnswer(lie="garbage")], BADRESP),
    ],
)
async def test_the_real_resolver_understands(dns: DnsServer, answers: list[Any], expected: object) -> None:
    dns.add("end.example", "127.0.0.9")
    dns.add("cats.example", *answers)
    assert await resolved(dns, "cats.example") == expected


async def test_the_real_resolver_asks_again_over_tcp(dns: DnsServer) -> None:
    dns.add("many.example", DnsAnswer(tuple(f"127.0.0.{n}" for n in range(1, 101))))
    answer = await resolved(dns, "many.example")
    assert isinstance(answer, list) and len(answer) == 100
    assert [q.transport for q in dns.audit.queries] == ["udp", "tcp"]


@pytest.mark.parametrize("lie", ["silence", "wrong_id", "wrong_name"])
async def test_the_real_resolver_gives_up_on(dns: DnsServer, lie: Any) -> None:
    dns.add("cats.example", DnsAnswer(("127.0.0.1",), lie=lie))
    assert await resolved(dns, "cats.example", timeout=0.05) == TIMEOUT
