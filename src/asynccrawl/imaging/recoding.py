"""A valid picture of another format, made into one of the format that all of a data set shall have. Pure.

Its first frame, turned upright as EXIF says, without metadata but a note of what it was made of (`Served.note`).
A JPEG holds 8 bits of grey or RGB: what is transparent becomes white, 16 bits lose their lower eight, CMYK becomes RGB
by Pillow's plain formula. A PNG holds nearly everything, and keeps it: transparency, palettes, one bit and 16.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import InvalidImage
from ..models import Reason, Served
from .flattening import flat, on_white

if TYPE_CHECKING:
    from PIL.Image import Image

QUALITY = 95
"""Of JPEG; the exporters' default."""
_TALLEST_JPEG = 65_500
"""libjpeg's JPEG_MAX_DIMENSION."""
_HIGH_BYTE = {"I;16": 1, "I;16L": 1, "I;16B": 0, "I;16N": 1}
"""16-bit modes -> where of each pixel's two bytes the higher one is, as `tobytes` gives them."""
_AS_IN_PNG = {"1", "L", "LA", "P", "RGB", "RGBA", "I;16"}
_PLAINER = {"CMYK": "RGB", "YCbCr": "RGB", "RGBX": "RGB", "RGBa": "RGBA", "PA": "RGBA"}


class Recoded(NamedTuple):
    """What is stored; `mode` is Pillow's, `format` in the words of the settings."""

    data: bytes
    format: str
    width: int
    height: int
    mode: str


def recode(image: Image, orientation: int, wanted: str, served: Served) -> Recoded:
    """Encode a decoded picture as `wanted` (jpg or png). `orientation`: how it lies (1 to 8, as in EXIF).

    Raises InvalidImage (unsupported_format) for pixels that the format cannot hold, and what Pillow raises.
    """
    upright = _turned(image, orientation)
    format_, encode = ("jpeg", _jpeg) if wanted == "jpg" else ("png", _png)
    made, data = encode(upright, served.note)
    return Recoded(data, format_, made.width, made.height, made.mode)


def _turned(image: Image, orientation: int) -> Image:
    """Upright. The values are those of EXIF 2.32, 4.6.4: what has to be undone, clockwise."""
    from PIL.Image import Transpose as To

    turns = {
        2: To.FLIP_LEFT_RIGHT, 3: To.ROTATE_180, 4: To.FLIP_TOP_BOTTOM, 5: To.TRANSPOSE, 6: To.ROTATE_270,
        7: To.TRANSVERSE, 8: To.ROTATE_90,
    }  # fmt: skip
    if orientation not in turns:
        return image
    turned = image.transpose(turns[orientation])
    turned.info = image.info  # which colour is transparent
    return turned


def _jpeg(image: Image, note: str) -> tuple[Image, bytes]:
    if max(image.size) > _TALLEST_JPEG:
        what = f"{image.width} x {image.height} has a side above {_TALLEST_JPEG} pixels, the most of a JPEG"
        raise InvalidImage(Reason.UNSUPPORTED_FORMAT, what)
    if image.mode in _HIGH_BYTE:
        image = _eight_bits(image)
    elif image.has_transparency_data:
        image = on_white(image.convert("RGBA"), "L" if image.mode in ("1", "L", "LA") else "RGB")
    else:
        image = flat(image)
    return image, _saved(image, "JPEG", quality=QUALITY, comment=note)


def _eight_bits(image: Image) -> Image:
    from PIL import Image as pillow

    # `convert` would clip at 255.
    return pillow.frombytes("L", image.size, image.tobytes()[_HIGH_BYTE[image.mode] :: 2])


def _png(image: Image, note: str) -> tuple[Image, bytes]:
    from PIL import Image as pillow
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Comment", note)
    options = {name: image.info[name] for name in ("transparency",) if name in image.info}
    if image.mode == "I;16B":
        image = pillow.frombytes("I;16", image.size, image.tobytes(), "raw", "I;16B")
    elif image.mode in _PLAINER:
        image = image.convert(_PLAINER[image.mode])
    elif image.mode not in _AS_IN_PNG:
        raise InvalidImage(Reason.UNSUPPORTED_FORMAT, f"its pixels are {image.mode}, which no PNG holds")
    return image, _saved(image, "PNG", pnginfo=info, **options)


def _saved(image: Image, format_: str, **options: Any) -> bytes:
    image.info = {}  # metadata and colour profiles would be written along
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()
