"""Pictures made to order: valid, the same for the same seed, different for every other."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from typing import Any

import pytest
from PIL import Image, UnidentifiedImageError

from asynccrawl.testing import PLACEHOLDER_BYTES, PictureSet, html_page, numbered, picture, placeholder
from asynccrawl.testing.pictures import _padded_gif

FORMATS = ["jpeg", "png", "gif", "webp", "bmp", "tiff", "avif"]


def decoded(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("format", FORMATS)
def test_a_picture_decodes_to_what_was_asked_for(format: str) -> None:
    image = decoded(picture(format, (50, 30), seed=1))
    assert (image.format, image.size) == (format.upper(), (50, 30))


@pytest.mark.parametrize("format", FORMATS)
def test_a_seed_decides_every_byte(format: str) -> None:
    sixteen = [picture(format, (16, 16), seed) for seed in range(16)]
    assert len(set(sixteen)) == 16
    assert sixteen[3] == picture(format, (16, 16), 3)


def test_the_same_seed_gives_the_same_picture_in_another_process() -> None:
    code = "from asynccrawl.testing import picture; import sys; sys.stdout.buffer.write(picture(seed=5))"
    # -B: the test leaves nothing behind. The hash seed of the child differs from ours.
    child = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, check=True)
    assert child.stdout == picture(seed=5)


@pytest.mark.parametrize(
    ("format", "mode"),
    [
        ("jpeg", "L"), ("jpeg", "CMYK"), ("png", "1"), ("png", "L"), ("png", "LA"), ("png", "P"), ("png", "RGBA"),
        ("png", "I;16"), ("gif", "P"), ("webp", "RGBA"), ("tiff", "CMYK"), ("tiff", "F"), ("tiff", "I"),
    ],
)  # fmt: skip
def test_a_mode_is_kept(format: str, mode: str) -> None:
    assert decoded(picture(format, mode=mode)).mode == mode


def test_transparency_is_not_all_or_nothing() -> None:
    low, high = decoded(picture("png", mode="RGBA")).getchannel("A").getextrema()
    assert low != high


@pytest.mark.parametrize("format", ["gif", "webp", "png", "tiff"])
def test_frames_make_an_animation_or_pages(format: str) -> None:
    image: Any = decoded(picture(format, frames=3))
    assert image.n_frames == 3


def test_options_reach_the_encoder() -> None:
    assert "progressive" in decoded(picture(progressive=True)).info
    assert "progressive" not in decoded(picture()).info
    assert len(picture(quality=95)) > 1.5 * len(picture(quality=50))


@pytest.mark.parametrize("seed", range(4))
def test_a_picture_is_as_hard_to_compress_as_a_photograph(seed: int) -> None:
    pixels = 500 * 375
    assert 0.1 < len(picture(size=(500, 375), seed=seed)) / pixels < 1
    image = decoded(picture(size=(500, 375), seed=seed)).convert("L")
    low, high = min(image.tobytes()), max(image.tobytes())
    assert high - low > 60


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"mode": "CMYK"}])
def test_numbered_copies_are_distinct_and_show_the_same_picture(options: dict[str, Any]) -> None:
    base = picture(**options)
    copies = {numbered(base, number) for number in range(1000)}
    assert len(copies) == 1000
    for number in (0, 999):
        copy = numbered(base, number)
        assert decoded(copy).tobytes() == decoded(base).tobytes()
        assert decoded(copy).info["comment"] == b"asynccrawl %d" % number


def test_only_a_jpeg_can_be_numbered() -> None:
    with pytest.raises(ValueError, match="JPEG"):
        numbered(picture("png"), 1)


@pytest.mark.parametrize("format", ["gif", "jpeg"])
def test_the_placeholder_has_its_size_and_is_a_picture(format: str) -> None:
    data = placeholder(format)
    assert len(data) == PLACEHOLDER_BYTES == 2_051
    assert data == placeholder(format)
    image = decoded(data)
    assert image.format == format.upper()
    assert image.size == (120, 90)


def test_a_gif_can_be_filled_up_to_any_size() -> None:
    gif = picture("gif", (16, 16))
    for size in range(len(gif) + 5, len(gif) + 600):
        padded = _padded_gif(gif, size)
        assert len(padded) == size
        # One empty sub-block ends a comment; a second one would be no block at all.
        assert padded.endswith(b" \0;")


def test_the_placeholder_comes_as_gif_or_jpeg_only() -> None:
    with pytest.raises(ValueError, match="png"):
        placeholder("png")


def test_a_set_holds_distinct_jpegs_known_by_number_and_path() -> None:
    pictures = PictureSet(10_000, seed=2)
    assert len({pictures.data(number) for number in range(10_000)}) == 10_000
    assert decoded(pictures.data(9_999)).size == (64, 48)
    assert pictures.data(7) == PictureSet(10_000, seed=2).data(7) != PictureSet(10_000, seed=3).data(7)
    assert pictures.path(42) == "/000042.jpg"
    assert [pictures.number(path) for path in ("/000042.jpg", "/009999.jpg")] == [42, 9_999]
    for path in ("/010000.jpg", "/42.jpg", "/00004².jpg", "/000042.png", "/", ""):
        assert pictures.number(path) is None


def test_a_set_is_checked_when_made() -> None:
    with pytest.raises(ValueError, match="count -1"):
        PictureSet(-1)
    with pytest.raises(ValueError, match="masters 0"):
        PictureSet(masters=0)


def test_an_html_page_is_no_picture() -> None:
    with pytest.raises(UnidentifiedImageError):
        decoded(html_page("Gone"))
    assert b"Gone" in html_page("Gone")
