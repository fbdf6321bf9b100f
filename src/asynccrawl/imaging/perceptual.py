"""What a picture looks like, in 128 bits: pictures that look alike differ in few of them.

Two hashes of ImageHash (extra `near`) side by side, of 64 bits each: pHash, by the lowest frequencies of a cosine
transform, and dHash, by the sign of horizontal gradients. Pictures that one of them confuses the other mostly tells
apart. Both look at brightness alone, at 64 x 64 pixels, upright as EXIF has it, on white where the picture lets light
through, and of an animation at its first frame.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SettingsError
from ..settings import FORMATS
from .buffer import opened
from .examine import open_picture

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

SIDE = 64
"""Width and height to which a picture is brought first."""
FLAT = 5.0
"""A picture whose brightness has a lower standard deviation (of 255) is flat: nothing but noise would tell it apart."""
_MISSING = "near-duplicates are told by ImageHash, which is not installed: pip install 'asynccrawl[near]'"


def need_hashes() -> None:
    """Raise SettingsError where the extra is missing."""
    try:
        import imagehash  # noqa: F401
    except ImportError as error:
        raise SettingsError(f"{_MISSING} ({error})") from error


def looks(file: Path | bytes) -> str | None:
    """The hashes of a picture, 32 hexadecimal digits; None where it is flat, or cannot be opened or decoded.

    file: its path, or its bytes.
    """
    import imagehash

    try:
        grey = _small(file)
    except Exception:
        return None  # decoders raise nearly anything on damaged files, and what was not decoded whole may be one
    if _deviation(grey) < FLAT:
        return None
    return f"{imagehash.phash(grey)}{imagehash.dhash(grey)}"


def _small(file: Path | bytes) -> Image:
    from PIL import ImageOps

    with opened(file) as data, open_picture(data, FORMATS) as image:
        image.draft("RGB", (2 * SIDE, 2 * SIDE))  # of a JPEG no more is decoded than is needed
        image.load()
        return ImageOps.exif_transpose(_grey(image))


def _grey(image: ImageFile) -> Image:
    from PIL import Image

    exif = image.getexif()
    found: Image.Image = image
    if image.mode.startswith(("I", "F")):
        found = image.convert("F").point(lambda value: value / 256.0)  # 16 bits
    elif image.has_transparency_data:
        found = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    grey = found.convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    grey.info["exif"] = exif.tobytes()
    return grey


def _deviation(grey: Image) -> float:
    from PIL import ImageStat

    return float(ImageStat.Stat(grey).stddev[0])
