"""Who we say we are, and to whom: headers, names and passwords in URLs, the proxy. Nobody else learns of them."""

from __future__ import annotations

import asyncio
import json
import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import asynccrawl as ac
from asynccrawl import urls
from asynccrawl.errors import FetchError
from asynccrawl.fetcher.request import RequestForm
from asynccrawl.models import Reason, Response
from asynccrawl.testing import Answer, ImageServer, picture, redirect

from .conftest import LOOPBACK
from .fetching import fate

BODY = picture()
SECRET = "Open-Sesame"


def network(**changes: Any) -> ac.Settings:
    return replace(LOOPBACK, network=replace(LOOPBACK.network, **changes), retry=ac.RetryPolicy(retries=0))


def basic(text: str) -> str:
    return "Basic " + b64encode(text.encode()).decode()


def sent(server: ImageServer, path: str) -> list[str | None]:
    """The Authorization of each request for `path`, in turn."""
    return [e.request.headers.get("authorization") for e in server.audit.requests() if e.path == path]


# --- headers


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"": "x"}, "no name of a header"),
        ({"a b": "x"}, "no name of a header"),
        ({"X:": "x"}, "no name of a header"),
        ({7: "x"}, "no name of a header"),
        ({"X-A": SECRET + "\r\nHost: h"}, "the value of X-A"),
        ({"X-A": SECRET + "\0"}, "the value of X-A"),
        ({"X-A": SECRET + "\ud800"}, "the value of X-A"),
        ({"X-A": 7}, "the value of X-A"),
        ({"X-A": "1", "x-a": "2"}, "twice"),
        ({"host": "h"}, "may not set host"),
        ({"Content-Length": "0"}, "may not set Content-Length"),
        ({"Connection": "close"}, "may not set Connection"),
        ({"Transfer-Encoding": "chunked"}, "may not set Transfer-Encoding"),
        ({"User-Agent": "x"}, "set user_agent"),
        ({"Proxy-Authorization": SECRET}, "proxy's URL"),
        ({"Accept-Encoding": "gzip"}, "other than identity"),
        ([("X-A", "1")], "must be a mapping"),
    ],
)
def test_headers_that_cannot_be_sent(headers: Any, says: str):
    with pytest.raises(ValueError, match=says) as caught:
        ac.Network(headers=headers)
    assert SECRET not in str(caught.value)


async def test_headers_go_with_every_request(server: ImageServer, tmp_path: Path):
    server.add("/x", Answer(BODY))
    ours = {"X-Project": "süß", "Accept": "image/png", "accept-encoding": "identity", "Authorization": "Bearer t"}
    assert isinstance(await fate(server.url("/x"), tmp_path, network(headers=ours)), Response)
    headers = server.audit.requests()[0].request.headers
    assert headers["x-project"].encode("latin-1").decode() == "süß"
    assert (headers["accept"], headers["accept-encoding"]) == ("image/png", "identity")
    assert headers["authorization"] == "Bearer t" and headers["user-agent"] == LOOPBACK.network.user_agent


OURS = "User-Agent: me/1\r\nAccept: image/*,*/*;q=0.1\r\nAccept-Encoding: identity\r\n"


@pytest.mark.parametrize(
    ("url", "changes", "line", "host", "headers"),
    [
        ("http://h", {}, "/", "h", OURS),
        ("http://h:80/x?", {}, "/x?", "h", OURS),
        ("https://H.:8443/a b#c", {}, "/a%20b", "h:8443", OURS),
        ("https://h:80/", {}, "/", "h:80", OURS),
        ("http://[2001:DB8::1]:8080/", {}, "/", "[2001:db8::1]:8080", OURS),
        ("http://m\u00fcnchen.example/\u00fc", {}, "/%C3%BC", "xn--mnchen-3ya.example", OURS),
        ("http://u:p@h/", {}, "/", "h", OURS),
        ("http://u:p@h/", {"user_info": True}, "/", "h", f"{OURS}Authorization: {basic('u:p')}\r\n"),
        (
            "http://u:p@h/",
            {"user_info": True, "headers": {"authorization": "x", "X-A": "\u00fc"}},
            "/", "h", f"{OURS}X-A: \u00fc\r\nAuthorization: {basic('u:p')}\r\n",
        ),
        (
            "http://h/", {"headers": {"ACCEPT": "image/png"}},
            "/", "h", "User-Agent: me/1\r\nAccept-Encoding: identity\r\nACCEPT: image/png\r\n",
        ),
        ("http://u:p@H:80/x?y", {"proxy": "http://p:1"}, "http://h/x?y", "h", OURS),
        (
            "http://h/x", {"proxy": "http://a:b@p:1"},
            "http://h/x", "h", f"{OURS}Proxy-Authorization: {basic('a:b')}\r\n",
        ),
        ("https://h/x", {"proxy": "http://a:b@p:1"}, "/x", "h", OURS),
    ],
)  # fmt: skip
def test_the_bytes_of_a_request(url: str, changes: dict[str, Any], line: str, host: str, headers: str):
    form = RequestForm(ac.Network(user_agent="me/1", **changes))
    assert form.written(url, urls.parse(url)).decode() == f"GET {line} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n"


