"""robots.txt as RFC 9309 has it: what matches, whose group is ours, what an answer means; and files that are none."""

from __future__ import annotations

import sys
from importlib import metadata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from protego import Protego

from asynccrawl.errors import SettingsError
from asynccrawl.identity import product_token
from asynccrawl.models import ROBOTS_BYTES
from asynccrawl.robots import MAX_AGE, MAX_DELAY, MAX_WILDCARDS, RETRY_AFTER, Robots, Verdict
from asynccrawl.urls import BadURL

AGENT = "asynccrawl/0.1 (image dataset crawler)"
HOST = "http://h.example"
YES, NO = Verdict.ALLOWED, Verdict.FORBIDDEN


def said(body: str | bytes, path: str, agent: str = AGENT) -> Verdict:
    robots = Robots(agent)
    robots.learn(HOST, body.encode() if isinstance(body, str) else body, 200, 0.0)
    return robots.verdict(HOST + path, 1.0)


@pytest.mark.parametrize(
    ("rule", "path", "matches"),
    [
        # RFC 9309, 2.2.2: octets are compared, percent-encoded or not
        ("/foo/bar?baz=quz", "/foo/bar?baz=quz", True),
        ("/foo/bar?baz=quz", "/foo/bar", False),
        ("/foo/bar?baz=https://foo.bar", "/foo/bar?baz=https://foo.bar", True),
        ("/foo/bar?baz=https%3A//foo.bar", "/foo/bar?baz=https://foo.bar", True),
        ("/foo/bar/ツ", "/foo/bar/%E3%83%84", True),
        ("/foo/bar/%E3%83%84", "/foo/bar/ツ", True),
        ("/foo/bar/%e3%83%84", "/foo/bar/%E3%83%84", True),
        ("/foo/bar/%62%61%7A", "/foo/bar/baz", True),
        ("/foo/bar/baz", "/foo/bar/%62%61%7a", True),
        ("/a%2Fb", "/a/b", False),
        ("/Foo", "/foo", False),  # paths are case-sensitive
        ("/fish", "/fish.html", True),
        ("/fish/", "/fish", False),
        ("/", "", True),
        ("", "/", False),
        # 2.2.3: special characters
        ("/this/*/exactly", "/this/path/exactly", True),
        ("/this/*/exactly", "/this/long/path/exactly/so", True),
        ("/this/*/exactly", "/this/exactly", False),
        ("/this/path/exactly$", "/this/path/exactly", True),
        ("/this/path/exactly$", "/this/path/exactly?not", False),
        ("*.gif$", "/images/a.gif", True),
        ("*.gif$", "/images/a.gif.html", False),
        ("/*?", "/a?b", True),
        ("/**a***b", "/xaxb", True),
        ("/path/file-with-a-%2A.html", "/path/file-with-a-*.html", True),
        ("/path/file-with-a-%2A.html", "/path/file-with-a-b.html", False),
        ("/path/foo-%24", "/path/foo-$", True),
        ("/path/foo-%24", "/path/foo-", False),
        ("/a # comment", "/a", True),
    ],
)
def test_what_a_rule_matches(rule: str, path: str, matches: bool):
    assert said(f"User-agent: *\nDisallow: {rule}\n", path) is (NO if matches else YES)
    assert said(f"User-agent: *\nDisallow: /\nAllow: {rule}\n", path) is (YES if matches else NO)


@pytest.mark.parametrize(
    ("rules", "path", "verdict"),
    [
        ("Allow: /example/page/\nDisallow: /example/page/disallowed.gif", "/example/page/disallowed.gif", NO),  # 5.2
        ("Allow: /example/page/\nDisallow: /example/page/disallowed.gif", "/example/page/other.gif", YES),
        ("Disallow: /p\nAllow: /p", "/p", YES),  # the same length: the least restrictive
        ("Allow: /p\nDisallow: /p", "/p", YES),
        ("Disallow: /", "/robots.txt", YES),  # always allowed
        ("Disallow:", "/", YES),
        ("Disallow /a", "/a", NO),
        ("dissallow:/a", "/a", NO),
        ("DISALLOW : /a", "/a", NO),
        ("Disallowed: /a", "/a", YES),
    ],
)
def test_the_longest_rule_wins_and_small_mistakes_are_understood(rules: str, path: str, verdict: Verdict):
    assert said("user-agent:*\r\n" + rules.replace("\n", "\r\n"), path) is verdict


