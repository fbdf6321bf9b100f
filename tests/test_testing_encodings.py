"""The pictures that validation is tested on: every encoding opens, is what its name says, and damage is damage."""

from __future__ import annotations

import io
from collections import Counter

import pytest
from PIL import Image

from asynccrawl.settings import FORMATS
from asynccrawl.testing.damage import DAMAGES, TRUNCATIONS, damaged, mutants
from asynccrawl.testing.encodings import ENCODINGS, encoded, format_of

EXACT = ("png", "png interlaced", "bmp 24 bit", "bmp 32 bit", "bmp os2", "bmp top down", "tiff tiles", "tiff strips")


def opened(name: str) -> Image.Image:
    image = Image.open(io.BytesIO(encoded(name)))
    image.load()
    return image


@pytest.mark.parametrize("name", ENCODINGS)
def test_an_encoding_opens_as_what_it_is_called(name: str):
    image = opened(name)
    assert format_of(name) == ("jpeg" if image.format == "MPO" else str(image.format).lower())
    frames = getattr(image, "n_frames", 1)
    assert (frames > 1) == any(word in name for word in ("animated", "pages", "mpo"))
    seeded = {encoded(name, seed=seed) for seed in range(3)}
    assert len(seeded) == (1 if image.size == (40, 24) else 3)


def test_every_format_has_encodings_and_many_modes_are_among_them():
    assert {format_of(name) for name in ENCODINGS} == set(FORMATS)
    modes = Counter(opened(name).mode for name in ENCODINGS)
    assert {"1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"} <= set(modes)


@pytest.mark.parametrize("name", EXACT)
def test_what_is_written_by_hand_holds_the_same_pixels(name: str):
    assert opened(name).convert("RGB").tobytes() == opened("png").convert("RGB").tobytes()


def test_deep_and_interlaced_pictures_agree_with_plain_ones():
    assert opened("png 16 bit").tobytes() == opened("png").tobytes() == opened("png interlaced 16 bit").tobytes()
    assert opened("png interlaced grey and alpha").tobytes() == opened("png grey and alpha").tobytes()
    assert opened("bmp rle").tobytes() == opened("bmp 8 bit").tobytes() == opened("bmp os2 palette").tobytes()
    assert opened("bmp rle 4 bit").tobytes() == opened("bmp 4 bit").tobytes()
    for name in ("bmp 16 bit", "bmp fields"):
        pairs = zip(opened(name).tobytes(), opened("bmp 24 bit").tobytes(), strict=True)
        assert max(abs(a - b) for a, b in pairs) < 8, name


def test_damage_is_at_its_offset_and_the_same_again():
    data = encoded("jpeg")
    for kind in DAMAGES:
        hurt = damaged(data, kind, 700, "jpeg")
        assert hurt == damaged(data, kind, 700, "jpeg") != data
        assert hurt[:700] == data[:700]
    assert damaged(data, "cut and closed", 700, "jpeg").endswith(b"\xff\xd9")
    assert len(damaged(data, "cut and filled with zeros", 700, "jpeg")) == len(data)
    assert len(damaged(data, "a part missing", 700, "jpeg")) < len(data)
    assert set(TRUNCATIONS) < set(DAMAGES)


def test_mutants_are_different_and_the_same_again():
    data = encoded("png palette")
    first = list(mutants(data, 50, seed=4))
    assert first == list(mutants(data, 50, seed=4)) and len(set(first) - {data}) > 45
    assert list(mutants(b"", 3)), "nothing can be done to nothing, but it does not fail"