def test_settings_show_no_secrets():
    shown = repr(ac.Network(headers={"Cookie": SECRET}, proxy=f"http://u:{SECRET}@h:1"))
    assert SECRET not in shown and "user_agent" in shown


# --- names and passwords


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("http://u:p@h/", ("u", "p")),
        ("http://u@h/", ("u", "")),
        ("http://:p@h/", ("", "p")),
        (" HTTPS://a%40b:c%3Ad%20@h:1?@", ("a@b", "c:d ")),
        ("http://a:b@c:d@h/", ("a", "b@c:d")),
        ("http://%C3%BC:%FF@h/", ("ü", "\udcff")),
        ("http://@h/", None),
        ("http://:@h/", None),
        ("http://h/u:p@x", None),
        ("http://h?u:p@x", None),
        ("http://h\\u:p@x", None),
        ("u:p@h", None),
    ],
)
def test_user_and_password_of_a_url(url: str, found: tuple[str, str] | None):
    assert urls.user_info(url) == found


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http:/u:pw@h/", "http:/h/"),
        ("k_1 http:u:pw@h/", "k_1 http:h/"),
        ("u:pw@h/a.jpg", "h/a.jpg"),
        ("http://u:p/w@h/", "http://h/"),
        ("http://h:80/a:b@c", "http://h:80/a:b@c"),
        ("http://[::1]:80/a@b", "http://[::1]:80/a@b"),
    ],
)
def test_what_was_meant_for_a_password_is_not_shown_either(text: str, shown: str):
    assert urls.redacted(text) == shown


@given(st.text(), st.text(), st.text())
def test_nothing_shown_holds_them(user: str, password: str, path: str):
    url = f"http://{user}:{password}@h/{path}"
    assert urls.redacted(urls.redacted(url)) == urls.redacted(url)
    if not set("/?#\\") & set(user + password):
        shown = urls.redacted(url)
        assert shown.startswith("http://") and not shown.startswith(f"http://{user}:")
        urls.user_info(url)


@pytest.mark.parametrize(
    ("base", "target", "found"),
    [
        ("http://u:p@h/a", "http://h/b", "http://u:p@h/b"),
        ("http://u:p@h/a", "http://H:80/b", "http://u:p@H:80/b"),
        ("http://u:p@h/a", "http://v@h/b", "http://v@h/b"),
        ("http://u:p@h/a", "https://h/b", "https://h/b"),
        ("http://u:p@h/a", "http://h:81/b", "http://h:81/b"),
        ("http://u:p@h/a", "http://i/b", "http://i/b"),
        ("http://h/a", "http://h/b", "http://h/b"),
    ],
)
def test_they_follow_a_redirect_within_its_origin(base: str, target: str, found: str):
    assert urls.carried(base, target) == found


@pytest.mark.parametrize("on", [False, True])
async def test_they_are_sent_to_their_own_origin_alone(server: ImageServer, dest: Path, on: bool):
    def named(path: str, host: int = 0, who: str = "üser:p%40ss:word") -> str:
        return server.url(path, host=host).replace("://", f"://{who}@")

    server.add("/stay", redirect(server.url("/next")))
    server.add("/next", redirect("last"))
    server.add("/last", Answer(BODY))
    server.add("/leave", redirect(server.url("/there", host=1)))
    server.add("/there", Answer(BODY))
    server.add("/told", redirect(named("/door", 1, "other")))
    server.add("/door", Answer(BODY))
    server.add("/none", Answer(BODY))
    outcomes: list[ac.Outcome] = []
    wanted = [named("/stay"), named("/leave"), named("/told"), server.url("/none")]
    await ac.crawl(wanted, dest, settings=network(user_info=on), on_outcome=outcomes.append)
    mine = basic("üser:p@ss:word") if on else None
    assert sent(server, "/stay") == sent(server, "/next") == sent(server, "/last") == [mine]
    assert sent(server, "/leave") == sent(server, "/told") == [mine]
    assert sent(server, "/there") == sent(server, "/none") == [None]
    assert sent(server, "/door") == [basic("other:") if on else None]
    assert {outcome.url for outcome in outcomes} == set(wanted), "a record keeps the URL of its list"
    assert all(outcome.path and "@" not in (outcome.final_url or "") for outcome in outcomes)