@pytest.mark.parametrize(
    ("path", "verdict"),
    [
        ("/a/../no/b", NO),
        ("/a/%2E%2e/no/b?x=/../..", NO),
        ("/./no/b", NO),
        ("/no/../b", NO),  # as it is sent
        ("/a/..", YES),
        ("/a/..no/b?/../no/", YES),
    ],
)
def test_dots_are_no_way_around_a_rule(path: str, verdict: Verdict):
    assert said("User-agent: *\nDisallow: /no/\n", path) is verdict


EXAMPLE = """
User-Agent: *
Disallow: *.gif$
Disallow: /example/
Allow: /publications/

User-Agent: foobot
Disallow:/
Allow:/example/page.html
Allow:/example/allowed.gif

User-Agent: barbot
User-Agent: bazbot
Disallow: /example/page.html

User-Agent: quxbot
"""


@pytest.mark.parametrize(
    ("agent", "allowed", "forbidden"),
    [
        ("otherbot", "/publications/ /a.jpg", "/a.gif /example/a /example/page.html"),
        ("foobot", "/example/page.html /example/allowed.gif", "/ /publications/"),
        ("FooBot/2.1 (x)", "/example/page.html", "/"),
        ("barbot", "/a.gif /example/other", "/example/page.html"),
        ("bazbot", "/a.gif /example/other", "/example/page.html"),
        ("quxbot", "/a.gif /example/page.html", ""),
        ("foobot-images/1", "/example/page.html", "/"),  # told what foobot is told
        ("foobots", "/publications/", "/example/page.html"),
        ("foo", "/publications/", "/example/page.html"),
        ("/", "/publications/", "/a.gif"),
    ],
)
def test_the_simple_example_of_the_standard(agent: str, allowed: str, forbidden: str):
    assert {said(EXAMPLE, path, agent) for path in allowed.split()} == {YES}
    assert {said(EXAMPLE, path, agent) for path in forbidden.split()} <= {NO}


def test_groups_that_name_us_are_one_and_others_are_not_ours():
    parts = [
        "User-agent: asynccrawl",
        "Disallow: /foo",
        "",
        "User-agent: *",
        "Disallow: /all",
        "Sitemap: /s",
        "User-agent: async",
        "Disallow: /async",
        "User-agent: AsyncCrawl/7.0",
        "# and",
        "",
        "Disallow: /baz",
    ]
    verdicts = {path: said("\n".join(parts), path) for path in ("/foo", "/baz", "/all", "/async")}
    assert verdicts == {"/foo": NO, "/baz": NO, "/all": YES, "/async": YES}
    assert said("Disallow: /", "/") is YES  # no group at all
    assert said("User-agent: asynccrawl*\nDisallow: /a", "/a") is NO
    assert product_token(" MyBot/1.0 (x)") == product_token("mybot x") == "mybot"


def test_each_origin_has_its_own_and_it_is_used_for_a_day():
    robots = Robots(AGENT)
    assert robots.origin_of("HTTP://H.example:80/a/b?c") == HOST
    assert robots.robots_url("https://h.example:8443/a") == "https://h.example:8443/robots.txt"
    robots.learn(HOST, b"User-agent: *\nDisallow: /a", 200, 100.0)
    assert robots.verdict(HOST + ":80/a", 100.0) is NO
    assert robots.verdict(HOST + "/a", 100.0 + MAX_AGE) is Verdict.UNKNOWN
    for other in ("https://h.example/a", "http://h.example:81/a", "http://i.example/a"):
        assert robots.verdict(other, 100.0) is Verdict.UNKNOWN
    with pytest.raises(BadURL):
        robots.verdict("ftp://h.example/a", 0.0)
    assert repr(robots) == "<Robots for 'asynccrawl', 1 origins>"


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, b"", YES),
        (204, b"", YES),
        (404, b"User-agent: *\nDisallow: /", YES),
        (401, None, YES),
        (403, None, YES),
        (410, None, YES),
        (302, None, YES),  # redirected more often than is followed
        (429, None, Verdict.UNREACHABLE),
        (500, b"User-agent: *\nAllow: /", Verdict.UNREACHABLE),
        (503, None, Verdict.UNREACHABLE),
        (None, None, Verdict.UNREACHABLE),
        (200, None, Verdict.UNREACHABLE),
        (999, b"", Verdict.UNREACHABLE),
    ],
)
def test_what_an_answer_means(status: int | None, body: bytes | None, verdict: Verdict):
    robots = Robots(AGENT)
    robots.learn(HOST, body, status, 0.0)
    assert robots.verdict(HOST + "/a", 1.0) is verdict
    assert robots.crawl_delay(HOST + "/a") is None


