"""What a format's standard demands of the order and the form of its parts, where other readers insist and Pillow does
not: a picture that OpenCV or libtiff refuses would stop a training run that Pillow would not.
"""

from __future__ import annotations

from collections.abc import Callable

from ..buffer import Buffer
from .bmp import check_bmp
from .broken import BrokenRule
from .gif import check_gif
from .png import check_png, check_rows
from .tiff import check_tiff

__all__ = ["BrokenRule", "check_rules"]


def check_rules(format_: str, data: Buffer, pixels: bool = True) -> None:
    """Raise BrokenRule for a picture that is built against its standard (PNG, TIFF, GIF, packed BMP, AVIF).

    pixels: also count those of a PNG, which takes as long as inflating them. Raises IndexError, struct.error or
    zlib.error for one that is cut.
    """
    if check := _CHECKS.get(format_):
        check(data)
    if pixels and (check := _PIXELS.get(format_)):
        check(data)


def _check_avif(data: Buffer) -> None:
    """The brand that a file puts first is one by which readers know an AVIF (Pillow goes by no other)."""
    if data[8:12] not in (b"avif", b"avis", b"mif1", b"msf1"):
        raise BrokenRule("its first brand is none of an AVIF")


_CHECKS: dict[str, Callable[[Buffer], None]] = {
    "png": check_png, "tiff": check_tiff, "gif": check_gif, "bmp": check_bmp, "avif": _check_avif,
}  # fmt: skip
_PIXELS: dict[str, Callable[[Buffer], None]] = {"png": check_rows}
