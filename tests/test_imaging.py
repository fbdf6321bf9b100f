"""What a body is: good pictures of every kind are kept, what is cut, damaged or no picture at all is named."""

from __future__ import annotations

import hashlib
import io
import random
import struct
import zlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from asynccrawl.errors import InvalidImage
from asynccrawl.imaging import Facts, examine
from asynccrawl.imaging.ends import extent_of
from asynccrawl.imaging.extent import CutShort
from asynccrawl.models import Reason
from asynccrawl.settings import ImagePolicy
from asynccrawl.testing import handmade, html_page, picture, placeholder
from asynccrawl.testing.damage import damaged
from asynccrawl.testing.encodings import encoded

POLICY = ImagePolicy()


def saved(mode: str, format_: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image = Image.effect_noise((61, 47), 80).convert("RGB")
    image.convert(mode).save(file, format_, **options)
    return file.getvalue()


def sixteen_bit() -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").convert("I").point(lambda v: v * 256).convert("I;16").save(file, "PNG")
    return file.getvalue()


def frames(format_: str, **options: Any) -> bytes:
    file = io.BytesIO()
    first, *rest = [Image.effect_noise((40, 30), 60 + n).convert("RGB") for n in range(4)]
    first.save(file, format_, save_all=True, append_images=rest, **options)
    return file.getvalue()


EXIF = Image.Exif()
EXIF[274] = 6  # orientation: turned
GOOD = {
    "jpeg": saved("RGB", "JPEG"),
    "jpeg progressive": saved("RGB", "JPEG", progressive=True),
    "jpeg cmyk": saved("CMYK", "JPEG"),
    "jpeg grey": saved("L", "JPEG"),
    "jpeg restart markers": saved("RGB", "JPEG", restart_marker_rows=1),
    "jpeg exif": saved("RGB", "JPEG", exif=EXIF),
    "jpeg with a thumbnail": saved("RGB", "JPEG", exif=b"Exif\0\0" + saved("L", "JPEG")),
    "mpo": frames("MPO"),
    "png": saved("RGB", "PNG"),
    "png palette": saved("P", "PNG"),
    "png 1 bit": saved("1", "PNG"),
    "png alpha": saved("LA", "PNG"),
    "png 16 bit": sixteen_bit(),
    "apng": frames("PNG"),
    "gif": saved("P", "GIF"),
    "gif animated": frames("GIF"),
    "webp": saved("RGB", "WEBP"),
    "webp lossless": saved("RGBA", "WEBP", lossless=True),
    "webp animated": frames("WEBP"),
    "bmp": saved("RGB", "BMP"),
    "bmp palette": saved("P", "BMP"),
    "tiff": saved("RGB", "TIFF"),
    "tiff packed": saved("RGB", "TIFF", compression="tiff_lzw"),
    "tiff cmyk": saved("CMYK", "TIFF"),
    "avif": saved("RGB", "AVIF"),
}
FULL_MODES = {"jpeg cmyk": "CMYK", "png palette": "P", "png 1 bit": "1", "png alpha": "LA", "png 16 bit": "I;16"}


def reason(body: bytes | Path, policy: ImagePolicy = POLICY, content_type: str | None = None) -> Reason | None:
    try:
        examine(body, policy, content_type)
    except InvalidImage as error:
        assert error.detail
        return error.reason
    return None


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("decode", ["full", "header"])
def test_good_pictures_of_every_kind_are_kept(kind: str, decode: str):
    data = GOOD[kind]
    facts = examine(data, replace(POLICY, decode=decode))
    format_ = "jpeg" if kind == "mpo" else "png" if kind == "apng" else kind.split()[0]
    with Image.open(io.BytesIO(data)) as image:
        assert (facts.width, facts.height, facts.mode) == (image.width, image.height, image.mode)
    assert facts.mode == FULL_MODES.get(kind, facts.mode)
    assert (facts.format, facts.bytes, facts.sha256) == (format_, len(data), hashlib.sha256(data).hexdigest())
    assert facts.extension == {"jpeg": "jpg"}.get(format_, format_)
    assert facts.detail is None or kind == "mpo"


@pytest.mark.parametrize("kind", GOOD)
def test_a_spooled_file_is_like_the_bytes(kind: str, tmp_path: Path):
    path = tmp_path / "body"
    path.write_bytes(GOOD[kind])
    assert examine(path, POLICY) == examine(GOOD[kind], POLICY)
    path.write_bytes(b"")
    assert reason(path) is Reason.EMPTY


@pytest.mark.parametrize("kind", sorted(set(GOOD) - {"mpo"}))
@pytest.mark.parametrize("decode", ["full", "header"])
def test_no_cut_file_is_kept(kind: str, decode: str):
    """Every cut of the last 40 bytes, and 150 anywhere before."""
    data, rng = GOOD[kind], random.Random(kind)
    policy = replace(POLICY, decode=decode)
    cuts = [*range(max(1, len(data) - 40), len(data)), *(rng.randrange(1, len(data)) for _ in range(150))]
    assert [n for n in cuts if reason(data[:n], policy) is None] == []


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(sorted(set(GOOD) - {"mpo"})), st.floats(0, 1, exclude_max=True), st.binary(max_size=40))
def test_a_cut_with_something_behind_it_is_no_end(kind: str, where: float, tail: bytes):
    """Cut, and the gap filled: whatever comes out, it is facts or InvalidImage, and plain cuts are never kept."""
    data = GOOD[kind]
    n = max(1, int(where * len(data)))
    assert reason(data[:n]) is not None
    reason(data[:n] + tail)


