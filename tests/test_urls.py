"""URLs taken apart and made fit for the wire."""

from __future__ import annotations

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asynccrawl import urls
from asynccrawl.urls import MAX_URL_CHARS, BadURL, join, parse


def wire(url: str) -> str:
    return parse(url).wire


@pytest.mark.parametrize(
    "url",
    [
        "http://h/a.jpg",
        "https://cdn.h.example/a;b=c/(d)!$&'*+,=:@~._-?x=%2F%2f&y=a+b/?",
        "http://h//double//slash.jpg",
        "http://h:8080/x",
        "http://[2001:db8::1]:81/x",
        "http://h/?",
        "http://under_score.h/x",
        "http://1.2.3.4/a&amp;b",
    ],
)
def test_what_is_legal_goes_as_it_stands(url: str):
    assert wire(url) == url


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("http://h/a b.jpg", "http://h/a%20b.jpg"),
        ("http://h/é", "http://h/%C3%A9"),
        ("http://h/100%", "http://h/100%25"),
        ("http://h/%zz%41", "http://h/%25zz%41"),
        ('http://h/a|b[c]{d}^`"<>', "http://h/a%7Cb%5Bc%5D%7Bd%7D%5E%60%22%3C%3E"),
        ("http://h/a\tb\x00", "http://h/a%09b%00"),
        ("http://h", "http://h/"),
        ("http://h?q=1", "http://h/?q=1"),
        ("http://h/a#fragment?no", "http://h/a"),
        ("http://user:pa@ss@h/a", "http://h/a"),
        ("HTTP://EXAMPLE.Com/Path", "http://example.com/Path"),
        ("http://h:80/", "http://h/"),
        ("https://h:443/", "https://h/"),
        ("https://h:80/", "https://h:80/"),
        ("http://h:/", "http://h/"),
        ("http://h:0080/", "http://h/"),
        ("http://h./", "http://h/"),
        ("http://[2001:DB8:0:0::1]:81/", "http://[2001:db8::1]:81/"),
        ("http://[0:0:0:0:0:0:0:1%25LO]/", "http://[::1%25lo]/"),
        ("http://-name.example/", "http://-name.example/"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        (" http://h/a \r\n", "http://h/a"),
    ],
)
def test_only_what_is_illegal_is_changed(url: str, sent: str):
    assert wire(url) == sent


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "no scheme"),
        ("h/a.jpg", "no scheme"),
        ("//h/a.jpg", "no scheme"),
        ("http:/h/a", "not followed by //"),
        ("http:///a", "no host"),
        ("http://:80/a", "no host"),
        ("http://user@/a", "no host"),
        ("http://a..b/", "no host name"),
        ("http://a b/", "no host name"),
        ("http://%61/", "no host name"),
        ("http://::1/", "no host name"),
        ("http://" + ".".join(["a" * 60] * 5), "the most is 253"),
        ("http://" + "a" * 64 + ".de/", "longer than 63"),
        ("http://" + "ü" * 300 + "/", "the most is 253"),
        ("http://" + "ü" * 70 + "/", "international"),
        ("http://\u0640\u0640.de/", "international"),
        ("http://h:0/", "port"),
        ("http://h:65536/", "port"),
        ("http://h:0000655350/", "port"),
        ("http://h:" + "9" * 5000 + "/", "port"),
        ("http://h:8o/", "port"),
        ("http://h:٣/", "port"),
        ("http://h/\ud800", "surrogate"),
        ("http://\ud800/", "international"),
        ("http://h/" + "a" * MAX_URL_CHARS, "the most is"),
    ],
)
def test_what_cannot_be_fetched_says_why(url: str, why: str):
    with pytest.raises(BadURL, match=why) as caught:
        parse(url)
    assert caught.value.scheme is None


@pytest.mark.parametrize("scheme", ["ftp", "data", "file", "javascript", "s3"])
def test_another_scheme_is_told_apart(scheme: str):
    with pytest.raises(BadURL, match=scheme) as caught:
        parse(f"{scheme.upper()}://h/a")
    assert caught.value.scheme == scheme


def test_the_parts():
    parts = parse("https://user@Host.Example:8443/a?b#c")
    assert (parts.scheme, parts.host, parts.port, parts.target) == ("https", "host.example", 8443, "/a?b")


@pytest.mark.parametrize(
    ("location", "absolute"),
    [
        ("/b", "http://h/b"),
        ("b?x", "http://h/dir/b?x"),
        ("//other/b", "http://other/b"),
        ("?x", "http://h/dir/a?x"),
        ("https://o/%2f..//b", "https://o/%2f..//b"),
    ],
)
def test_a_location_is_relative_to_the_url_that_answered(location: str, absolute: str):
    assert join("http://h/dir/a", location) == absolute


_word = st.text(string.ascii_letters + string.digits + ".-_:@%[]/?#\\ é\t\x00\ud800", max_size=30)
_like_urls = st.builds(
    lambda scheme, host, rest: f"{scheme}://{host}{rest}",
    st.sampled_from(["http", "https", "HTTP", "ftp"]),
    st.one_of(_word, st.sampled_from(["h", "a.example", "Ü.de", "[::1]", "u:p@h", "h:99", "a--.b-c.de"])),
    st.one_of(_word, st.text(max_size=40)),
)


@given(st.one_of(st.text(), _like_urls))
@example("http://h:" + "1" * 4301)
@example("http://。/")
def test_whatever_is_parsed_is_fit_for_the_wire_and_stays_so(url: str):
    try:
        sent = wire(url)
    except BadURL as error:
        assert str(error)
        return
    assert sent.isascii() and sent.isprintable() and " " not in sent
    assert wire(sent) == sent


@given(_like_urls)
@example("http://a.b/x(1)~!$&'*+,-./:;=?@_")
@example("http://" + ".".join(["a" * 63] * 4) + "/")
@example("http://a.b/%zz")
@example("http://127.1:0080/a%20b%2")
@example("https://A-b.C.:65536/%C3%BC")
@example("http://a..b:80/%20")
def test_the_short_way_and_the_long_way_agree(url: str):
    def outcome(parse_it: object) -> object:
        try:
            return parse_it(url)  # type: ignore[operator]
        except BadURL as error:
            return str(error)

    assert outcome(parse) == outcome(lambda url: urls._parse(url.strip(" \t\n\r\f\v")))