def test_an_unreachable_origin_is_asked_again_later_and_known_rules_stay_until_then():
    robots = Robots(AGENT)
    robots.learn(HOST, None, None, 0.0)
    assert robots.verdict(HOST, RETRY_AFTER - 1) is Verdict.UNREACHABLE
    assert robots.verdict(HOST, RETRY_AFTER) is Verdict.UNKNOWN
    robots.learn(HOST, b"User-agent: *\nDisallow: /a", 200, RETRY_AFTER)
    late = RETRY_AFTER + MAX_AGE
    assert robots.verdict(HOST, late) is Verdict.UNKNOWN
    robots.learn(HOST, None, 503, late)
    assert robots.verdict(HOST + "/a", late) is NO and robots.verdict(HOST + "/b", late) is YES
    assert robots.verdict(HOST + "/a", late + RETRY_AFTER) is Verdict.UNKNOWN


def test_the_origins_asked_for_longest_ago_are_forgotten():
    robots = Robots(AGENT, max_origins=3)
    origins = [f"http://h{n}.example" for n in range(4)]
    for origin in origins[:3]:
        robots.learn(origin, b"User-agent: *\nDisallow: /" + origin.encode(), 200, 0.0)
        robots.learn(origin, b"User-agent: *\nDisallow: /a", 200, 0.0)
    assert robots.verdict(origins[0] + "/a", 0.0) is NO
    robots.learn(origins[3], None, 404, 0.0)
    assert [robots.verdict(origin + "/a", 0.0) for origin in origins] == [NO, Verdict.UNKNOWN, NO, YES]


def test_much_text_is_bounded_too():
    robots = Robots(AGENT)
    for n in range(160):  # 80 MiB of rules
        robots.learn(f"http://h{n}.example", b"User-agent: *\nDisallow: /%d" % n + b"a" * (ROBOTS_BYTES - 40), 200, 0.0)
    known = [robots.verdict(f"http://h{n}.example/b", 0.0) is YES for n in range(160)]
    assert 100 < sum(known) < 140 and not any(known[:20]) and all(known[60:])


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [("5", 5.0), ("0.5", 0.5), ("0", 0.0), ("-1", None), ("nan", None), ("inf", None), ("1e400", None), ("soon", None),
     ("", None), ("1e9", MAX_DELAY), ("9" * 300, MAX_DELAY), ("5 # seconds", 5.0)],
)  # fmt: skip
def test_crawl_delay(delay: str, seconds: float | None):
    robots = Robots(AGENT)
    assert robots.crawl_delay(HOST) is None
    robots.learn(
        HOST, f"User-agent: *\nCrawl-delay: 7\n\nUser-agent: asynccrawl\nCrawl-delay: {delay}".encode(), 200, 0
    )
    assert robots.crawl_delay(HOST + "/a") == seconds
    assert robots.verdict(HOST + "/a", 0.0) is YES


RULES = "User-agent: *\nDisallow: /a\n"
MANY_AGENTS = b"".join(b"User-agent: a%d\n" % n for n in range(15_000))


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (b"\xef\xbb\xbf" + RULES.encode(), NO),
        (RULES.encode("utf-16"), NO),
        (b"\xfe\xff" + RULES.encode("utf-16-be") + b"\0", NO),
        (RULES.replace("\n", "\r").encode(), NO),
        (b"\xff\xff\0\n" + RULES.encode(), NO),
        (b"User-agent: *\nDisallow: /%zz\xff\0\nDisallow: /a", NO),
        (RULES.encode() + b"#" * (20 * ROBOTS_BYTES), NO),
        (b"#" * ROBOTS_BYTES + b"\n" + RULES.encode(), YES),  # beyond what is looked at
        (RULES.encode() + b"Allow: /a" * ROBOTS_BYTES, NO),  # a line that was cut says nothing
        (b"<!DOCTYPE html><html>\n<p>Disallow: /a\n</html>", YES),
        (b"\0" * ROBOTS_BYTES, YES),
        (b"\n" * ROBOTS_BYTES, YES),
        (b"\x1f\x8b\x08" + bytes(range(256)) * 2000, YES),
        (b"User-agent: *\nDisallow: /" + b"a" * 10_000_000, YES),
        (MANY_AGENTS + RULES.encode() * 20_000, NO),
    ],
)
def test_garbage_is_read_for_what_it_holds(body: bytes, verdict: Verdict):
    assert said(body, "/a") is verdict


