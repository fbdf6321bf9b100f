"""What a picture says about itself beyond its size: frames, orientation, colour profile, EXIF."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_ORIENTATION = 274
_NUMBER_OF_IMAGES = 0xB001
_SUBDIRECTORIES = {0x8769: "exif", 0x8825: "gps"}
_LONGEST = 500
"""Characters of a text in EXIF that are recorded, and values of a list."""


def metadata(image: ImageFile, frames: int, exif: bool) -> dict[str, Any]:
    """The `meta` of an opened picture; `frames` as its structure has it, 0 where only the decoder knows."""
    found: dict[str, Any] = {
        "frames": frames or getattr(image, "n_frames", 1),
        "orientation": 1,
        "icc": bool(image.info.get("icc_profile")),
    }
    # What stands in EXIF was written by anybody's camera or tool, and is no reason to refuse a picture.
    with suppress(Exception):
        found["frames"] = _pictures(image) or found["frames"]
    with suppress(Exception):
        found["orientation"] = _orientation(image)
    if exif:
        found["exif"] = None
        with suppress(Exception):
            found["exif"] = _exif(image) or None
    return found


def plain_metadata(exif: bool) -> dict[str, Any]:
    """The `meta` of a picture that says nothing."""
    found: dict[str, Any] = {"frames": 1, "orientation": 1, "icc": False}
    return found | {"exif": None} if exif else found


def _pictures(image: ImageFile) -> int:
    """How many pictures an MPO says it has (CIPA DC-007, 5.2.3.2); 0 where it is none."""
    listed: dict[int, Any] = image._getmp() if "mp" in image.info else {}  # type: ignore[attr-defined]
    return int(listed.get(_NUMBER_OF_IMAGES, 0))


def _orientation(image: ImageFile) -> int:
    if tags := getattr(image, "tag_v2", None):
        value = tags.get(_ORIENTATION, 1)
    elif "exif" in image.info:
        value = image.getexif().get(_ORIENTATION, 1)
    else:
        value = 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _exif(image: ImageFile) -> dict[str, Any]:
    from PIL.ExifTags import GPSTAGS, TAGS

    exif = image.getexif()
    found = _named(dict(exif), TAGS)
    for tag, name in _SUBDIRECTORIES.items():
        if tag in exif and (part := _named(exif.get_ifd(tag), GPSTAGS if name == "gps" else TAGS)):
            found[name] = part
    return found


def _named(values: dict[int, Any], names: dict[int, str]) -> dict[str, Any]:
    plain = ((names.get(tag, f"0x{tag:04X}"), _plain(value)) for tag, value in values.items())
    return {name: value for name, value in plain if value is not None}


def _plain(value: Any) -> Any:
    """A value that JSON can hold, or None: binary data are left out."""
    if isinstance(value, str):
        return value.strip("\0 ")[:_LONGEST]
    if isinstance(value, bool | int):
        return value
    if isinstance(value, tuple | list):
        plain = [_plain(part) for part in value[:_LONGEST]]
        return None if None in plain else plain
    with suppress(TypeError, ValueError, ZeroDivisionError, OverflowError):
        number = float(value)
        return number if abs(number) < float("inf") else None
    return None
