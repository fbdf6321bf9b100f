"""Pictures made to order: photo-like, small, and the same again for the same seed (and the same Pillow)."""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from PIL import Image

PLACEHOLDER_BYTES = 2_051
"""The size of the picture that a well-known photo site sends for whatever it no longer has."""

_NOISE = 0.2
_JPEG_START = b"\xff\xd8"
_COMMENT = b"\xff\xfe"
_GIF_END = b"\x3b"
_GIF_COMMENT = b"\x21\xfe"
_SUBBLOCK_BYTES = 255


def picture(
    format: str = "jpeg", size: tuple[int, int] = (64, 48), seed: int = 0, mode: str = "RGB", frames: int = 1,
    **options: Any,
) -> bytes:  # fmt: skip
    """An encoded picture of gradients and noise.

    format: jpeg, png, gif, webp, bmp, tiff, or avif where Pillow has it. size: width and height in pixels. seed:
    from 16x16 pixels on, every seed gives other bytes. mode: Pillow's name of the pixels' kind, one that the format
    can hold. frames: more than one for an animation (gif, webp, png, avif) or pages (tiff). options: Pillow's for
    saving in that format (`progressive=True`, `quality=90`).

    Raises OSError or ValueError, Pillow's, for what the format cannot hold.
    """
    first, *others = (drawn(size, random.Random(f"{seed}/{n}"), mode) for n in range(frames))
    if others:
        options = {"save_all": True, "append_images": others, **options}
    file = BytesIO()
    first.save(file, format, **options)
    return file.getvalue()


def numbered(jpeg: bytes, number: int) -> bytes:
    """A copy of `jpeg` that differs from every other number's: the number stands in a comment. Takes microseconds.

    Raises ValueError when `jpeg` is none.
    """
    if not jpeg.startswith(_JPEG_START):
        raise ValueError("numbered() needs a JPEG")
    return _commented(jpeg, b"asynccrawl %d" % number)


@functools.cache
def placeholder(format: str = "gif") -> bytes:
    """The picture that stands for one that is gone: a valid gif or jpeg of exactly 2,051 bytes, always the same."""
    if format not in ("gif", "jpeg"):
        raise ValueError(f"format is {format!r}; it must be gif or jpeg")
    file = BytesIO()
    image = Image.new("L", (120, 90), 235)
    image.paste(150, (20, 30, 100, 60))
    image.save(file, format)
    pad = _padded_gif if format == "gif" else _padded_jpeg
    return pad(file.getvalue(), PLACEHOLDER_BYTES)


@dataclass(frozen=True, slots=True)
class PictureSet:
    """`count` distinct JPEGs, known by number, that any process makes alike from the same values.

    size: width and height in pixels. masters: how many are drawn; the others are numbered copies, so a set costs
    little. quality: as in Pillow. (size=(500, 375), quality=95 gives the 100 kB or so of an ImageNet picture.)
    """

    count: int = 1_000
    seed: int = 0
    size: tuple[int, int] = (64, 48)
    masters: int = 16
    quality: int = 75

    def __post_init__(self) -> None:
        if self.count < 0 or self.masters < 1:
            raise ValueError(f"count {self.count} or masters {self.masters} is out of range")

    def path(self, number: int) -> str:
        """The URL path of a picture: `/000042.jpg`."""
        return f"/{number:06d}.jpg"

    def number(self, path: str) -> int | None:
        """The number of the picture with that path, or None."""
        digits = path[1:-4]
        found = digits.isascii() and digits.isdigit() and int(digits) < self.count
        return int(digits) if found and self.path(int(digits)) == path else None

    def data(self, number: int) -> bytes:
        """The bytes of a picture."""
        return numbered(_master(self, number % self.masters), number)


@functools.lru_cache(maxsize=256)
def _master(of: PictureSet, index: int) -> bytes:
    return picture(size=of.size, seed=of.seed * of.masters + index, quality=of.quality)


def drawn(size: tuple[int, int], rng: random.Random, mode: str) -> Image.Image:
    """Gradients and noise, before they are encoded."""
    width, height = size
    bands = [_gradient(size, rng) for _ in range(3)]
    noise = Image.frombytes("RGB", size, rng.randbytes(width * height * 3))
    image = Image.blend(Image.merge("RGB", bands), noise, _NOISE)
    if mode in ("RGBA", "LA"):
        image.putalpha(_gradient(size, rng))
    # Some modes can be had from grey only.
    return (
        image if image.mode == mode else image.convert("L" if mode in ("I", "F", "I;16") else image.mode).convert(mode)
    )


def _gradient(size: tuple[int, int], rng: random.Random) -> Image.Image:
    source = Image.radial_gradient("L") if rng.random() < 0.5 else Image.linear_gradient("L")
    left, top = rng.randrange(128), rng.randrange(128)
    part = source.rotate(rng.choice((0, 90, 180, 270))).crop((left, top, left + 128, top + 128))
    return part.resize(size, Image.Resampling.BILINEAR)


def _padded_gif(gif: bytes, size: int) -> bytes:
    """`gif` with a comment before its end that fills it up to `size` bytes."""
    room = size - len(gif) - len(_GIF_COMMENT) - 1
    comment = bytearray(_GIF_COMMENT)
    while room > 0:
        # Never leave a single byte: a sub-block has a length byte and at least one more.
        block = min(room, _SUBBLOCK_BYTES + 1) - (room == _SUBBLOCK_BYTES + 2)
        comment += bytes([block - 1]) + b" " * (block - 1)
        room -= block
    return gif[: -len(_GIF_END)] + bytes(comment) + b"\0" + _GIF_END


def _padded_jpeg(jpeg: bytes, size: int) -> bytes:
    """`jpeg` with a comment that fills it up to `size` bytes."""
    return _commented(jpeg, b" " * (size - len(jpeg) - len(_COMMENT) - 2))


def _commented(jpeg: bytes, text: bytes) -> bytes:
    # Behind the first segment: readers look for JFIF's right at the start.
    at = 4 + int.from_bytes(jpeg[4:6], "big")
    return b"%b%b%b%b%b" % (jpeg[:at], _COMMENT, (len(text) + 2).to_bytes(2, "big"), text, jpeg[at:])
