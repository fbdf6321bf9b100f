"""A picture made fit for training: turned upright, of one size, in one encoding. Pure, as `examine` is."""

from __future__ import annotations

import hashlib
import io
import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import InvalidImage
from ..models import Reason
from .buffer import opened
from .examine import open_picture
from .facts import EXTENSIONS
from .flattening import flat
from .resizing import DIGITS_MODES, ResizeMode, fit

if TYPE_CHECKING:
    from PIL.Image import Image

Encoding = Literal["jpg", "png", "bgr"]
"""What is made of a picture; `bgr` is its bare pixels, blue, green and red plane, as Caffe has them."""
MAX_PIXELS = 200_000_000
"""Width x height beyond which a picture is not decoded: it would take a gigabyte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What to make of each picture.

    size: pixels, see `resizing` for what they mean in each `mode`; None leaves the size. encoding: see Encoding.
    quality: of JPEG, 1 to 100. rgb: three channels for grey pictures too. pixels: return the bare pixels as well.
    """

    size: int | None = None
    mode: ResizeMode = "squash"
    encoding: Encoding = "jpg"
    quality: int = 95
    rgb: bool = False
    pixels: bool = False


@dataclass(frozen=True, slots=True)
class Converted:
    """A converted picture: `format` is jpeg, png or bgr, `pixels` (if asked for) are interleaved RGB or grey bytes."""

    data: bytes
    format: str
    width: int
    height: int
    mode: str
    pixels: bytes | None = None


def convert(body: bytes | Path, conversion: Conversion) -> Converted:
    """Make of a picture what `conversion` says.

    Its EXIF orientation is applied, and all metadata left out. What is transparent becomes white; one bit becomes
    grey; CMYK and YCbCr become RGB, which is how DIGITS loads pictures. The same picture always gives the same bytes.
    Raises InvalidImage for what cannot be decoded, and for modes that have no plain 8-bit form (16-bit, float), and
    OSError when a file cannot be read.
    """
    image = flat(_loaded(body))
    if conversion.rgb and image.mode != "RGB":
        image = image.convert("RGB")
    if conversion.size is not None:
        image = _resized(image, conversion.size, conversion.mode)
    pixels = image.tobytes() if conversion.pixels else None
    format_, data = _encoded(image, conversion)
    return Converted(data, format_, image.width, image.height, image.mode, pixels)


def _loaded(body: bytes | Path) -> Image:
    from PIL import ImageOps

    with opened(body) as data:
        try:
            with open_picture(data, EXTENSIONS) as image:
                if image.width * image.height > MAX_PIXELS:
                    text = f"{image.width} x {image.height} is more than {MAX_PIXELS} pixels"
                    raise InvalidImage(Reason.TOO_MANY_PIXELS, text)
                image.load()
                return ImageOps.exif_transpose(image)
        except (InvalidImage, OSError) as error:
            if isinstance(error, InvalidImage):
                raise
            raise InvalidImage(Reason.CORRUPT, str(error)[:200]) from error
        except Exception as error:
            # Decoders raise nearly anything on damaged files; see `examine`.
            raise InvalidImage(Reason.CORRUPT, f"{type(error).__name__}: {str(error)[:200]}") from error


def _resized(image: Image, side: int, mode: ResizeMode) -> Image:
    from PIL.Image import Resampling

    wanted = fit(image.width, image.height, side, mode)
    if wanted.scaled != image.size:
        shrinks = wanted.scaled[0] * wanted.scaled[1] < image.width * image.height
        area = Resampling.BOX if shrinks else Resampling.LANCZOS
        image = image.resize(wanted.scaled, Resampling.BILINEAR if mode in DIGITS_MODES else area)
    if wanted.size == image.size:
        return image
    (x, y), (width, height) = wanted.corner, wanted.size
    if x >= 0 and y >= 0:
        return image.crop((x, y, x + width, y + height))
    framed = _noise(image, wanted.size) if mode in DIGITS_MODES else _white(image, wanted.size)
    left, top = max(0, x), max(0, y)
    seen = image.crop((left, top, min(image.width, left + width), min(image.height, top + height)))
    framed.paste(seen, (max(0, -x), max(0, -y)))
    return framed


def _noise(image: Image, size: tuple[int, int]) -> Image:
    """Noise as a frame: other noise for each picture, but always the same for the same one."""
    from PIL import Image as pillow

    seed = hashlib.sha256(image.tobytes()).digest()
    count = size[0] * size[1] * len(image.getbands())
    return pillow.frombytes(image.mode, size, random.Random(seed).randbytes(count))


def _white(image: Image, size: tuple[int, int]) -> Image:
    from PIL import Image as pillow

    return pillow.new(image.mode, size, 255 if image.mode == "L" else (255, 255, 255))


def _encoded(image: Image, conversion: Conversion) -> tuple[str, bytes]:
    if conversion.encoding == "bgr":
        return "bgr", b"".join(band.tobytes() for band in reversed(image.split()))
    image.info = {}  # metadata and colour profiles would be written along
    file = io.BytesIO()
    if conversion.encoding == "png":
        image.save(file, "PNG")
        return "png", file.getvalue()
    image.save(file, "JPEG", quality=conversion.quality)
    return "jpeg", file.getvalue()
