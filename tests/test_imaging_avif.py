"""AVIF is decoded strictly: damage that Pillow's decoder covers up is found, in alpha and in tiles of a grid too."""

from __future__ import annotations

import base64
import io
import random

import pytest

from asynccrawl.imaging import av1, dav1d
from asynccrawl.imaging.av1.bits import Bits, units
from asynccrawl.imaging.av1.frame import read_frame
from asynccrawl.imaging.av1.sequence import read_sequence
from asynccrawl.imaging.extent import CutShort
from asynccrawl.imaging.heif import coded
from asynccrawl.models import Reason
from asynccrawl.testing.encodings import encoded
from asynccrawl.testing.pictures import drawn

from .readers import loads, opens, verdict

GRID = base64.b64decode("""
    AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUEAAAHhbWV0YQAAAAAAAAAoaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAAAGxpYmF2aWYA
    AAAADnBpdG0AAAAAAAEAAABWaWxvYwAAAABEAAAFAAEAAAABAAACCQAAAAgAAgAAAAEAAAIRAAAAIAADAAAAAQAAAjEAAAAfAAQAAAABAAACUAAA
    AB8ABQAAAAEAAAJvAAAAHwAAAJBpaW5mAAAAAAAFAAAAGmluZmUCAAAAAAEAAGdyaWRDb2xvcgAAAAAaaW5mZQIAAAEAAgAAYXYwMUNvbG9yAAAA
    ABppbmZlAgAAAQADAABhdjAxQ29sb3IAAAAAGmluZmUCAAABAAQAAGF2MDFDb2xvcgAAAAAaaW5mZQIAAAEABQAAYXYwMUNvbG9yAAAAACBpcmVm
    AAAAAAAAABRkaW1nAAEABAACAAMABAAFAAAAmWlwcnAAAABfaXBjbwAAABRpc3BlAAAAAAAAAIAAAACAAAAAEHBpeGkAAAAAAwgICAAAABNjb2xy
    bmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAABAAAAAQAAAAAxhdjFDgSAAAAAAADJpcG1hAAAAAAAAAAUAAQMBAgMAAgQEAoUDAAMEBAKFAwAEBAQC
    hQMABQQEAoUDAAAAjW1kYXQAAAEBAIAAgBIACgk4FX/9lAQ0GkAyERtAAABAAAoGGXK4OztrNVygEgAKCTgVf/2UBDQaQDIQG0AAAEAACgWdlVvq
    JmrlQBIACgk4FX/9lAQ0GkAyEBtAAABAAAoFhtXW/mqP/igSAAoJOBV//ZQENBpAMhAbQAAAQAAKBY8WVy+ASA6A""")
"""Four tiles of 64 x 64 by libavif's avifenc; Pillow writes none."""
KINDS = {
    "grey": ("L", {"subsampling": "4:0:0"}),
    "4:2:2": ("RGB", {"subsampling": "4:2:2"}),
    "limited range": ("RGB", {"range": "limited"}),
    "best": ("RGBA", {"quality": 100}),
    "worst": ("RGB", {"quality": 1}),
    "palette": ("RGB", {"codec": "aom", "advanced": {"enable-palette": "1", "tune-content": "screen"}}),
    "film grain": ("RGB", {"codec": "aom", "advanced": {"film-grain-test": "5"}}),
    "no filters": ("RGB", {"codec": "aom", "advanced": {"enable-cdef": "0", "enable-restoration": "0"}}),
    "small superblocks": ("RGB", {"codec": "aom", "advanced": {"sb-size": "64"}}),
}
WHOLE = ("avif", "avif alpha", "avif animated")


def written(mode: str, size: tuple[int, int], **options: object) -> bytes:
    file = io.BytesIO()
    drawn(size, random.Random(0), mode).save(file, "AVIF", speed=10, **options)
    return file.getvalue()


def test_the_strict_decoder_is_there():
    assert dav1d.usable()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_kept(kind: str):
    mode, options = KINDS[kind]
    for size in ((1, 1), (45, 35), (200, 130)):
        data = written(mode, size, **options)
        assert verdict(data) == "kept" and opens(data), size


