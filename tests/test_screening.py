"""Known placeholders are told by content, by where they were found, or by their tag."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from asynccrawl.models import Failure, Reason, Request, Sample
from asynccrawl.screening import Screening, Signature, known_signatures
from asynccrawl.settings import ImagePolicy

GONE = b"this photo is no longer available"
SAMPLE = Sample(Request("http://a/1"), 0, "x", None, "png", data=GONE, bytes=len(GONE), final_url="http://a/1", line=1)
BY_CONTENT = Signature("by content", "a test", size=len(GONE), sha1=hashlib.sha1(GONE).hexdigest())
BY_URL = Signature("by URL", "a test", final_url="http://a/gone.png")
BY_TAG = Signature("by tag", "a test", etag="d8358")


@pytest.mark.parametrize(
    ("signature", "sample"),
    [
        (BY_CONTENT, SAMPLE),
        (BY_URL, replace(SAMPLE, final_url="http://a/gone.png")),
        (BY_TAG, replace(SAMPLE, etag='"d8358"')),
        (BY_TAG, replace(SAMPLE, etag='W/"d8358"')),
    ],
)
def test_each_kind_of_signature(signature: Signature, sample: Sample):
    result = Screening(ImagePolicy(), [signature]).screen(sample)
    assert isinstance(result, Failure) and result.reason is Reason.PLACEHOLDER and not result.retryable
    assert signature.name in (result.detail or "") and result.ordinal == sample.ordinal


def test_other_pictures_and_failures_pass():
    screening = Screening(ImagePolicy(), [BY_CONTENT, BY_URL, BY_TAG])
    other = replace(SAMPLE, data=GONE[::-1])
    failure = Failure.instead(SAMPLE, Reason.CORRUPT, "x")
    assert screening.screen(other) is other and screening.screen(failure) is failure


def test_off_keeps_them():
    assert Screening(ImagePolicy(placeholders="off"), [BY_CONTENT]).screen(SAMPLE) is SAMPLE


def test_the_shipped_signatures_have_sources_and_the_flickr_picture():
    known = known_signatures()
    assert all(signature.source for signature in known)
    assert any(s.size == 2051 and s.sha1 == "6a92790b1c2a301c6e7ddef645dca1f53ea97ac2" for s in known)


def test_a_signature_needs_something_to_match():
    with pytest.raises(ValueError, match="neither"):
        Signature("empty", "a test", sha1="ab")
