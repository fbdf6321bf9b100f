"""What lists and Location headers say, and what the server then sees: byte for byte where it is legal."""

from __future__ import annotations

import asyncio
import string
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from asynccrawl import Failure, Network, Reason, Request, stream
from asynccrawl.settings import HostLimits
from asynccrawl.testing import Answer, DnsServer, ImageServer, redirect, status
from asynccrawl.urls import BadURL, join, parse

from .conftest import lenient
from .names import asking
from .url_spellings import BASE, LISTED, LOCATIONS, REFUSED

QUICK = lenient(hosts=HostLimits(per_host=64))


async def sent(server: ImageServer, targets: Sequence[str]) -> list[list[str]]:
    """The request targets that came to the server for each URL of a list, each on a host of its own."""
    urls = [Request(server.url(target, host)) for host, target in enumerate(targets)]
    async for _ in stream(urls, settings=QUICK):
        pass
    return [[entry.path for entry in server.audit.requests(host)] for host in server.hosts[: len(targets)]]


async def test_urls_of_a_list_go_as_they_are_written():
    cases = [(case, case) if isinstance(case, str) else case for case in LISTED]
    async with ImageServer(hosts=len(cases)) as server:
        assert await sent(server, [spelled for spelled, _ in cases]) == [[wire] for _, wire in cases]
    assert len(cases) >= 40


async def test_urls_of_a_file_go_as_they_are_written(server: ImageServer, tmp_path: Path):
    targets = ["/a/../b?", "/x%2fy,z;w+v", "/a|b^c", "/é"]
    (tmp_path / "list.txt").write_text("".join(f"n_{n} {server.url(t)}\r\n" for n, t in enumerate(targets)), "utf-8")
    async for _ in stream(tmp_path / "list.txt", settings=QUICK):
        pass
    assert sorted(e.path for e in server.audit.requests()) == sorted(
        ["/a/../b?", "/x%2fy,z;w+v", "/a%7Cb%5Ec", "/%C3%A9"]
    )


async def test_locations_go_as_they_are_written():
    async with ImageServer(hosts=len(LOCATIONS)) as server:
        for host, (location, _) in zip(server.hosts, LOCATIONS, strict=True):
            server.add(BASE, redirect(location.format(host=f"{host}:{server.port}")), host=host)
        came = await sent(server, [BASE] * len(LOCATIONS))
    assert {case[0]: paths[1:] for case, paths in zip(LOCATIONS, came, strict=True)} == {
        location: [wire] for location, wire in LOCATIONS
    }
    assert len(LOCATIONS) >= 25


async def test_locations_that_lead_nowhere():
    async with ImageServer(hosts=len(REFUSED)) as server:
        for host, (location, _) in zip(server.hosts, REFUSED, strict=True):
            server.add("/x", redirect(location), host=host)
        ends = {}
        async for result in stream([server.url("/x", host) for host in server.hosts], settings=QUICK):
            assert isinstance(result, Failure) and result.attempts == 1 and not result.retryable
            ends[REFUSED[result.ordinal][0]] = result.reason
        assert ends == dict(REFUSED)
        assert server.audit.count() == len(REFUSED)


@pytest.mark.parametrize("location", ["", "   ", "#top"])
async def test_a_location_that_names_nothing_new(server: ImageServer, location: str):
    server.add("/x?y", redirect(location))
    ends = [result async for result in stream([server.url("/x?y")], settings=QUICK)]
    assert isinstance(ends[0], Failure)
    assert ends[0].reason is (Reason.REDIRECT_LOOP if location == "#top" else Reason.BAD_REDIRECT)
    assert {entry.path for entry in server.audit.requests()} == {"/x?y"}