def test_an_mpo_may_lose_its_second_picture_but_not_its_first():
    data = GOOD["mpo"]
    first = extent_of("jpeg", data).end
    assert 0 < first < len(data)
    facts = examine(data + b"\0", POLICY)
    assert "bytes follow its end" in (facts.detail or "")
    assert all(reason(data[:n]) is Reason.CORRUPT for n in range(first - 30, first))


@pytest.mark.parametrize("kind", ["jpeg", "png", "gif", "webp", "bmp"])
def test_what_follows_the_end_is_noted(kind: str):
    facts = examine(GOOD[kind] + b"\0" * 17, POLICY)
    assert facts.detail == "17 bytes follow its end" and facts.bytes == len(GOOD[kind]) + 17


@pytest.mark.parametrize(
    ("body", "expected", "said"),
    [
        (b"", Reason.EMPTY, "empty"),
        (html_page(), Reason.NOT_AN_IMAGE, "HTML"),
        (b"\xef\xbb\xbf \n<HTML><body>gone", Reason.NOT_AN_IMAGE, "HTML"),
        ("<html>gone</html>".encode("utf-16"), Reason.NOT_AN_IMAGE, "HTML"),
        (b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>", Reason.NOT_AN_IMAGE, "XML"),
        (b'{"error": "gone"}', Reason.NOT_AN_IMAGE, "JSON"),
        (b"Not found\n", Reason.NOT_AN_IMAGE, "text"),
        (b"%PDF-1.7 ...", Reason.NOT_AN_IMAGE, "PDF"),
        (b"\x00\x01\x02\x03" * 9, Reason.NOT_AN_IMAGE, "no known format"),
        (b"RIFF\x10\0\0\0WAVEfmt ", Reason.NOT_AN_IMAGE, "RIFF media"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isomiso2", Reason.NOT_AN_IMAGE, "MP4"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", Reason.UNSUPPORTED_FORMAT, "svg"),
        (b"<?xml version='1.0'?><svg/>", Reason.UNSUPPORTED_FORMAT, "svg"),
        (b"P6\n1 1\n255\nabc", Reason.UNSUPPORTED_FORMAT, "pnm"),
        (b"8BPS\0\1", Reason.UNSUPPORTED_FORMAT, "psd"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Reason.UNSUPPORTED_FORMAT, "heic"),
        (b"\x89PNG\r\n\x1a\n", Reason.CORRUPT, ""),
        (b"\xff\xd8\xff\xe0", Reason.CORRUPT, ""),
    ],
)
def test_what_is_no_picture_is_named(body: bytes, expected: Reason, said: str):
    with pytest.raises(InvalidImage) as caught:
        examine(body, POLICY, "image/jpeg")
    assert caught.value.reason is expected and said in caught.value.detail
    if expected in (Reason.NOT_AN_IMAGE, Reason.UNSUPPORTED_FORMAT):
        assert "Content-Type image/jpeg" in caught.value.detail


def test_magic_decides_and_the_lie_is_noted():
    facts = examine(GOOD["png"], POLICY, "image/jpeg; charset=binary")
    assert (facts.format, facts.detail) == ("png", "served as image/jpeg")
    assert examine(GOOD["jpeg"], POLICY, "text/html").detail == "served as text/html"
    for honest in ("image/jpeg", "image/jpg", "IMAGE/JPEG", "application/octet-stream", None, ""):
        assert examine(GOOD["jpeg"], POLICY, honest).detail is None


def test_the_policy_says_which_formats_and_how_many_pixels():
    assert reason(GOOD["png"], replace(POLICY, formats=("jpeg",))) is Reason.UNSUPPORTED_FORMAT
    assert reason(GOOD["png"], replace(POLICY, max_pixels=61 * 47)) is None
    for kind in ("jpeg", "png", "gif", "webp", "bmp", "tiff", "avif"):
        assert reason(GOOD[kind], replace(POLICY, max_pixels=61 * 47 - 1)) is Reason.TOO_MANY_PIXELS


def test_a_bomb_is_refused_before_it_is_decoded():
    file = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(file, "PNG")
    assert len(file.getvalue()) < 100_000
    assert reason(file.getvalue()) is Reason.TOO_MANY_PIXELS


def test_less_is_looked_at_when_less_is_asked():
    broken = damaged(GOOD["jpeg"], "cut and closed", len(GOOD["jpeg"]) - 100, "jpeg")  # only decoding can tell
    assert reason(broken) is Reason.CORRUPT
    assert reason(broken, replace(POLICY, decode="header")) is None
    facts = examine(GOOD["jpeg"][:200], replace(POLICY, decode="none"))
    assert (facts.format, facts.width, facts.height, facts.mode, facts.bytes) == ("jpeg", None, None, None, 200)
    assert reason(html_page(), replace(POLICY, decode="none")) is Reason.NOT_AN_IMAGE


def test_pictures_of_the_kit_are_good():
    for body in (picture(), picture(format="png", seed=3), placeholder("gif"), placeholder("jpeg")):
        assert reason(body) is None


@pytest.mark.slow  # a few thousand decodes
def test_mutants_bring_facts_or_invalid_image_and_nothing_else():
    rng = random.Random(20)
    kept = 0
    for data in GOOD.values():
        for _ in range(80):
            mutant = bytearray(data)
            for _ in range(rng.randint(1, 6)):
                mutant[rng.randrange(len(mutant))] = rng.randrange(256)
            try:
                kept += isinstance(examine(bytes(mutant), POLICY), Facts)
            except InvalidImage as error:
                assert error.reason in (
                    Reason.CORRUPT, Reason.NOT_AN_IMAGE, Reason.UNSUPPORTED_FORMAT, Reason.TOO_MANY_PIXELS,
                )  # fmt: skip
    assert 0 < kept < 80 * len(GOOD)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(["jpeg", "png", "gif", "webp", "bmp", "tiff", "avif"]), st.binary(max_size=200))
