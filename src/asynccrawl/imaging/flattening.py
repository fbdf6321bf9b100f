"""A picture without transparency, palette or rare colours: 8 bits of grey, or of red, green and blue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InvalidImage
from ..models import Reason

if TYPE_CHECKING:
    from PIL.Image import Image


def flat(image: Image) -> Image:
    """The picture as RGB or grey, without transparency. Raises InvalidImage for what has no plain 8-bit form."""
    if image.mode in ("L", "RGB"):
        return image
    if image.mode == "1":
        return image.convert("L")
    if image.mode in ("CMYK", "YCbCr", "RGBX"):
        return image.convert("RGB")
    if image.mode in ("LA", "P", "RGBA"):
        return on_white(image.convert("RGBA"), "L" if image.mode == "LA" else "RGB")
    raise InvalidImage(Reason.UNSUPPORTED_FORMAT, f"its pixels are {image.mode}, which has no plain 8-bit form")


def on_white(image: Image, mode: str) -> Image:
    """An RGBA picture as `mode` (L or RGB), with white where it is transparent."""
    from PIL import Image as pillow

    white = pillow.new(mode, image.size, 255 if mode == "L" else (255, 255, 255))
    white.paste(image.convert(mode), mask=image.getchannel("A"))
    return white
