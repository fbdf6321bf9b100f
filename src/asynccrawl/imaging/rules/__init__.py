"""What a format's standard demands of the order and the form of its parts, where other readers insist and Pillow does
not: a picture that OpenCV or libtiff refuses would stop a training run that Pillow would not.
"""

from __future__ import annotations

from collections.abc import Callable

from ..buffer import Buffer
from .avif import check_avif, check_coded
from .bmp import check_bmp
from .broken import BrokenRule
from .gif import check_codes, check_gif
from .png import check_png, check_rows
from .tiff import check_tiff
from .webp import check_webp

__all__ = ["BrokenRule", "check_pixels", "check_rules"]


def check_rules(format_: str, data: Buffer) -> None:
    """Raise BrokenRule for a picture that is built against its standard (PNG, TIFF, GIF, packed BMP, AVIF, WebP).

    Raises InvalidImage (unsupported_format) for one that OpenCV could not recognise, and IndexError or struct.error
    for one that is cut.
    """
    if check := _CHECKS.get(format_):
        check(data)


def check_pixels(format_: str, data: Buffer, max_pixels: int) -> None:
    """Raise BrokenRule or CutShort for a picture whose data are damaged, or too few, where Pillow minds neither.

    Of PNG, GIF and AVIF; it takes as long as decoding the first frame once more. `max_pixels`: of a frame of an AVIF.
    Raises zlib.error, IndexError or struct.error for one that is cut, and MemoryError.
    """
    if format_ == "png":
        check_rows(data)
    elif format_ == "gif":
        check_codes(data)
    elif format_ == "avif":
        check_coded(data, max_pixels)


_CHECKS: dict[str, Callable[[Buffer], None]] = {
    "png": check_png, "tiff": check_tiff, "gif": check_gif, "bmp": check_bmp, "avif": check_avif,
    "webp": check_webp,
}  # fmt: skip