def test_the_walk_to_the_end_takes_any_bytes(format_: str, data: bytes):
    magic = {"gif": b"GIF89a", "tiff": b"II*\0", "jpeg": b"\xff\xd8"}.get(format_, b"")
    with suppress(CutShort):
        assert extent_of(format_, magic + data).end <= len(magic + data)


def png_of(*chunks: tuple[bytes, bytes]) -> bytes:
    framed = (
        len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big") for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


HEAD, ROWS, END = (b"IHDR", struct.pack(">IIBBBBB", 2, 3, 8, 0, 0, 0, 0)), bytes(9), (b"IEND", b"")
COLOURED = (b"IHDR", struct.pack(">IIBBBBB", 2, 3, 8, 3, 0, 0, 0))
DATA, COLOURS = (b"IDAT", zlib.compress(ROWS)), (b"PLTE", bytes(6))


@pytest.mark.parametrize("chunks", [
    (HEAD, DATA, END), (HEAD, (b"tEXt", b"a\0b"), DATA, (b"tEXt", b"a\0b"), END), (COLOURED, COLOURS, DATA, END),
    (HEAD, (b"IDAT", DATA[1][:5]), (b"IDAT", DATA[1][5:]), END), (HEAD, (b"IDAT", zlib.compress(bytes(900))), END),
])  # fmt: skip
def test_a_png_that_keeps_the_rules_is_kept(chunks: tuple[tuple[bytes, bytes], ...]):
    assert reason(png_of(*chunks)) is None


@pytest.mark.parametrize(("chunks", "said"), [
    ((HEAD, HEAD, DATA, END), "IHDR at byte 33 is out of place"),
    ((COLOURED, COLOURS, COLOURS, DATA, END), "PLTE at byte 51 is out of place"),
    ((COLOURED, DATA, END), "image data at byte 33 are out of place"),
    ((HEAD, DATA, (b"tEXt", b"a\0b"), (b"IDAT", b""), END), "out of place"),
    ((HEAD, (b"CgBI", b"1234"), DATA, END), "CgBI at byte 33 is needed, and not known"),
    ((HEAD, (b"IDAT", zlib.compress(bytes(6))), END), "end 3 bytes before its last row does"),
])  # fmt: skip
def test_a_png_that_breaks_the_rules_is_not(chunks: tuple[tuple[bytes, bytes], ...], said: str):
    with pytest.raises(InvalidImage, match=said) as caught:
        examine(png_of(*chunks), POLICY)
    assert caught.value.reason is Reason.CORRUPT
    if "last row" in said:
        assert reason(png_of(*chunks), replace(POLICY, decode="header")) is None, "no pixel is looked at"


@pytest.mark.parametrize(
    "kind", ["png interlaced", "png interlaced 16 bit", "png interlaced grey and alpha", "png 1 bit"]
)
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (4, 9), (5, 5), (8, 8), (45, 35)])
def test_rows_are_counted_in_every_pass(kind: str, size: tuple[int, int]):
    assert reason(encoded(kind, size)) is None


