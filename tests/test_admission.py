"""Names, labels and ordinals; what is refused, and why."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asynccrawl.admission import Admission, Admitted, admit
from asynccrawl.models import NAME_BYTES, Failure, Reason, Record, Request, safe_name
from asynccrawl.settings import ListOptions

URL = "http://h.example/a.jpg"
SAFE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Line:
    """A list entry of the tests' own: admission asks for no particular class."""

    request: Request
    line: int = 1
    error: str | None = None
    name: str | None = None
    shard: int | None = None


def admitted(key: str | None = None, label: str | None = None, url: str = URL, extra: Any = None) -> Record | Failure:
    return Admission(ListOptions()).admit(Line(Request(url, key, label, extra)))


def record(*arguments: Any, **more: Any) -> Record:
    made = admitted(*arguments, **more)
    assert isinstance(made, Record), made
    return made


def failure(*arguments: Any, **more: Any) -> Failure:
    made = admitted(*arguments, **more)
    assert isinstance(made, Failure), made
    return made


def hex8(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def test_a_record():
    request = Request("https://user@Host.Example:8443/a b#c", "n01440764_36", extra={"caption": "tench"})
    made = Admission(ListOptions()).admit(Line(request, line=7))
    assert made == Record(0, 7, "n01440764_36", "n01440764", request, "host.example")


@pytest.mark.parametrize(
    ("key", "label"),
    [
        ("n01440764_36", "n01440764"),
        ("a_b_c", "a"),
        ("cat", None),
        ("_36", None),
        ("", None),
        (None, None),
    ],
)
def test_the_label_is_the_key_up_to_its_first_underscore(key: str | None, label: str | None):
    assert record(key).label == label


def test_a_label_of_its_own_wins_and_an_empty_one_is_none():
    assert record("cat_1", "dog").label == "dog"
    assert record("cat_1", "").label == "cat"
    assert record(None, "dog").label == "dog"
    assert record(None, "").label is None


@pytest.mark.parametrize("key", ["n01440764_36", "A.b-c_D", "_x", "-x", "x.", "0" * NAME_BYTES])
def test_a_safe_key_is_the_name(key: str):
    assert record(key).name == key


@pytest.mark.parametrize("key", [None, ""])
def test_without_a_key_the_nine_digit_ordinal_is_the_name(key: str | None):
    admission = Admission(ListOptions())
    names = [admission.admit(Line(Request(URL, key))).name for _ in range(3)]
    assert names == ["000000000", "000000001", "000000002"]


@pytest.mark.parametrize(
    ("key", "made"),
    [
        ("a/b", "a_b"),
        ("../../etc/passwd", "_.._etc_passwd"),
        (".hidden", "hidden"),
        ("...a", "a"),
        ("a b\tc", "a_b_c"),
        ("é", "_"),
        ("a\x00b", "a_b"),
        ("///", "___"),
        (".é", "_"),
        ("x" * (NAME_BYTES + 1), "x" * (NAME_BYTES - 9)),
        ("é" * 300, "_" * (NAME_BYTES - 9)),
    ],
)
def test_a_key_that_had_to_be_changed_gets_a_digest_of_key_and_url(key: str, made: str):
    name = record(key, "l").name
    assert name == f"{made}_{hex8(key + URL)}"
    assert len(name) <= NAME_BYTES


def test_the_digest_is_the_one_that_renaming_uses():
    assert record("a/b", "l").name == Record(0, 1, "a_b", "l", Request(URL, "a/b"), "h").renamed().name


def test_a_label_is_made_safe_with_a_digest_of_its_own_text_alone():
    assert record("1", "red fox").label == record("2", "red fox", url="http://o/").label == f"red_fox_{hex8('red fox')}"
    assert record("1", "red-fox").label == "red-fox"
    assert record("1", "red/fox").label != record("1", "red fox").label
    assert record("red fox_1").label == f"red_fox_{hex8('red fox')}"


@pytest.mark.parametrize("key", [".", "..", "...."])
def test_a_key_of_which_nothing_safe_is_left(key: str):
    made = failure(key)
    assert (made.reason, made.name, made.request.key) == (Reason.BAD_NAME, None, key)
    assert made.detail and repr(key) in made.detail


def test_a_label_of_which_nothing_safe_is_left():
    made = failure("a_1", "..")
    assert (made.reason, made.name, made.label) == (Reason.BAD_NAME, "a_1", None)
    assert made.detail and "label '..'" in made.detail
    assert failure(".._1").reason is Reason.BAD_NAME


@pytest.mark.parametrize(
    ("url", "reason", "detail"),
    [
        ("ftp://h/a", Reason.BLOCKED_SCHEME, "ftp"),
        ("data:image/png;base64,AAAA", Reason.BLOCKED_SCHEME, "data"),
        ("h/a.jpg", Reason.BAD_URL, "http://"),
        ("http://", Reason.BAD_URL, "no host"),
        ("", Reason.BAD_URL, "no scheme"),
        ("http://h:99999/", Reason.BAD_URL, "65535"),
    ],
)
def test_a_url_that_cannot_be_fetched(url: str, reason: Reason, detail: str):
    made = failure("n01_5", url=url)
    assert (made.reason, made.retryable, made.name, made.label, made.line) == (reason, False, "n01_5", "n01", 1)
    assert made.detail and detail in made.detail
    assert made.request.url == url


def test_a_url_of_megabytes_does_not_reach_the_manifest_whole():
    made = failure(url="data:image/png;base64," + "A" * 1_000_000)
    assert made.reason is Reason.BAD_URL and len(made.request.url) < 300


def test_a_bad_line_keeps_what_could_be_read():
    admission = Admission(ListOptions())
    made = admission.admit(Line(Request("ftp ://x", "n01_5"), line=4, error="a tab inside"))
    assert isinstance(made, Failure)
    assert (made.reason, made.detail, made.line) == (Reason.BAD_LINE, "a tab inside", 4)
    assert (made.name, made.label, made.request.url) == ("n01_5", "n01", "ftp ://x")
    assert admission.admit(Line(Request("zz"), error="no URL")).name == "000000001"


HALF = "\ud83d"


def test_half_a_surrogate_pair_is_an_unsafe_character_of_key_and_label():
    made = record(f"a{HALF}", f"l{HALF}")
    assert SAFE.fullmatch(made.name) and SAFE.fullmatch(made.label or "")
    assert made.request.key == "a\\ud83d" and made.request.label == "l\\ud83d"


@pytest.mark.parametrize("url", [f"http://h/{HALF}", f"http://{HALF}/", f"http://h/#{HALF}", HALF])
def test_half_a_surrogate_pair_makes_a_url_bad(url: str):
    made = failure("k", url=url)
    assert made.reason is Reason.BAD_URL
    assert made.request.url == url.replace(HALF, "\\ud83d")
    assert made.detail and made.detail.isprintable()


def test_half_a_surrogate_pair_in_extra_is_written_out():
    extra = {"caption": f'a "{HALF}" \\ \n', "deep": [{f"k{HALF}": 1}]}
    assert record("k", extra=extra).request.extra == {"caption": 'a "\\ud83d" \\ \n', "deep": [{"k\\ud83d": 1}]}


@pytest.mark.parametrize("extra", [{}, {"a": 1, "b": [None, 1.5, {"c": "é😀"}]}, MappingProxyType({"a": "b"})])
def test_extra_that_json_can_hold_is_left_alone(extra: Any):
    assert record("k", extra=extra).request.extra is extra


@pytest.mark.parametrize(
    "value", [b"x", {1, 2}, object(), float("nan"), float("inf"), {(1, 2): 3}, pytest.param(10**5000, id="huge")]
)
def test_an_extra_column_that_is_no_json_is_named(value: Any):
    made = failure("n01_5", extra={"good": f"x{HALF}", "wrong": value})
    assert (made.reason, made.name) == (Reason.BAD_LINE, "n01_5")
    assert made.detail and "'wrong'" in made.detail and "'good'" not in made.detail
    assert made.request.extra == {"good": "x\\ud83d"}


def test_an_extra_column_that_holds_itself():
    loop: list[Any] = []
    loop.append(loop)
    assert failure("k", extra={"loop": loop}).reason is Reason.BAD_LINE


def test_ordinals_count_every_record_and_lines_are_kept():
    admission = Admission(ListOptions())
    requests = [Request(URL), Request("nonsense"), Request(URL, ".."), Request(URL)]
    made = [admission.admit(Line(request, line=3 * n + 1)) for n, request in enumerate(requests)]
    assert [(m.ordinal, m.line) for m in made] == [(0, 1), (1, 4), (2, 7), (3, 10)]
    assert admission.count == 4 and "4 records" in repr(admission)


@pytest.mark.parametrize("offset", [0, 1, 3, 4, 6, 7, 100])
async def test_records_before_the_offset_are_counted_and_set_apart(offset: int):
    async def batches() -> AsyncIterator[list[Line]]:
        for size in (3, 1, 3):
            yield [Line(Request(URL))] * size

    parts = [part async for part in admit(batches(), ListOptions(offset=offset))]
    before = [item.ordinal for part in parts for item in part.before]
    records = [item.ordinal for part in parts for item in part.records]
    assert before == list(range(min(offset, 7)))
    assert records == list(range(min(offset, 7), 7))
    assert all(isinstance(part, Admitted) for part in parts) and len(parts) == 3


async def test_leaving_early_closes_the_entries_and_their_error_comes_through():
    closed = []

    async def batches() -> AsyncIterator[list[Line]]:
        try:
            yield [Line(Request(URL))]
            raise LookupError("mine")
        finally:
            closed.append(True)

    parts = admit(batches(), ListOptions())
    await anext(parts)
    await parts.aclose()
    assert closed == [True]
    with pytest.raises(LookupError, match="mine"):
        _ = [part async for part in admit(batches(), ListOptions())]


_text = st.text(st.characters(exclude_categories=()), max_size=30)
_odd = st.one_of(_text, st.text("._-a/é\ud800", max_size=6), st.text("aé", min_size=190, max_size=210))


@given(st.one_of(st.none(), _odd), st.one_of(st.none(), _odd), st.one_of(_text, st.just(URL)))
@example("a\n", "b\n", URL)
@example("x.", None, "http://h/#\udfff")
def test_whatever_comes_in_what_goes_out_is_safe_and_storable(key: str | None, label: str | None, url: str):
    made = admitted(key, label, url, {"key": key})
    for text in (made.name, made.label):
        assert text is None or (SAFE.fullmatch(text) and len(text.encode()) <= NAME_BYTES)
    if isinstance(made, Failure):
        assert made.detail and made.detail.encode()
    else:
        assert made.host and made.name
    request = made.request
    for text in (request.url, request.key, request.label, json.dumps(request.extra, ensure_ascii=False)):
        assert text is None or text.encode() is not None


@given(_odd, _odd)
def test_one_label_is_one_directory_and_two_labels_are_two(one: str, other: str):
    assert safe_name(one, one) == safe_name(one, one)
    if one != other and safe_name(one, one):
        assert safe_name(one, one) != safe_name(other, other)
