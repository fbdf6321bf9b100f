"""Conversion: every mode's geometry, every encoding's pixels, the same bytes every time; Caffe's messages; means."""

from __future__ import annotations

import io
from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from asynccrawl.errors import InvalidImage
from asynccrawl.imaging import RESIZE_MODES, Conversion, MeanPicture, convert
from asynccrawl.imaging.resizing import Fit, fit
from asynccrawl.sinks.caffe import Blob, Datum
from asynccrawl.testing import picture
from asynccrawl.testing.encodings import ENCODINGS, encoded

GEOMETRY = {
    ("squash", 500, 375): Fit((256, 256), (256, 256)),
    ("crop", 500, 375): Fit((341, 256), (256, 256), (43, 0)),  # 341.33; 42.5 is rounded up
    ("crop", 375, 500): Fit((256, 341), (256, 256), (0, 43)),
    ("fill", 500, 375): Fit((256, 192), (256, 256), (0, -32)),
    ("fill", 500, 371): Fit((256, 190), (256, 256), (0, -33)),
    ("fill", 500, 373): Fit((256, 192), (256, 256), (0, -32)),  # 191: 65 pixels of padding are odd, so one is added
    ("fill", 373, 500): Fit((192, 256), (256, 256), (-32, 0)),
    ("half_crop", 500, 375): Fit((293, 220), (256, 256), (19, -18)),  # 292.57 x 219.43, made even
    ("border", 500, 373): Fit((256, 191), (256, 256), (0, -32)),
    ("center_crop", 500, 375): Fit((341, 256), (256, 256), (42, 0)),
    ("keep_ratio", 500, 375): Fit((341, 256), (341, 256)),
    ("keep_ratio_largest", 500, 375): Fit((256, 192), (256, 192)),
    ("no", 500, 375): Fit((500, 375), (500, 375)),
}


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("case", GEOMETRY)
def test_the_geometry_of_every_mode(case: Any):
    mode, width, height = case
    assert fit(width, height, 256, mode) == GEOMETRY[case]


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 600), st.sampled_from(RESIZE_MODES))
def test_any_size_comes_to_the_size_asked_for(width: int, height: int, side: int, mode: Any):
    found = fit(width, height, side, mode)
    if mode.startswith("keep_ratio"):
        wanted = max(found.size) if mode.endswith("largest") else min(found.size)
        assert wanted == side
    elif mode != "no":
        assert found.size == (side, side)
    for scaled, size, corner in zip(found.scaled, found.size, found.corner, strict=True):
        assert scaled >= 1 and (0 <= corner <= scaled - size or scaled - size <= corner <= 0)


@pytest.mark.parametrize("mode", RESIZE_MODES)
@pytest.mark.parametrize("size", [(50, 30), (30, 50), (31, 31), (7, 90)])
def test_a_picture_is_scaled_then_cropped_or_padded(mode: Any, size: tuple[int, int]):
    data = picture(size=size, seed=3)
    made = convert(data, Conversion(size=20, mode=mode, encoding="png"))
    wanted, pixels = fit(*size, 20, mode), opened(made.data)
    assert (made.width, made.height) == pixels.size == wanted.size and made == convert(
        data, Conversion(size=20, mode=mode, encoding="png")
    )
    shrinks = wanted.scaled[0] * wanted.scaled[1] < size[0] * size[1]
    digits = mode in ("squash", "crop", "fill", "half_crop")
    how = Image.Resampling.BILINEAR if digits else Image.Resampling.BOX if shrinks else Image.Resampling.LANCZOS
    scaled = opened(data).resize(wanted.scaled, how) if wanted.scaled != size else opened(data)
    for x in range(wanted.size[0]):
        for y in range(wanted.size[1]):
            at = (x + wanted.corner[0], y + wanted.corner[1])
            if 0 <= at[0] < scaled.width and 0 <= at[1] < scaled.height:
                assert pixels.getpixel((x, y)) == scaled.getpixel(at)
            elif mode == "border":
                assert pixels.getpixel((x, y)) == (255, 255, 255)