async def test_they_win_over_an_authorization_for_everyone(server: ImageServer, tmp_path: Path):
    server.add("/x", Answer(BODY))
    settings = network(user_info=True, headers={"authorization": "Bearer t"})
    for url in (server.url("/x"), server.url("/x").replace("://", "://u:p@")):
        assert isinstance(await fate(url, tmp_path, settings), Response)
    assert sent(server, "/x") == ["Bearer t", basic("u:p")]


async def test_nobody_is_told_of_them(server: ImageServer, tmp_path: Path):
    """Whatever goes wrong: the manifest's url is the list's, and nothing else shows a password."""
    who = f"user:{SECRET}"
    for path, to in {
        "/loop": server.url("/loop").replace("://", f"://{who}@"),
        "/ftp": f"ftp://{who}@h/x",
        "/port": f"http://{who}@h:99999/",
        "/blank": f"//{who}@/x",
        "/long": f"http://{'u' * 300}:{SECRET}@h:0/",
        "/long2": f"ftp://{who}{'p' * 300}@h/",
        "/gone": server.url("/404").replace("://", f"://{who}@"),
    }.items():
        server.add(path, redirect(to))
    paths = ["/loop", "/ftp", "/port", "/blank", "/long", "/long2", "/gone", "/404"]
    listed = [server.url(path).replace("://", f"://{who}@") for path in paths]
    listed += [f"http://{who}@127.0.0.1:1/x", f"http://{who}@h:bad/x", f"ftp://{who}@h/x", f"http://{who}@/x"]
    (tmp_path / "list").write_text("".join(f"{url}\n" for url in listed))
    words = ["crawl", str(tmp_path / "list"), str(tmp_path / "out"), "-v", "-r", "0", "--allow-net", "127.0.0.0/8"]
    out, err = await command(*words)
    assert SECRET not in out + err and "redirect_loop" in out + err and "127.0.0.1:1/x" in out + err
    out, err = await command("report", str(tmp_path / "out"), "--json")
    assert SECRET not in out + err and json.loads(out)["failed"] == len(listed)
    rows = [json.loads(line) for line in (await command("manifest", str(tmp_path / "out")))[0].splitlines()]
    assert [row.pop("url") for row in rows] == listed
    assert SECRET not in json.dumps(rows) and all(row["detail"] for row in rows)


async def command(*words: str) -> tuple[str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-m", "asynccrawl", *words, stdout=-1, stderr=-1
    )
    out, err = await process.communicate()
    return out.decode(), err.decode()


# --- the proxy


SILENCE = b"..."


class Proxy:
    """A small HTTP proxy, to which every name is 127.0.0.1. `asked`: the head of each request."""

    def __init__(self, answer: bytes | None = None) -> None:
        self.asked: list[str] = []
        self.writers: list[asyncio.StreamWriter] = []
        self._answer = answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.asked.append(head)
        if self._answer is SILENCE:
            await asyncio.Event().wait()
        if self._answer is not None:
            writer.write(self._answer)
            writer.close()
            return
        method, target, rest = head.split(" ", 2)
        authority, _, path = target.removeprefix("http://").partition("/")
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", int(authority.rpartition(":")[2]))
        self.writers.append(up_writer)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            up_writer.write(f"{method} /{path} {rest}".encode("latin-1"))
        await asyncio.gather(_pump(reader, up_writer), _pump(up_reader, writer))


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
    except ConnectionError:
        pass
    sink.close()