def _filled(line: str) -> bytes:
    return ("User-agent: *\n" + "".join(line.format(n=n) for n in range(ROBOTS_BYTES // len(line)))).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"User-agent: *\nDisallow: /*a*a*a*a*a*a*b\nDisallow: /" + b"*a" * 250_000 + b"b",
        _filled("Disallow:/*aaa{n}*c\n"),
        _filled("Disallow:/" + "*a" * 200 + "b{n}\n"),
        _filled("Disallow:/{n}$\n"),
        _filled("Disallow:/{n}\n") + b"Disallow: /\n",
        _filled("Disallow:/é%41{n}\n"),
    ],
)
def test_hostile_files_and_long_urls_come_to_an_end(body: bytes):
    robots = Robots(AGENT)
    robots.learn(HOST, body, 200, 0.0)
    # Less than a second on any machine; matched with backtracking, or without bounds, minutes and more.
    assert {robots.verdict(f"{HOST}/{'a' * 30_000}{n}", 0.0) for n in range(10)} <= {YES, NO}


def test_beyond_the_most_wildcards_less_is_allowed_and_never_more():
    many = "".join(f"Disallow: /x/*{n}\n" for n in range(MAX_WILDCARDS))
    more = "Disallow: /a/*.gif\nDisallow: /b$\nDisallow: /plain\nAllow: /a/\nAllow: /x/*0\nAllow: /c\nDisallow: /\n"
    paths = ("/a/1.gif", "/a/1.jpg", "/a/", "/b", "/bb", "/plain", "/c", "/x/0", "/x/a")
    few = {path: said("User-agent: *\n" + more, path) for path in paths}
    assert [path for path in paths if few[path] is YES] == ["/a/1.jpg", "/a/", "/c", "/x/0"]
    assert [path for path in paths if said("User-agent: *\n" + many + more, path) is YES] == ["/c"]


AGENTS = st.sampled_from(["*", "asynccrawl", "AsyncCrawl", "other", "asynccrawl-other"])
PATHS = st.text("/ab*$?é%2F", max_size=8).map(lambda text: "/" + text)
LINES = st.one_of(
    AGENTS.map(lambda name: f"User-agent: {name}"),
    PATHS.map(lambda path: f"Disallow: {path}"),
    PATHS.map(lambda path: f"Allow: {path}"),
    st.sampled_from(["", "Disallow:", "# x", "Sitemap: /a", "Crawl-delay: 2"]),
)


@given(st.lists(LINES, max_size=12), st.text("/ab?c=2", max_size=6))
def test_our_groups_are_those_that_protego_finds(lines: list[str], path: str):
    text, url = "\n".join(lines), f"{HOST}/{path}"
    robots, theirs = Robots(AGENT), Protego.parse(text)
    robots.learn(HOST, text.encode(), 200, 0.0)
    assert (robots.verdict(url, 0.0) is YES) == theirs.can_fetch(url, "asynccrawl")
    assert robots.crawl_delay(url) == theirs.crawl_delay("asynccrawl")


@given(st.binary() | st.text().map(str.encode) | st.lists(LINES).map(lambda lines: "\n".join(lines).encode("utf-16")))
def test_no_body_raises(body: bytes):
    assert said(body, "/a?b") in (YES, NO)
    assert said(b"User-agent: *\nDisallow:" + body, "/a?b") in (YES, NO)


@given(st.text(), st.sampled_from(["Disallow: /é*%", "Allow: /$\nDisallow: /*?"]))
def test_no_url_raises_but_a_bad_one(path: str, rules: str):
    try:
        assert said("User-agent: *\n" + rules, "/" + path) in (YES, NO)
    except BadURL:
        assert any("\ud800" <= char <= "\udfff" for char in path)


def test_without_protego_it_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "protego", None)
    with pytest.raises(SettingsError, match=r"not installed: pip install 'asynccrawl\[robots\]'"):
        Robots(AGENT)


def test_a_protego_that_can_be_stalled_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(metadata, "version", lambda name: "0.6.1")
    with pytest.raises(SettingsError, match=r"Protego 0\.6\.1 is too old"):
        Robots(AGENT)
