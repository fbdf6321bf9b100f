"""What is turned away at the door: pictures that are valid, and too small, too large or too narrow for the data set."""

from __future__ import annotations

from ..errors import InvalidImage
from ..models import Reason
from ..settings import ImagePolicy

_LONGEST = 2**20
"""Pixels of a side; OpenCV opens none with more (CV_IO_MAX_IMAGE_WIDTH), whatever their number is."""


def check_bytes(size: int, policy: ImagePolicy) -> None:
    """Raise InvalidImage where a body has too few bytes."""
    if size < policy.min_bytes:
        raise InvalidImage(Reason.TOO_SMALL, f"{size} bytes are less than {policy.min_bytes}")


def check_size(width: int, height: int, policy: ImagePolicy) -> None:
    """Raise InvalidImage where width and height (pixels) are not wanted. Before anything is decoded."""
    long, short, size = max(width, height), min(width, height), f"{width} x {height}"
    if width * height > policy.max_pixels:
        raise InvalidImage(Reason.TOO_MANY_PIXELS, f"{size} is more than {policy.max_pixels} pixels")
    longest = _LONGEST if policy.max_side is None else min(policy.max_side, _LONGEST)
    if long > longest:
        raise InvalidImage(Reason.TOO_MANY_PIXELS, f"{size} has a side above {longest} pixels")
    if short < policy.min_side:
        raise InvalidImage(Reason.TOO_SMALL, f"{size} has a side below {policy.min_side} pixels")
    if width * height < policy.min_pixels:
        raise InvalidImage(Reason.TOO_SMALL, f"{size} is less than {policy.min_pixels} pixels")
    if policy.max_aspect is not None and long > short * policy.max_aspect:
        raise InvalidImage(Reason.TOO_SMALL, f"{size} is narrower than 1 to {policy.max_aspect:g}")