def test_tiles_within_a_picture_are_kept_and_each_is_looked_at():
    data = written("RGB", (600, 300), autotiling=False, tile_rows=1, tile_cols=1, quality=90)
    assert verdict(data) == "kept" and opens(data)
    body = data.index(b"mdat") + 100
    hurt = [data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :] for at in range(body, len(data), len(data) // 12)]
    assert any(map(loads, hurt)) and {*map(verdict, hurt)} == {Reason.CORRUPT}


def test_grey_with_alpha_is_kept_though_opencv_lacks_it():
    data = written("RGBA", (45, 35), subsampling="4:0:0")
    assert verdict(data) == "kept" and not opens(data)


def test_where_pictures_are_coded_is_found():
    counts = {name: len(coded(encoded(name))) for name in WHOLE}
    assert counts == {"avif": 1, "avif alpha": 2, "avif animated": 2} and len(coded(GRID)) == 4
    assert verdict(GRID) == "kept" and opens(GRID)
    assert all(dav1d.decode(one.data, 10_000) == (False, 8) for one in coded(GRID))
    assert [dav1d.decode(one.data, 10_000).grey for one in coded(encoded("avif alpha"))] in (
        [True, False],
        [False, True],
    )


@pytest.mark.slow  # a thousand pictures, decoded three times
@pytest.mark.parametrize("data", [*map(encoded, WHOLE), GRID], ids=[*WHOLE, "grid"])
def test_what_is_kept_of_damaged_data_opens_in_opencv(data: bytes):
    assert verdict(data) == "kept" and opens(data)
    covered = 0
    for at in range(40, len(data), max(1, len(data) // 400)):
        for hurt in (
            data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :],
            data[:at] + b"\xa5" + data[at + 1 :],
        ):
            if verdict(hurt) == "kept":
                assert opens(hurt), at
            else:
                covered += loads(hurt)
    assert covered > 20, "Pillow reads them, and takes whatever comes out"


def test_the_end_of_a_header_is_found_whatever_is_in_it():
    """Its frame is taken apart into header and tiles where the header ends: the strict decoder sees whether it does."""
    sizes = ((1, 1), (45, 35), (200, 130))
    pictures = [written(mode, size, **options) for mode, options in KINDS.values() for size in sizes]
    pictures.append(written("RGB", (600, 300), autotiling=False, tile_rows=1, tile_cols=1))
    for one in (one for data in [*pictures, GRID, *map(encoded, WHOLE)] for one in coded(data)):
        assert av1.flaw(one.data) is None
        assert dav1d.decode(apart(one.data), 10**6) == dav1d.decode(one.data, 10**6)
        with pytest.raises(CutShort):
            dav1d.decode(apart(one.data, wrong=1), 10**6)


def apart(data: bytes, wrong: int = 0) -> bytes:
    """The same with header and tiles of its frame as two units; `wrong`: the header ends so many bits too late."""
    found, sequence = b"", None
    for kind, body in units(data):
        start = data.index(body)  # no unit's beginning is like an earlier one's
        if kind == 1:
            sequence = read_sequence(Bits(body))
            found += unit(1, body)
        elif kind == 6:
            assert sequence
            bits = Bits(body)
            read_frame(bits, sequence)
            end, length = -(-bits.at // 8), bits.at + wrong
            head = int.from_bytes(body[: end + 1]) >> 8 * (end + 1) - length << 1 | 1
            found += unit(3, (head << -(length + 1) % 8).to_bytes(-(-(length + 1) // 8)))
            found += unit(4, data[start + end :])
    return found


def unit(kind: int, body: bytes) -> bytes:
    return bytes([kind << 3 | 2, len(body) & 0x7F | 0x80, len(body) >> 7 & 0x7F | 0x80, len(body) >> 14]) + body


@pytest.mark.parametrize("level", [2, 7, 20, 24])
def test_a_level_that_there_is_not_is_damage(level: int):
    data = encoded("avif")
    at = data.index(b"mdat") + 8
    number = int.from_bytes(data[at : at + 2]) & ~(31 << 6) | level << 6  # behind five bits
    hurt = data[:at] + number.to_bytes(2) + data[at + 2 :]
    assert loads(hurt) and not opens(hurt) and verdict(hurt) is Reason.CORRUPT


def test_a_unit_without_a_size_is_damage():
    data = written("RGB", (2, 3))
    at = data.index(b"\x32", data.index(b"mdat") + 8)
    hurt = data[:at] + b"\x34" + data[at + 1 :]  # its size is taken for something else, and it goes on to the end
    assert loads(hurt) and not opens(hurt) and verdict(hurt) is Reason.CORRUPT


def test_a_cut_is_found_in_the_coded_data_alone():
    (picture,) = coded(encoded("avif"))
    for lost in range(1, len(picture.data) - 20, 9):
        with pytest.raises(CutShort):
            dav1d.decode(picture.data[:-lost], 10_000)
    with pytest.raises(CutShort):
        dav1d.decode(picture.data[:-1] + bytes([picture.data[-1] ^ 1]), 10_000)
    with pytest.raises(CutShort):
        dav1d.decode(b"", 10_000)


def test_a_frame_that_is_too_large_is_not_decoded():
    (picture,) = coded(encoded("avif"))
    with pytest.raises(CutShort):
        dav1d.decode(picture.data, 45 * 35 - 1)
    assert dav1d.decode(picture.data, 45 * 35) == (False, 8)


def test_a_configuration_that_is_of_another_picture_is_damage():
    data = encoded("avif")
    at = data.index(b"av1C") + 6
    assert loads(data[:at] + b"\x1c" + data[at + 1 :])
    assert verdict(data[:at] + b"\x1c" + data[at + 1 :]) is Reason.CORRUPT


def test_what_opencv_does_not_recognise_is_unsupported():
    """Its colours are told by the coded data alone, and those begin too late."""
    data = encoded("avif alpha").replace(b"colrnclx", b"none____")
    assert loads(data) and not opens(data) and verdict(data) is Reason.UNSUPPORTED_FORMAT
    data = encoded("avif").replace(b"colrnclx", b"none____")
    assert opens(data) and verdict(data) == "kept", "here they begin early"


def test_without_the_decoder_pillow_alone_decides(monkeypatch):
    data = encoded("avif")
    hurt = data[:-40] + bytes([data[-40] ^ 0xFF]) + data[-39:]
    assert loads(hurt) and verdict(hurt) is Reason.CORRUPT
    monkeypatch.setattr(dav1d, "usable", lambda: False)
    assert verdict(hurt) == "kept"


@pytest.mark.parametrize("absent", ["dav1d_open", "dav1d_version_api"])
def test_another_dav1d_is_not_called(monkeypatch, absent: str):
    class Library:
        def __init__(self, name: str) -> None:
            pass

        def __getattr__(self, name: str) -> object:
            if name == absent:
                raise AttributeError(name)
            return lambda: 7 << 16

    monkeypatch.setattr(dav1d, "CDLL", Library)
    dav1d._library.cache_clear()
    try:
        assert not dav1d.usable()
    finally:
        dav1d._library.cache_clear()