@pytest.mark.parametrize(("old", "new"), [
    (b"\x1c\x01\x03\0\x01\0\0\0\x01", b"\x1c\x01\x03\0\x01\0\0\0\x03"),  # planes in the order 3
    (b"\x06\x01\x03\0\x01", b"\x06\x01\x02\0\x01"),  # what pixels mean, as text
    (b"\x06\x01\x03\0", b"\x06\x81\x03\0"),  # nothing of it
    (b"\x16\x01\x04\0\x01\0\0\0\x23", b"\x16\x01\x04\0\x01\0\0\0\x03"),  # three rows in the one strip
])  # fmt: skip
def test_a_tiff_that_breaks_the_rules_is_corrupt(old: bytes, new: bytes):
    data = encoded("tiff")
    assert data.count(old) == 1 and reason(data) is None
    assert reason(data.replace(old, new)) is Reason.CORRUPT


def test_frames_and_packed_rows_stay_within_the_picture():
    data = bytearray(encoded("gif"))
    data[data.index(b"\x2c\0\0\0\0") + 1] = 1
    assert reason(bytes(data)) is Reason.CORRUPT
    packed = bytearray(encoded("bmp rle"))
    assert reason(bytes(packed)) is None
    packed[int.from_bytes(packed[10:14], "little")] = 200  # a run that is longer than a row
    assert reason(bytes(packed)) is Reason.CORRUPT


def test_a_tiff_of_unknown_pixels_is_no_damage():
    """64 bits a sample, as scientists store them; of later pages nothing is asked."""
    values = struct.pack("<8d", *range(8))
    tags = [(256, 3, [4]), (257, 3, [2]), (258, 3, [64]), (259, 3, [1]), (262, 3, [1]), (273, 4, [8]), (277, 3, [1]),
            (278, 3, [2]), (279, 4, [64]), (339, 3, [3])]  # fmt: skip
    data = handmade.tiff(values, tags)
    with pytest.raises(InvalidImage, match="of a kind that no decoder here knows") as caught:
        examine(data, ImagePolicy())
    assert caught.value.reason is Reason.UNSUPPORTED_FORMAT
    cut = data.replace(struct.pack("<HHII", 279, 4, 1, 64), struct.pack("<HHII", 279, 4, 1, 640))
    with pytest.raises(InvalidImage) as caught:
        examine(cut, ImagePolicy())
    assert caught.value.reason is Reason.CORRUPT
    first = bytearray(picture("tiff", (4, 2), mode="L"))
    order, at = "<", struct.unpack("<I", first[4:8])[0]
    count = struct.unpack("<H", first[at : at + 2])[0]
    first[at + 2 + 12 * count : at + 6 + 12 * count] = struct.pack(order + "I", len(first) + len(first) % 2)
    second = handmade.tiff(values, tags)[8 + len(values) :]
    facts = examine(bytes(first) + bytes(len(first) % 2) + second, ImagePolicy())
    assert (facts.mode, facts.meta and facts.meta["frames"]) == ("L", 2)
