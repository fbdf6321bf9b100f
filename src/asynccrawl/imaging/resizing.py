"""The geometry of resizing, in the modes of DIGITS and of img2dataset. Pure; no picture is touched.

Every mode scales the picture to `scaled` pixels and then looks at it through a frame of `size` pixels, whose corner
lies at `corner` in the scaled picture: inside it the frame crops, outside it there is padding.

    squash              DIGITS: the frame, whatever that does to the shape
    crop                DIGITS: fills the frame, what is over is cut off on both sides
    fill                DIGITS: fits into the frame, the rest is noise
    half_crop           DIGITS: half-way between the two
    border              img2dataset: fits into the frame, the rest is white
    center_crop         img2dataset: as crop
    keep_ratio          img2dataset: the shorter side as asked, no frame
    keep_ratio_largest  img2dataset: the longer side as asked, no frame
    no                  img2dataset: as it is

DIGITS scales by bilinear interpolation and rounds halves up; what would need an odd number of padding pixels becomes
a pixel larger (`utils/image.py` of version 6.1.1). img2dataset scales by area when a picture shrinks and by Lanczos
when it grows (its documented defaults).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

ResizeMode = Literal[
    "squash", "crop", "fill", "half_crop", "border", "center_crop", "keep_ratio", "keep_ratio_largest", "no"
]
"""How a picture is brought to a size."""
RESIZE_MODES: tuple[ResizeMode, ...] = get_args(ResizeMode)
DIGITS_MODES: tuple[ResizeMode, ...] = ("squash", "crop", "fill", "half_crop")
"""The modes that DIGITS has; they always give squares."""

Size = tuple[int, int]
"""Width and height."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The picture's size after scaling, and the frame through which it is then looked at; all in pixels."""

    scaled: Size
    size: Size
    corner: Size = (0, 0)


def fit(width: int, height: int, side: int, mode: ResizeMode) -> Fit:
    """How a picture of `width` x `height` is brought to `side` (pixels) in `mode`."""
    return _FITS[mode](width, height, side)


def _no(width: int, height: int, side: int) -> Fit:
    return Fit((width, height), (width, height))


def _squash(width: int, height: int, side: int) -> Fit:
    return Fit((side, side), (side, side))


def _crop(width: int, height: int, side: int) -> Fit:
    scaled = _scaled(width, height, min(width, height) / side)
    return Fit(scaled, (side, side), (_half_up((scaled[0] - side) / 2), _half_up((scaled[1] - side) / 2)))


def _fill(width: int, height: int, side: int) -> Fit:
    scaled = _even(_scaled(width, height, max(width, height) / side), width > height, width < height, side)
    return Fit(scaled, (side, side), ((scaled[0] - side) // 2, (scaled[1] - side) // 2))


def _half_crop(width: int, height: int, side: int) -> Fit:
    scaled = _scaled(width, height, (width + height) / side / 2)
    scaled = _even(scaled, width > height, width < height, side)
    x, y = ((pixels - side) / 2 for pixels in scaled)
    return Fit(scaled, (side, side), (_half_up(x), _half_up(y)))


def _border(width: int, height: int, side: int) -> Fit:
    scaled = _scaled(width, height, max(width, height) / side)
    return Fit(scaled, (side, side), (-((side - scaled[0]) // 2), -((side - scaled[1]) // 2)))


def _center_crop(width: int, height: int, side: int) -> Fit:
    scaled = _scaled(width, height, min(width, height) / side)
    return Fit(scaled, (side, side), ((scaled[0] - side) // 2, (scaled[1] - side) // 2))


def _keep_ratio(width: int, height: int, side: int) -> Fit:
    scaled = _scaled(width, height, min(width, height) / side)
    return Fit(scaled, scaled)


def _keep_ratio_largest(width: int, height: int, side: int) -> Fit:
    scaled = _scaled(width, height, max(width, height) / side)
    return Fit(scaled, scaled)


_FITS: dict[ResizeMode, Callable[[int, int, int], Fit]] = {
    "squash": _squash, "crop": _crop, "fill": _fill, "half_crop": _half_crop, "border": _border,
    "center_crop": _center_crop, "keep_ratio": _keep_ratio, "keep_ratio_largest": _keep_ratio_largest, "no": _no,
}  # fmt: skip


def _scaled(width: int, height: int, ratio: float) -> Size:
    return max(1, _half_up(width / ratio)), max(1, _half_up(height / ratio))


def _even(scaled: Size, wide: bool, tall: bool, side: int) -> Size:
    """A pixel more where the padding, which is above and below a wide picture, could not be the same on both sides."""
    return scaled[0] + (tall and (side - scaled[0]) % 2), scaled[1] + (wide and (side - scaled[1]) % 2)


def _half_up(x: float) -> int:
    return math.floor(x + 0.5)
