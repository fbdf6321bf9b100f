"""GIFs are followed code by code: what is odd and whole is kept, and whatever OpenCV or Pillow would refuse is not."""

from __future__ import annotations

import io
import random
import struct

import numpy as np
import pytest
from PIL import Image

from asynccrawl.imaging import lzw
from asynccrawl.models import Reason
from asynccrawl.testing.encodings import encoded

from .gifs import Style, coded, gif
from .readers import loads, opens, verdict

SIZE = (12, 7)
RNG = random.Random(0)
PIXELS = [RNG.choice((0, 0, 1, 2, 3)) for _ in range(SIZE[0] * SIZE[1])]
NOISE = [RNG.randrange(256) for _ in range(100 * 90)]
LOOP = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"


def control(flags: int, transparent: int = 0) -> bytes:
    return struct.pack("<BBBBHBB", 0x21, 0xF9, 4, flags, 0, transparent, 0)


def both_open(data: bytes) -> bool:
    return loads(data) and opens(data)


PLAIN = coded(PIXELS, 2)
GOOD = {
    "plain": gif(SIZE, 2, PLAIN),
    "no first clear code": gif(SIZE, 2, coded(PIXELS, 2, Style(first_clear=False))),
    "no end code": gif(SIZE, 2, coded(PIXELS, 2, Style(end=False))),
    "not compressed": gif(SIZE, 2, coded(PIXELS, 2, Style(clear_after=1))),
    "a full table": gif((100, 90), 8, coded(NOISE, 8)),
    "a full table, kept": gif((100, 90), 8, coded(NOISE, 8, Style(deferred=True))),
    "blocks of one byte": gif(SIZE, 2, PLAIN, block=1),
    "a byte behind the end code": gif((100, 90), 8, coded(NOISE, 8) + b"\0"),
    "interlaced": gif(SIZE, 2, PLAIN, interlaced=True),
    "no colours": gif(SIZE, 2, PLAIN, table=b""),
    "colours of its own": gif(SIZE, 2, PLAIN, table=b"", own=bytes(12)),
    "fewer colours of its own": gif(SIZE, 2, PLAIN, own=bytes(6)),
    "a transparent colour that is none": gif(SIZE, 2, coded([n % 3 for n in PIXELS], 2), table=bytes(6),
                                             before=control(1, 2)),
    "a frame on a larger screen": gif(SIZE, 2, PLAIN, screen=struct.pack("<6sHHBBB", b"GIF89a", 40, 30, 0x81, 3, 0)),
    "87a": gif(SIZE, 2, PLAIN, screen=struct.pack("<6sHHBBB", b"GIF87a", *SIZE, 0x81, 0, 0)),
    "looping": gif(SIZE, 2, PLAIN, before=LOOP + control(0b1000)),
    "another extension": gif(SIZE, 2, PLAIN, before=b"\x21\xff\x0bICCRGBG1012\x02ab\x00"),
    "one pixel": gif((1, 1), 2, b"\x44\x01"),
    "bytes behind it": gif(SIZE, 2, PLAIN) + b"<html>",
}  # fmt: skip
BAD = {
    "a code too many": gif(SIZE, 2, coded([*PIXELS, *PIXELS], 2)),
    "a string that is too long": gif((11, 7), 2, coded([0] * 84, 2)),
    "a pixel too few": gif(SIZE, 2, coded(PIXELS[:-1], 2)),
    "an end code in the middle": gif(SIZE, 2, coded(PIXELS[:40], 2) + PLAIN[20:]),
    "a code that means nothing": gif(SIZE, 2, b"\xfc" + PLAIN[1:]),
    "other data behind it": gif(SIZE, 2, PLAIN + b"\x55\xaa\x55\xaa"),
    "a colour that is none": gif(SIZE, 2, PLAIN, table=bytes(6)),
    "a background that is none": gif(SIZE, 2, PLAIN, screen=struct.pack("<6sHHBBB", b"GIF89a", *SIZE, 0x81, 4, 0)),
    "an unknown disposal": gif(SIZE, 2, PLAIN, before=control(7 << 2)),
    "pixels of one bit": gif(SIZE, 1, coded([n & 1 for n in PIXELS], 1), table=bytes(6)),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_odd_and_whole_is_kept(name: str):
    assert both_open(GOOD[name]) and verdict(GOOD[name]) == "kept"


@pytest.mark.parametrize("name", BAD)
def test_what_a_strict_reader_refuses_is_not_kept(name: str):
    assert not both_open(BAD[name]) and verdict(BAD[name]) is Reason.CORRUPT


def test_codes_wider_than_the_standard_has_them_are_refused():
    """(Pillow and OpenCV read them as bytes; giflib does not.)"""
    assert verdict(gif(SIZE, 9, coded(PIXELS, 9), table=bytes(768))) is Reason.CORRUPT


def test_an_extension_that_opencv_misreads_is_unsupported():
    data = gif(SIZE, 2, PLAIN, before=LOOP.replace(b"NETSCAPE2.0", b"ANIMEXTS1.0"))
    assert not both_open(data) and verdict(data) is Reason.UNSUPPORTED_FORMAT


@pytest.mark.slow  # two thousand files through three readers
@pytest.mark.filterwarnings("ignore")
def test_random_codes_are_judged_as_pillow_and_opencv_judge_them():
    rng, seen = random.Random(1), {True: 0, False: 0}
    for _ in range(2_000):
        bits, size = rng.choice((2, 2, 3, 8)), (rng.randint(1, 12), rng.randint(1, 8))
        codes = _codes(rng, bits, size[0] * size[1])
        if codes.endswith(bytes(3)):  # that is taken for a file that was cut and filled up, whatever its codes say
            continue
        data = gif(size, bits, codes, block=rng.choice((255, 1, 3)), interlaced=rng.random() < 0.5)
        whole = both_open(data)
        seen[whole] += 1
        assert (verdict(data) == "kept") is whole, data.hex()
    assert min(seen.values()) > 400


def _codes(rng: random.Random, bits: int, pixels: int) -> bytes:
    style = Style(rng.random() < 0.8, rng.random() < 0.6, rng.choice((0, 0, 1, 3)))
    count = pixels + rng.choice((0, 0, 0, 0, 0, 1, -1)) if pixels > 1 else pixels
    data = bytearray(coded([rng.randrange(1 << bits) * rng.randrange(2) for _ in range(count)], bits, style))
    match rng.randrange(6):
        case 0:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        case 1:
            data += rng.choice((b"\0", b"\xff", rng.randbytes(3)))
        case 2:
            return rng.randbytes(rng.randint(1, 12))
        case 3:
            del data[rng.randint(1, len(data)) :]
    return bytes(data)


def test_the_quick_way_says_what_the_slow_one_says():
    rng, quick = random.Random(2), 0
    for _ in range(300):
        bits, size = rng.choice((2, 3, 8)), (rng.randint(1, 12), rng.randint(1, 8))
        data = _codes(rng, bits, size[0] * size[1])
        blocks = b"".join(bytes([len(data[n : n + 9])]) + data[n : n + 9] for n in range(0, len(data), 9))
        if (found := lzw._at_once(blocks, bits, size)) is not None:
            quick += 1
            assert found == lzw._one_by_one(data, bits, size[0] * size[1])
    assert quick > 100


def test_a_photograph_is_settled_the_quick_way(monkeypatch):
    monkeypatch.delattr(lzw, "_one_by_one")
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)).quantize(256).save(file, "GIF")
    assert verdict(file.getvalue()) == verdict(encoded("gif animated transparent")) == "kept"


def test_what_is_odd_and_very_long_is_not_followed(monkeypatch):
    odd = gif((100, 90), 8, coded(NOISE, 8) + b"\0")
    assert verdict(odd) == "kept"
    monkeypatch.setattr(lzw, "_MAX_FOLLOWED", 1_000)
    assert verdict(odd) is Reason.CORRUPT and verdict(GOOD["a full table"]) == "kept"


def test_no_cut_of_a_gif_is_kept_wherever_it_is():
    for data in (GOOD["plain"], GOOD["no end code"], GOOD["looping"]):
        assert [n for n in range(len(data)) if verdict(data[:n]) == "kept"] == []
        start = data.index(b"\x2c") + 11
        closed = [n for n in range(start, len(data) - 2) if verdict(data[:n] + b"\0;") == "kept"]
        assert closed == [], "cut and closed"
