"""Each format's own opener."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile


def opener(format_: str) -> Callable[[IO[bytes]], ImageFile]:
    """What opens a file of that format.

    Image.open would try every plugin that is loaded and judge size by a limit of the whole process, with a warning
    that becomes an exception where warnings are errors; ours is the policy's, and only the format seen is opened. A
    JPEG is opened as one also where it is an MPO: its first picture is an ordinary JPEG.
    """
    return _openers()[format_]


@functools.cache
def _openers() -> dict[str, Callable[[IO[bytes]], ImageFile]]:
    from PIL import (
        AvifImagePlugin,
        BmpImagePlugin,
        GifImagePlugin,
        JpegImagePlugin,
        PngImagePlugin,
        TiffImagePlugin,
        WebPImagePlugin,
    )

    return {
        "jpeg": JpegImagePlugin.JpegImageFile,
        "png": PngImagePlugin.PngImageFile,
        "gif": GifImagePlugin.GifImageFile,
        "webp": WebPImagePlugin.WebPImageFile,
        "bmp": BmpImagePlugin.BmpImageFile,
        "tiff": TiffImagePlugin.TiffImageFile,
        "avif": AvifImagePlugin.AvifImageFile,
    }
