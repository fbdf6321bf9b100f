"""No truncated file is kept: every encoding, cut anywhere, patched up or not; with the strict decoder and without.

What is left out, by name: an MPO may lose its second picture (its first is whole); arithmetic coding may end early by
its own rules (nobody serves it); the last bytes of a progressive scan, closed by a forged end marker, only the strict
decoder misses; zeros in place of pixels that are not packed (BMP, TIFF) are black.
"""

from __future__ import annotations

import io
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from asynccrawl.errors import InvalidImage
from asynccrawl.imaging import examine
from asynccrawl.imaging.ends import extent_of
from asynccrawl.imaging.jpeg.structure import read_header
from asynccrawl.models import Reason
from asynccrawl.settings import ImagePolicy
from asynccrawl.testing.damage import DAMAGES, damaged, mutants
from asynccrawl.testing.encodings import ENCODINGS, encoded, format_of

POLICIES = {wish: ImagePolicy(turbo=wish) for wish in ("off", "on")}
PICTURES = {name: encoded(name) for name in ENCODINGS}
ENDS = {name: extent_of(format_of(name), data).end for name, data in PICTURES.items()}
NAMES = sorted(ENCODINGS)
CLOSED = [name for name in NAMES if format_of(name) in ("jpeg", "png", "gif") and "arithmetic" not in name]
SCANS = ("progressive", "odd scans")
LARGE = {name: encoded(name, (131, 97)) for name in ("jpeg", "jpeg 4:4:4", "jpeg grey", "jpeg cmyk", "jpeg optimised")}


def refused(data: bytes, wish: str = "off", **options: object) -> bool:
    try:
        examine(data, replace(POLICIES[wish], **options))
    except InvalidImage as error:
        assert error.detail
        return True
    return False


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("wish", POLICIES)
def test_every_encoding_is_kept_byte_for_byte(name: str, wish: str):
    data = PICTURES[name]
    facts = examine(data, POLICIES[wish])
    assert facts.bytes == len(data) and facts.format == format_of(name)
    with Image.open(io.BytesIO(data)) as image:
        assert (facts.width, facts.height, facts.mode) == (*image.size, image.mode)


@pytest.mark.slow  # some 130,000 cuts in all: every byte of small pictures
@pytest.mark.parametrize("name", NAMES)
def test_no_cut_anywhere_is_kept(name: str):
    data, end = PICTURES[name], ENDS[name]
    step = 1 if end < 2_000 else 7
    cuts = {*range(1, end, step), *range(max(1, end - 50), end)}
    assert [n for n in cuts if not refused(data[:n])] == []


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(NAMES), st.floats(0, 1, exclude_max=True), st.sampled_from(sorted(POLICIES)))
def test_cuts_of_whatever_encoding_are_refused(name: str, where: float, wish: str):
    assert refused(PICTURES[name][: max(1, int(where * ENDS[name]))], wish)


@settings(deadline=None, max_examples=400)
@given(st.sampled_from(CLOSED), st.floats(0, 1, exclude_max=True))
@example("png", 0.999)
def test_a_forged_end_does_not_help(name: str, where: float):
    """(A whole frame of an animation before the cut is a whole animation; a lost fill byte is no loss.)"""
    data, end = PICTURES[name], ENDS[name]
    hurt = damaged(data[:end], "cut and closed", max(1, int(where * end)), format_of(name))
    harmless = hurt.replace(b"\xff\xff\xd9", b"\xff\xd9") == data[:end]
    frame = "animated" in name and format_of(name) == "gif"
    assert harmless or frame or refused(hurt, "on" if any(word in name for word in SCANS) else "off")


@pytest.mark.parametrize("name", LARGE)
def test_a_forged_end_is_found_bit_by_bit(name: str):
    data = LARGE[name]
    assert not refused(data)
    for lost in range(1, 60):
        assert refused(data[: -2 - lost] + b"\xff\xd9"), lost


@pytest.mark.slow  # a thousand decodes of progressive pictures without the strict decoder
@pytest.mark.parametrize("name", [name for name in CLOSED if any(word in name for word in SCANS)])
def test_without_the_strict_decoder_few_scans_are_cut_unseen(name: str):
    data = PICTURES[name]
    kept = [n for n in range(1, len(data) - 2) if not refused(data[:n] + b"\xff\xd9")]
    assert len(kept) <= len(data) // 50


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(NAMES), st.floats(0, 0.9))
def test_zeros_to_the_end_are_found_where_data_are_packed(name: str, where: float):
    data, end = PICTURES[name], ENDS[name]
    n = min(max(1, int(where * end)), end - 200)
    packed = ("rle", "lzw", "deflate", "packbits", "jpeg", "fax")
    plain = format_of(name) in ("bmp", "tiff") and not any(word in name for word in packed)
    metadata_last = name in ("webp icc and exif", "tiff packbits", "tiff jpeg", "tiff fax", "tiff big pages")
    if not plain and not metadata_last and n > 0:
        assert refused(damaged(data[:end], "cut and filled with zeros", n, format_of(name)))