async def test_five_redirects_are_followed_and_no_more(server: ImageServer):
    for n in range(6):
        server.add(f"/five/{n}", redirect(f"{n + 1}") if n < 5 else status(404))
        server.add(f"/six/{n}", redirect(f"http://user:secret@127.0.0.1:{server.port}/six/{n + 1}"))
    ends = {}
    async for result in stream([server.url("/five/0"), server.url("/six/0")], settings=QUICK):
        assert isinstance(result, Failure)
        ends[result.ordinal] = result
    assert ends[0].reason is Reason.HTTP_404 and server.audit.count(path="/five/5") == 1
    assert ends[1].reason is Reason.REDIRECT_LOOP and server.audit.count(path="/six/5") == 1
    assert server.audit.count(path="/six/6") == 0 and "secret" not in ends[1].detail


@pytest.mark.parametrize(
    ("spelled", "header"),
    [
        ("cats.example", "cats.example"),
        ("CATS.Example", "cats.example"),
        ("cats.example.", "cats.example"),
        ("user:pa@ss@cats.example", "cats.example"),
        ("under_score.example", "under_score.example"),
        ("a--b.example", "a--b.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BU\u0308CHER.example", "xn--bcher-kva.example"),
        ("faß.example", "xn--fa-hia.example"),
        ("cats。example", "cats.example"),
        ("ｃａｔｓ．ｅｘａｍｐｌｅ", "cats.example"),
        ("i❤.example", "xn--i-7iq.example"),
        ("😻😻.example", "xn--238ha.example"),
        ("ü❤️.example", "xn--tda877q.example"),
        ("2130706433", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
    ],
)
async def test_hosts(server: ImageServer, spelled: str, header: str):
    async with DnsServer() as dns:
        dns.add(header, "127.0.0.1")
        with asking(dns, Network(allow_net=("127.0.0.1/32",))) as network:
            ends = [
                result
                async for result in stream([Request(server.url("/x", spelled))], settings=lenient(network=network))
            ]
    assert isinstance(ends[0], Failure) and ends[0].reason is Reason.HTTP_404, ends
    request = server.audit.requests()[0].request
    assert request.headers["host"] == f"{header}:{server.port}"
    assert "authorization" not in request.headers


@pytest.mark.parametrize(
    ("spelled", "host"),
    [
        ("1", "0.0.0.1"),
        ("0x", "0.0.0.0"),
        ("1.2", "1.0.0.2"),
        ("1.2.65535", "1.2.255.255"),
        ("4294967295", "255.255.255.255"),
        ("010.0x10.0.8", "8.16.0.8"),
        ("1.2.3.4.", "1.2.3.4"),
        ("１.２.３.４", "1.2.3.4"),
        ("1.2.3.com", "1.2.3.com"),
        ("0x7f.example", "0x7f.example"),
        ("[2001:DB8::1]", "[2001:db8::1]"),
    ],
)
def test_hosts_that_are_addresses(spelled: str, host: str):
    assert parse(f"http://{spelled}/").host == host


@pytest.mark.parametrize(
    "host",
    ["256.1.1.1", "1.2.3.4.5", "1.2.3.256", "4294967296", "08.1", "0x1g.0x", "1.-.1", "a.1", "a.0x", "[1:2]", "[]",
     "[::1", "[1.2.3.4]", "[::1]x", "[fe80::1%lo]", "%31", "👨‍👩‍👧.example", "a^ü.example", "❤a-.example"],
)  # fmt: skip
def test_hosts_that_are_none(host: str):
    with pytest.raises(BadURL, match=r"the (host|port) "):
        parse(f"http://{host}/")


_legal = st.text(string.ascii_letters + string.digits + "-._~!$&'()*+,;=:@/?", max_size=30)
_escape = st.tuples(*[st.sampled_from("0123456789abcdefABCDEF")] * 2).map(lambda pair: "%" + "".join(pair))
_targets = st.lists(st.one_of(_legal, _escape), max_size=8).map(lambda pieces: "/" + "".join(pieces))


async def _came(targets: list[str], redirected: bool) -> list[str]:
    async with ImageServer(hosts=len(targets)) as server:
        if redirected:
            for host, target in zip(server.hosts, targets, strict=True):
                server.add("/from/here", redirect(target), host=host)
        came = await sent(server, ["/from/here"] * len(targets) if redirected else targets)
    return [paths[int(redirected)] for paths in came]


@examples(max_examples=15, deadline=None)
@given(st.lists(_targets, min_size=10, max_size=40))
def test_whatever_is_legal_is_sent_as_it_is_parsed(targets: list[str]):
    assert [parse("http://h" + target).target for target in targets] == targets
    assert asyncio.run(_came(targets, redirected=False)) == targets
    paths = [target for target in targets if not target.startswith("//")]
    assert asyncio.run(_came(paths or ["/"], redirected=True)) == [resolved(path) for path in paths or ["/"]]


def resolved(reference: str) -> str:
    """A reference that is a path, by the letter of RFC 3986, 5.2.4."""
    path, mark, query = reference.partition("?")
    output = ""
    while path:
        if path.startswith("/./") or path == "/.":
            path = "/" + path[3:]
        elif path.startswith("/../") or path == "/..":
            path = "/" + path[4:]
            output = output[: max(output.rfind("/"), 0)]
        else:
            end = path.find("/", 1) if path.find("/", 1) > 0 else len(path)
            output, path = output + path[:end], path[end:]
    return output + mark + query


@given(st.lists(st.sampled_from(["a", ".", "..", "", "b;c", "...", "?", ".a"]), min_size=1, max_size=9).map("/".join))
@example("./")
@example("../..//../x?/..")
def test_relative_paths_are_resolved_by_the_letter(reference: str):
    path, mark, query = reference.partition("?")
    if path and not path.startswith("/"):
        assert join("http://h/b/c//d?q", reference) == "http://h" + resolved("/b/c//" + path) + mark + query
    elif path and not path.startswith("//"):
        assert join("http://h/b/c//d?q", reference) == "http://h" + resolved(path) + mark + query


RFC_3986_5_4 = """
    g http://a/b/c/g|./g http://a/b/c/g|g/ http://a/b/c/g/|/g http://a/g|//g http://g|?y http://a/b/c/d;p?y
    |g?y http://a/b/c/g?y|;x http://a/b/c/;x|g;x http://a/b/c/g;x|. http://a/b/c/|./ http://a/b/c/|.. http://a/b/
    |../ http://a/b/|../g http://a/b/g|../.. http://a/|../../ http://a/|../../g http://a/g|../../../g http://a/g
    |../../../../g http://a/g|/./g http://a/g|/../g http://a/g|g. http://a/b/c/g.|.g http://a/b/c/.g|g.. http://a/b/c/g..
    |..g http://a/b/c/..g|./../g http://a/b/g|./g/. http://a/b/c/g/|g/./h http://a/b/c/g/h|g/../h http://a/b/c/h
    |g;x=1/./y http://a/b/c/g;x=1/y|g;x=1/../y http://a/b/c/y|g?y/./x http://a/b/c/g?y/./x|g?y/../x http://a/b/c/g?y/../x
"""


@pytest.mark.parametrize("case", RFC_3986_5_4.split("|"))
def test_the_examples_of_the_rfc(case: str):
    reference, absolute = case.split()
    assert join("http://a/b/c/d;p?q", reference) == absolute


@given(st.binary(max_size=40))
@example(b"//\xe9")
@example(b"http://\xff/\xff")
def test_no_location_raises_anything_unforeseen(location: bytes):
    try:
        wire = parse(join("http://h/dir/a?b", location.decode("utf-8", "surrogateescape"))).wire
    except BadURL as error:
        str(error).encode()
    else:
        assert wire.isascii() and wire.isprintable() and " " not in wire


async def test_raw_bytes_in_a_location_are_recorded_as_they_were_sent(server: ImageServer):
    server.add("/x", redirect("/caf\udce9"))
    server.add("/caf%E9", Answer(b"no picture"))
    ends = [result async for result in stream([server.url("/x")], settings=QUICK)]
    assert isinstance(ends[0], Failure) and ends[0].final_url == server.url("/caf%E9")