@asynccontextmanager
async def proxying(answer: bytes | None = None) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy, and its host and port."""
    proxy, tasks = Proxy(answer), set()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        proxy.writers.append(writer)
        tasks.add(asyncio.ensure_future(proxy.serve(reader, writer)))

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield proxy, f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in proxy.writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in proxy.writers), return_exceptions=True)


@pytest.mark.parametrize(
    "proxy",
    [
        f"https://u:{SECRET}@h", f"socks5://u:{SECRET}@h:1", f"http://u:{SECRET}@h:1/x", f"http://u:{SECRET}@",
        f"http://u:{SECRET}/x@h:1", f"u:{SECRET}@h:1", "h:8080", "", "http://h:99999", "http://h?x",
    ],
)  # fmt: skip
def test_what_is_no_proxy(proxy: str):
    with pytest.raises(ValueError, match="it must be http://host:port") as caught:
        ac.Network(proxy=proxy)
    assert SECRET not in str(caught.value)
    with pytest.raises(ValueError, match="proxy is a bytes"):
        ac.Network(proxy=b"http://h:1")  # type: ignore[arg-type]


@pytest.mark.parametrize("who", ["", "u:p%40%C3%BC@"])
async def test_requests_go_through_the_proxy(server: ImageServer, tmp_path: Path, who: str):
    server.add("/x?y=%2f", Answer(BODY))
    async with proxying() as (proxy, address):
        settings = network(allow_net=(), proxy=f"http://{who}{address}", user_info=True)
        found = await fate(f"http://a:b@far.example:{server.port}/x?y=%2f", tmp_path, settings)
    assert isinstance(found, Response) and found.data == BODY
    assert proxy.asked[0].startswith(f"GET http://far.example:{server.port}/x?y=%2f HTTP/1.1\r\n")
    headers = server.audit.requests()[0].request.headers
    assert headers.get("proxy-authorization") == (basic("u:p@ü") if who else None)
    assert headers["authorization"] == basic("a:b") and headers["host"] == f"far.example:{server.port}"


@pytest.mark.parametrize("who", ["", "u:p%40%C3%BC@"])
async def test_https_goes_through_a_tunnel_that_learns_nothing(tmp_path: Path, who: str):
    async with ImageServer(tls="good") as server, proxying() as (proxy, address):
        server.add("/x", Answer(BODY))
        settings = network(proxy=f"http://{who}{address}", ca_file=server.ca_file, headers={"Cookie": SECRET})
        found = await fate(server.url("/x"), tmp_path, settings)
        assert isinstance(found, Response) and found.data == BODY
        headers = server.audit.requests()[0].request.headers
        assert headers["cookie"] == SECRET and "proxy-authorization" not in headers
        untrusted = await fate(
            server.url("/x"), tmp_path, replace(settings, network=replace(settings.network, ca_file=None))
        )
    assert proxy.asked[0].startswith(f"CONNECT 127.0.0.1:{server.port} ") and SECRET not in proxy.asked[0]
    assert (basic("u:p@ü") in proxy.asked[0]) is bool(who)
    assert f"\r\nUser-Agent: {settings.network.user_agent}\r\n" in proxy.asked[0] and "aiohttp" not in proxy.asked[0]
    assert isinstance(untrusted, FetchError) and (untrusted.reason, untrusted.retryable) == (Reason.TLS, False)


async def test_addresses_in_urls_are_guarded_behind_a_proxy_too(server: ImageServer, tmp_path: Path):
    async with proxying() as (proxy, address):
        settings = network(allow_net=(), proxy=f"http://{address}")
        for host in (
            "127.0.0.1",
            "localhost",
            "a.localhost",
            "127.1",
            "2130706433",
            "0x7f.1",
            "[::ffff:7f00:1]",
            "[::1]",
        ):
            found = await fate(f"http://{host}:{server.port}/x", tmp_path, settings)
            assert isinstance(found, FetchError) and found.reason is Reason.BLOCKED_ADDRESS, host
    assert proxy.asked == [] and server.audit.count() == 0


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_is_not_there(tmp_path: Path, scheme: str):
    async with proxying() as (_, address):
        pass
    for proxy, shown in ((address, address), ("no-such-name.invalid:80", "no-such-name.invalid:80")):
        found = await fate(f"{scheme}://far.example/x", tmp_path, network(proxy=f"http://u:{SECRET}@{proxy}"))
        assert isinstance(found, FetchError) and (found.reason, found.retryable) == (Reason.CONNECT, True)
        assert shown in found.detail and SECRET not in found.detail


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("answer", "plain", "tunnelled"),
    [
        (b"HTTP/1.1 407 Who Are You\r\nContent-Length: 0\r\n\r\n", Reason.HTTP_4XX, Reason.HTTP_4XX),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", Reason.HTTP_5XX, Reason.CONNECT),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Reason.PROTOCOL, Reason.CONNECT),
        (b"", Reason.RESET, Reason.CONNECT),
    ],
)
async def test_a_proxy_that_refuses(tmp_path: Path, scheme: str, answer: bytes, plain: Reason, tunnelled: Reason):
    async with proxying(answer) as (_, address):
        found = await fate(f"{scheme}://far.example/x", tmp_path, network(proxy=f"http://u:{SECRET}@{address}"))
    assert isinstance(found, FetchError) and found.reason is (plain if scheme == "http" else tunnelled), found
    assert SECRET not in found.detail and (scheme == "http" or address in found.detail)


@pytest.mark.slow  # waiting is what is tested
async def test_a_tunnel_that_never_opens(tmp_path: Path):
    async with proxying(SILENCE) as (_, address):
        settings = network(proxy=f"http://{address}")
        settings = replace(settings, limits=replace(settings.limits, connect_timeout=0.3))
        found = await fate("https://far.example/x", tmp_path, settings)
    assert isinstance(found, FetchError) and (found.reason, found.retryable) == (Reason.CONNECT, True)
    assert address in found.detail and "0.3 s" in found.detail


async def test_the_environments_proxy_is_never_used(
    server: ImageServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    server.add("/x", Answer(BODY))
    assert isinstance(await fate(server.url("/x"), tmp_path), Response)