@pytest.mark.parametrize("wish", POLICIES)
def test_what_is_behind_the_end_is_noted_or_refused(wish: str):
    for name in ("jpeg", "jpeg progressive", "png animated", "gif animated", "webp", "bmp 24 bit", "tiff", "avif"):
        data = PICTURES[name] + b"<!-- served by -->"
        assert "18 bytes follow its end" in (examine(data, POLICIES[wish]).detail or ""), name
        assert refused(data, wish, strict_end=True) and not refused(PICTURES[name], wish, strict_end=True)
    assert "follow its end" in (examine(PICTURES["jpeg mpo"], POLICIES[wish]).detail or "")


def test_padding_before_the_end_marker_is_no_damage():
    """Some cameras fill up; others leave data of lost blocks there, or zeros that were decoded as pixels."""
    data = PICTURES["jpeg"]
    for padding in (b"\0" * 40, b"\xff" * 9, b"\xff\x00" * 20):
        assert not refused(data[:-2] + padding + b"\xff\xd9"), padding
    assert refused(data[:-2] + data[700:760] + b"\xff\xd9")


def unequal(name: str, kind: str, at: int) -> tuple[bool, bool]:
    hurt = damaged(PICTURES[name], kind, at, "jpeg")
    return refused(hurt, "off"), refused(hurt, "on")


@pytest.mark.slow  # two thousand decodes, twice each
def test_the_decoders_agree_but_for_what_libjpeg_only_warns_about():
    """The strict one refuses more, never less; and nothing that is whole."""
    more = 0
    for name in (name for name in NAMES if format_of(name) == "jpeg"):
        for kind in DAMAGES:
            for at in range(2, ENDS[name] - 2, max(1, ENDS[name] // 10)):
                plain, strict = unequal(name, kind, at)
                assert strict or not plain, (name, kind, at)
                more += strict and not plain
    assert 0 < more < 200


def opens_everywhere(data: bytes) -> bool:
    with Image.open(io.BytesIO(data)) as image:
        image.load()
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) is not None


@pytest.mark.slow  # thousands of decodes
@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about directories of EXIF and TIFF
@pytest.mark.parametrize("format_", sorted({format_of(name) for name in NAMES}))
def test_what_is_kept_of_mutants_opens_in_pillow_and_in_opencv(format_: str):
    kept = 0
    for name in (name for name in NAMES if format_of(name) == format_ and "orientation" not in name):
        for mutant in mutants(PICTURES[name], 40, seed=len(name)):
            try:
                examine(mutant, POLICIES["on"])
            except InvalidImage as error:
                assert error.reason is not Reason.INTERNAL
                continue
            kept += 1
            assert opens_everywhere(mutant), name
    assert kept


def test_what_is_whole_opens_in_opencv_too():
    assert [name for name in NAMES if not opens_everywhere(PICTURES[name])] == []


@pytest.mark.slow  # a thousand decodes
@pytest.mark.parametrize("name", ["jpeg", "jpeg grey", "jpeg progressive", "jpeg restarts in blocks"])
def test_what_is_told_without_pillow_is_what_pillow_tells(name: str):
    """A plain JPEG is not opened where the strict decoder is there. Whatever its headers say, Pillow agrees."""
    data = PICTURES[name]
    start, kept = read_header(data).scans[0].start, 0
    assert read_header(data).plain_mode and not read_header(PICTURES["jpeg icc"]).plain_mode
    for at in range(2, start):
        for value in (0, 1, 2, 0x11, data[at] ^ 1, 0xE1, 0xFF):
            mutant = data[:at] + bytes([value]) + data[at + 1 :]
            try:
                facts = examine(mutant, POLICIES["on"])
            except InvalidImage:
                continue
            kept += 1
            with Image.open(io.BytesIO(mutant)) as image:
                image.load()
                assert (image.mode, *image.size) == (facts.mode, facts.width, facts.height), (at, value)
    assert kept > 100
