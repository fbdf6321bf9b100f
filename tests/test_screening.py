"""Known placeholders are told by content, by where they were found, or by their tag; a person's word comes first."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from asynccrawl.errors import SettingsError
from asynccrawl.models import Placeholder, Request, Sample
from asynccrawl.screening import Screening, Signature, known_signatures, load_signatures
from asynccrawl.settings import ImagePolicy

GONE = b"this photo is no longer available"
SHA256 = hashlib.sha256(GONE).hexdigest()
SAMPLE = Sample(
    Request("http://a/1"),
    0,
    "x",
    None,
    "png",
    data=GONE,
    bytes=len(GONE),
    sha256=SHA256,
    final_url="http://a/1",
    line=1,
)
BY_CONTENT = Signature("by content", "a test", size=len(GONE), sha1=hashlib.sha1(GONE).hexdigest().upper())
BY_SHA256 = Signature("by SHA-256", sha256=SHA256)
BY_URL = Signature("by URL", "a test", final_url="http://a/gone.png")
BY_TAG = Signature("by tag", "a test", etag="d8358")


async def told(screening: Screening, sample: Sample = SAMPLE) -> str | None:
    """Why a sample is a placeholder; None when it is none."""
    (judged,) = await screening.judge([sample])
    return judged and judged.placeholder.detail


@pytest.mark.parametrize(
    ("signature", "sample"),
    [
        (BY_CONTENT, SAMPLE),
        (BY_SHA256, SAMPLE),
        (BY_URL, replace(SAMPLE, final_url="http://a/gone.png")),
        (BY_TAG, replace(SAMPLE, etag='"d8358"')),
        (BY_TAG, replace(SAMPLE, etag='W/"d8358"')),
    ],
)
async def test_each_kind_of_signature(signature: Signature, sample: Sample):
    assert await told(Screening(ImagePolicy(), [signature]), sample) == f"known placeholder: {signature.name}"
    assert await told(Screening(ImagePolicy(placeholders="known"), [signature]), sample)
    assert await told(Screening(ImagePolicy(placeholders="off"), [signature]), sample) is None


async def test_other_pictures_pass():
    screening = Screening(ImagePolicy(), [BY_CONTENT, BY_SHA256, BY_URL, BY_TAG])
    other = replace(SAMPLE, data=GONE[::-1], sha256="0" * 64)
    assert await screening.judge([other, SAMPLE, other]) == [None, (await screening.judge([SAMPLE]))[0], None]


def test_the_shipped_signatures_have_sources_and_the_flickr_picture():
    known = known_signatures()
    assert all(signature.source for signature in known)
    assert any(s.size == 2051 and s.sha1 == "6a92790b1c2a301c6e7ddef645dca1f53ea97ac2" for s in known)


def test_a_signature_needs_something_to_match():
    with pytest.raises(ValueError, match="neither"):
        Signature("empty", "a test", sha1="ab")


async def test_signatures_of_ones_own_come_from_a_file_or_from_mappings(tmp_path: Path):
    row = {"name": "ours", "sha256": SHA256}
    (tmp_path / "a.json").write_text(json.dumps({"about": "x", "signatures": [row]}))
    (tmp_path / "b.json").write_text(json.dumps([row]))
    for given in (tmp_path / "a.json", str(tmp_path / "b.json"), [row], (BY_SHA256,)):
        signatures = await asyncio.to_thread(load_signatures, given)
        assert [signature.sha256 for signature in signatures] == [SHA256]
        screening = await asyncio.to_thread(Screening, ImagePolicy(signatures=signatures))
        assert await told(screening)
    assert load_signatures(None) == ()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nothing here", "cannot be read"),
        ('{"signatures": [', "no JSON"),
        ("7", "a list of signatures is wanted"),
        ("{}", "a list of signatures is wanted"),
        ('["x"]', "no signature"),
        ('[{"nam": "x"}]', "a signature has a name"),
        ('[{"name": "x"}]', "neither"),
        ('[{"name": "x", "sha1": "ab", "size": "2051"}]', "size of the signature"),
    ],
)
def test_what_is_wrong_with_signatures_is_said(given: str, message: str, tmp_path: Path):
    path = tmp_path / "signatures.json"
    if given != "nothing here":
        path.write_text(given)
    with pytest.raises(SettingsError, match=message) as caught:
        load_signatures(path)
    assert str(path) in str(caught.value)


class FakeContents:
    """A ledger's contents: what was judged, and where each content was saved."""

    def __init__(self, judged: Sequence[Placeholder] = (), saved: Sequence[Sample] = ()) -> None:
        self.judged, self.saved, self.asked = list(judged), list(saved), 0

    async def placeholders(self) -> list[Placeholder]:
        return self.judged

    async def copies(self, hashes: Sequence[str]) -> dict[str, int]:
        counts = {sha256: sum(sample.sha256 == sha256 for sample in self.saved) for sha256 in hashes}
        return {sha256: n for sha256, n in counts.items() if n}

    async def repeated(self, least: int) -> list[tuple[str, int]]:
        counts = await self.copies(sorted({sample.sha256 or "" for sample in self.saved}))
        return [(sha256, n) for sha256, n in counts.items() if n >= least]

    async def others(self, sha256: str, most: int) -> int:
        return min(most, len({sample.sha256 for sample in self.saved} - {sha256}))

    async def sightings(self, sha256: str, add: Callable[[str, str | None, str | None], None]) -> int | None:
        self.asked += 1
        for sample in self.saved:
            if sample.sha256 == sha256:
                add(sample.request.url, sample.label, sample.final_url)
        return len(GONE)


