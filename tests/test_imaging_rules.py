"""What OpenCV refuses and Pillow reads is refused, rule by rule; the files are whole but for the one thing."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from asynccrawl.errors import InvalidImage
from asynccrawl.imaging import examine
from asynccrawl.models import Reason
from asynccrawl.settings import ImagePolicy
from asynccrawl.testing.encodings import encoded
from asynccrawl.testing.handmade import png_chunk, tiff
from asynccrawl.testing.mutation import with_sums

from .readers import loads, opens, verdict

PIXELS = bytes(range(1, 241)) * 7


def patched(name: str, mark: bytes, at: int, new: bytes) -> bytes:
    """An encoding with bytes replaced at an offset behind a mark; PNG's checksums are right."""
    data = encoded(name)
    start = data.index(mark) + at
    data = data[:start] + new + data[start + len(new) :]
    return with_sums(data) if name.startswith("png") else data


def strips(high: int = 42, **changed: list[int]) -> bytes:
    """A grey TIFF of 40 x 42 in six strips of seven rows."""
    tags = {"counts": [280] * 6, "offsets": [8 + 280 * n for n in range(6)], "compression": [1]} | changed
    return tiff(PIXELS, [
        (256, 3, [40]), (257, 3, [high]), (258, 3, [8]), (259, 3, tags["compression"]), (262, 3, [1]),
        (273, 4, tags["offsets"]), (277, 3, [1]), (278, 3, [7]), (279, 4, tags["counts"]),
    ])  # fmt: skip


def tiles(high: int = 42, **changed: list[int]) -> bytes:
    """A grey TIFF of 40 columns in four tiles of 32 x 32."""
    tags = {"counts": [1024] * 4, "wide": [32]} | changed
    return tiff(PIXELS * 3, [
        (256, 3, [40]), (257, 3, [high]), (258, 3, [8]), (259, 3, [1]), (262, 3, [1]), (277, 3, [1]),
        (322, 3, tags["wide"]), (323, 3, [32]), (324, 4, [8 + 1024 * n for n in range(4)]), (325, 4, tags["counts"]),
    ])  # fmt: skip


def _odd_type() -> bytes:
    entry = struct.pack("<HHI", 259, 3, 1)
    data = strips()
    return data.replace(entry, struct.pack("<HHI", 259, 17, 1))


def _frame_without_data() -> bytes:
    data = encoded("png animated")
    second = data.index(b"fcTL", data.index(b"IDAT")) - 4
    return data[:second] + data[second : second + 38] + data[second:]


def _unannounced() -> bytes:
    """Without the announcement Pillow does not mind what is in the chunk."""
    data = patched("webp alpha", b"VP8X", 8, b"\0")
    at = data.index(b"ALPH") + 150
    return data[:at] + b"\xd7\xfd\x5d\x96" + data[at + 4 :]


CASES: dict[str, Callable[[], bytes]] = {
    "png: an animation of no frames": lambda: patched("png animated", b"acTL", 4, bytes(4)),
    "png: a frame drawn in no known way": lambda: patched("png animated", b"fcTL", 4 + 25, b"\x02"),
    "png: a chunk of a standard to come": lambda: encoded("png")[:33] + png_chunk(b"test", b"") + encoded("png")[33:],
    "png: a chunk without a name": lambda: encoded("png")[:33] + png_chunk(b"a1b2", b"") + encoded("png")[33:],
    "tiff: strips without bytes": lambda: strips(counts=[280, 0, 280, 280, 280, 280]),
    "tiff: a number of an unknown type": _odd_type,
    "tiff: too few tiles": lambda: tiles(high=120),
    "tiff: two widths of tiles": lambda: tiles(wide=[32, 32]),
    "tiff: too few colours": lambda: patched("tiff palette", struct.pack("<HHIH", 258, 3, 1, 8), 8, b"\x01"),
    "bmp: rows that are packed for other bits": lambda: patched("bmp rle 4 bit", b"BM", 30, b"\x01"),
    "webp: damaged alpha that is not announced": _unannounced,
    "avif: boxes without a size": lambda: patched("avif", b"meta", -4, bytes(4)),
}

AGAINST_THE_STANDARD: dict[str, Callable[[], bytes]] = {
    "tiff: first strips that differ": lambda: strips(high=41, counts=[280, 300, 280, 280, 280, 240]),
    "png: a frame without data": _frame_without_data,
    "tiff: strips that are too short": lambda: strips(counts=[100] * 6),
    "tiff: tiles that are too long": lambda: tiles(counts=[1024, 1100, 1024, 1024]),
}
"""OpenCV opens such files, by luck or by guessing, or does not: it depends on what lies behind their data."""


def test_the_files_without_the_flaw_are_kept():
    assert [verdict(data) for data in (strips(), tiles())] == ["kept", "kept"] and opens(strips()) and opens(tiles())


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about animations and tags
@pytest.mark.parametrize("name", CASES)
def test_what_only_pillow_reads_is_corrupt(name: str):
    data = CASES[name]()
    assert loads(data) and not opens(data)
    assert verdict(data) is Reason.CORRUPT


@pytest.mark.parametrize("name", AGAINST_THE_STANDARD)
def test_lengths_that_cannot_be_are_corrupt(name: str):
    assert verdict(AGAINST_THE_STANDARD[name]()) is Reason.CORRUPT


@pytest.mark.parametrize("turbo", ["on", "off"])
def test_a_marker_that_only_pillow_minds_is_corrupt(turbo: str):
    """TEM (0xFF01), which stands alone and has no meaning in a file."""
    good = encoded("jpeg")
    data = good[:2] + b"\xff\x01" + good[2:]
    assert opens(data) and not loads(data)
    with pytest.raises(InvalidImage) as caught:
        examine(data, ImagePolicy(turbo=turbo))
    assert caught.value.reason is Reason.CORRUPT


@pytest.mark.parametrize("name", ["jpeg", "jpeg progressive", "jpeg end marker in a comment"])
@pytest.mark.parametrize("turbo", ["on", "off"])
@pytest.mark.parametrize("at", [3, 5])  # height and width, behind the length of the frame header
def test_a_jpeg_without_pixels_is_corrupt(name: str, turbo: str, at: int):
    """Its height may stand behind its first scan (DNL), which no reader here knows."""
    data = bytearray(encoded(name))
    start = next(n for n in range(len(data)) if data[n] == 0xFF and data[n + 1] in (0xC0, 0xC2) and not data[n + 2])
    data[start + 2 + at : start + 4 + at] = bytes(2)
    assert not opens(bytes(data))
    with pytest.raises(InvalidImage) as caught:
        examine(bytes(data), ImagePolicy(turbo=turbo))
    assert caught.value.reason is Reason.CORRUPT, caught.value


def test_what_may_differ_is_kept():
    """First strips of two lengths, where libtiff's guess is right; and a bit that decoders pass over."""
    for data in (strips(counts=[280, 300, 280, 280, 280, 280]), patched("avif", b"mdat\x12\x00\x0a", 6, b"\x0b")):
        assert opens(data) and verdict(data) == "kept"


def test_no_side_is_longer_than_opencv_has_them():
    data = patched("webp animated lossless", b"VP8X", 12, (2**20).to_bytes(3, "little"))  # width less one
    assert not opens(data) and verdict(data) is Reason.TOO_MANY_PIXELS
    data = patched("webp animated lossless", b"VP8X", 12, (2**20 - 1).to_bytes(3, "little"))
    assert verdict(data) == "kept"