@pytest.mark.parametrize("name", ENCODINGS)
def test_every_encoding_becomes_upright_rgb_or_grey_on_white(name: str):
    data = encoded(name)
    source = opened(data)
    if source.mode.startswith(("I", "F")):
        with pytest.raises(InvalidImage, match="no plain 8-bit form"):
            convert(data, Conversion(encoding="png"))
        return
    made = convert(data, Conversion(encoding="png", rgb=True, pixels=True))
    upright = ImageOps.exif_transpose(source)
    if upright.mode in ("LA", "P", "RGBA"):
        upright = upright.convert("RGBA")
        white = Image.new("RGBA", upright.size, (255, 255, 255, 255))
        found, wanted = opened(made.data).tobytes(), Image.alpha_composite(white, upright).convert("RGB").tobytes()
        assert max(abs(a - b) for a, b in zip(found, wanted, strict=True)) <= 1  # two roundings of one blend
    else:
        assert opened(made.data).tobytes() == made.pixels == upright.convert("RGB").tobytes()
    assert not opened(made.data).info, "no metadata is carried along"
    assert opened(convert(data, Conversion(size=8, quality=80)).data).size == (8, 8)


def test_what_is_no_picture_or_too_much_of_one_is_told():
    for data in (b"", b"<html>", picture()[:200], picture()[:-300]):
        with pytest.raises(InvalidImage):
            convert(data, Conversion())


def test_bare_pixels_are_blue_green_and_red_planes():
    file = io.BytesIO()
    image = Image.new("RGB", (2, 1), (1, 2, 3))
    image.putpixel((1, 0), (4, 5, 6))
    image.save(file, "PNG")
    made = convert(file.getvalue(), Conversion(encoding="bgr", rgb=True))
    assert made.data == bytes((3, 6, 2, 5, 1, 4)) and made.format == "bgr"


# --- golden bytes


def test_the_bytes_of_a_datum():
    bare = Datum(3, 1, 2, bytes((3, 6, 2, 5, 1, 4)), 300)
    assert bare.dump().hex() == "080310011802220603060205010428ac02"
    file = Datum(3, 256, 256, b"\x89PNG", 0, encoded=True)
    assert file.dump().hex() == "0803108002188002220489504e4728003801"
    for one in (bare, file):
        assert Datum.load(one.dump()) == one


def test_the_bytes_of_a_blob():
    blob = Blob(1, 1, 2, array("f", [1.0, 255.0]))
    assert blob.dump().hex() == "08011001180120022a080000803f00007f43"
    assert Blob.load(blob.dump()) == blob


@given(st.binary(max_size=400), st.integers(0, 2**31), st.booleans())
def test_a_datum_survives_the_way_there_and_back(data: bytes, label: int, encoded: bool):
    one = Datum(3, 7, 11, data, label, encoded)
    assert Datum.load(one.dump()) == one


@pytest.mark.parametrize("text", ["", "08", "2205ff", "0803100118022201", "0d00000000", "ffffffffffffffffff"])
def test_a_cut_message_is_an_error(text: str):
    with pytest.raises(ValueError, match=r"Datum|field|ends"):
        Datum.load(bytes.fromhex(text))


def test_the_values_of_a_mean():
    mean = MeanPicture()
    assert mean.planes() == []
    # halves go to the even number: 0.5 -> 0, 1.5 -> 2, 2.5 -> 2
    for pixels in ((0, 1, 2, 255, 7, 100), (1, 2, 3, 255, 8, 103)):
        mean.add(bytes(pixels), 2, 1)
    assert mean.planes() == [bytes((0, 255)), bytes((2, 8)), bytes((2, 102))]
    assert opened(mean.jpeg()).size == (2, 1)
    both = MeanPicture()
    for part in (mean, MeanPicture(), mean):
        both.merge(part)
    assert both.planes() == mean.planes() and both.count == 4
    with pytest.raises(ValueError, match="among others"):
        mean.add(bytes(3), 1, 1)