def copy(n: int, labels: int = 10, **changes: Any) -> Sample:
    url = f"http://h{n % 4}.example/{n}.jpg"
    return replace(
        SAMPLE, request=Request(url), final_url=url, ordinal=n, name=f"n{n}", label=f"c{n % labels}", **changes
    )


OTHERS = [replace(SAMPLE, sha256=f"{n:064x}") for n in range(10)]


async def loaded(contents: FakeContents, mode: str = "auto", signatures: Sequence[Signature] = ()) -> Screening:
    screening = Screening(ImagePolicy(placeholders=mode), signatures, contents)
    await screening.load()
    return screening


async def test_a_content_is_discovered_with_the_copy_that_makes_it_certain():
    contents = FakeContents(saved=OTHERS)
    screening = await loaded(contents)
    for n in range(100):
        (judged,) = await screening.judge([copy(n)])
        if judged:
            break
        contents.saved.append(copy(n))
    assert judged and judged.new and 11 <= n <= 20
    assert (judged.placeholder.sha256, judged.placeholder.found, judged.placeholder.format) == (SHA256, "rule", "png")
    assert "14 names, about 9 labels and 4 hosts" in judged.placeholder.detail


async def test_all_copies_of_a_batch_count_and_all_are_refused():
    screening = await loaded(FakeContents(saved=OTHERS))
    batch = [copy(n) for n in range(40)]
    assert all(await screening.judge(batch)) and await screening.judge(batch[:5]) == [None] * 5


async def test_what_answers_everything_stands_in_for_nothing():
    batch = [copy(n) for n in range(90)]
    for others in range(12):
        screening = await loaded(FakeContents(saved=OTHERS[:others] + batch[:45]))
        assert any(await screening.judge(batch[45:])) == (others >= 10), others
        assert bool(await screening.sweep()) == (others >= 5), "of the 45 that are saved"
        assert any((await screening.judge(batch[45:] + OTHERS))[:45]), "others of the same batch count"


async def test_only_repeated_contents_are_looked_at_and_honest_ones_ever_less_often():
    contents = FakeContents()
    screening = await loaded(contents)
    for n in range(1_000):
        await screening.judge([copy(n, labels=1)])
        await screening.judge([copy(n, sha256=f"{n:064x}")])
        contents.saved.append(copy(n, labels=1))
    assert 50 < contents.asked < 120


async def test_the_rule_is_asked_in_auto_alone():
    saved = [*OTHERS, *(copy(n) for n in range(40))]
    for mode, found in (("auto", True), ("known", False), ("off", False)):
        screening = await loaded(FakeContents(saved=saved), mode)
        assert bool((await screening.judge([copy(99)]))[0]) == found
        assert bool(await screening.sweep()) == found


@pytest.mark.parametrize(
    ("found", "good", "modes"),
    [
        ("rule", False, {"auto"}),
        ("person", False, {"auto", "known"}),
        ("signature", False, set()),
        ("rule", True, set()),
    ],
)
async def test_what_earlier_runs_and_persons_have_said_holds(found: str, good: bool, modes: set[str]):
    judged = Placeholder(
        SHA256, found, "known placeholder: one that is no more on the list", "http://a", good=good, id=1
    )
    for mode in ("auto", "known", "off"):
        screening = await loaded(FakeContents([judged]), mode)
        assert bool(await told(screening)) == (mode in modes) == bool(screening.in_force())


async def test_a_persons_word_comes_before_signatures_and_rule():
    good = Placeholder(SHA256, "person", "", "http://a", good=True, id=1)
    contents = FakeContents([good], [copy(n) for n in range(100)])
    assert await told(await loaded(contents, signatures=[BY_SHA256])) is None
