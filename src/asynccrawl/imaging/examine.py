"""Bytes -> facts, or InvalidImage. Pure: no state is kept or changed, so it runs in threads and in processes alike."""

from __future__ import annotations

import hashlib
import io
import mmap
from collections.abc import Container
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

from ..errors import InvalidImage
from ..models import Reason, Served
from ..settings import FORMATS, ImagePolicy
from . import dav1d, jpeg, turbo
from .buffer import Buffer, opened
from .door import check_bytes, check_size
from .ends import extent_of
from .extent import Extent
from .facts import EXTENSIONS, Facts
from .formats import opener
from .metadata import metadata, plain_metadata
from .recoding import Recoded, recode
from .rules import check_pixels, check_rules
from .sniff import HEAD_BYTES, PICTURES, sniff

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_DEFAULT = ImagePolicy()
_CONVERTED = {"jpg": "jpeg", "png": "png", None: None}
"""What is converted to -> the format that needs no conversion."""
_NO_SUCH_PIXELS = "unknown pixel mode"
"""What Pillow says of a TIFF that is no worse for having 64 bits a sample, say. Pages after the first are not asked."""
_END_OF_JPEG = b"\xff\xd9"
"""Where a JPEG that decodes ends in this, it is whole: no scan can hold that marker."""


class Look(NamedTuple):
    """What was seen of a picture; None throughout where only its first bytes were looked at. `made`: what it was
    converted to.
    """

    width: int | None = None
    height: int | None = None
    mode: str | None = None
    note: str | None = None
    meta: dict[str, Any] | None = None
    made: Recoded | None = None


def examine(body: bytes | Path, policy: ImagePolicy, content_type: str | None = None) -> Facts:
    """Look at a body as far as `policy` asks, and convert it if that is asked for. `content_type` is what the server
    called it.

    Raises InvalidImage with its reason (empty, not_an_image, unsupported_format, too_small, too_many_pixels, corrupt),
    SettingsError where the policy demands what is not installed, MemoryError, and OSError when a spooled body cannot be
    read.
    """
    with opened(body) as data:
        if not len(data):
            raise InvalidImage(Reason.EMPTY, "the body is empty")
        format_ = _recognised(data[:HEAD_BYTES], policy, content_type)
        check_bytes(len(data), policy)
        served = _to_be_converted(format_, data, policy)
        look = _looked_at(format_, data, policy, served)
        notes = [_served_as(format_, content_type), look.note]
        detail = "; ".join(filter(None, notes)) or None
        if served and look.made:
            return _converted(look.made, served, detail, look.meta or {})
        return Facts(
            format_,
            EXTENSIONS[format_],
            look.width,
            look.height,
            look.mode,
            len(data),
            hashlib.sha256(data).hexdigest(),
            detail,
            look.meta,
        )


def _to_be_converted(format_: str, data: Buffer, policy: ImagePolicy) -> Served | None:
    """What came, if something else of it is to be stored."""
    if _CONVERTED[policy.convert] in (format_, None):
        return None
    digests = hashlib.sha256(data), hashlib.sha1(data, usedforsecurity=False)
    return Served(format_, digests[0].hexdigest(), len(data), digests[1].hexdigest())


def _converted(made: Recoded, served: Served, detail: str | None, seen: dict[str, Any]) -> Facts:
    meta = seen | {"frames": 1, "orientation": 1, "icc": False} | served.meta
    sha256 = hashlib.sha256(made.data).hexdigest()
    extension = EXTENSIONS[made.format]
    return Facts(
        made.format, extension, made.width, made.height, made.mode, len(made.data), sha256, detail, meta, made.data,
        served,
    )  # fmt: skip


def prepare(policy: ImagePolicy = _DEFAULT, threads: int | None = None) -> None:
    """Load what decodes, before descriptors may run short: what cannot be loaded makes a picture corrupt.

    threads: most that one decode may start, in this process from now on; None for as many as there are cores. Blocks
    for some 0.2 s. Raises SettingsError where the policy demands what is not installed.
    """
    from PIL import AvifImagePlugin, Image, ImageChops  # noqa: F401

    turbo.usable(policy.turbo)
    dav1d.usable()
    Image.preinit()
    for name in policy.formats:
        opener(name)
    if threads is not None:
        AvifImagePlugin.DEFAULT_MAX_THREADS = threads


def check(policy: ImagePolicy) -> None:
    """Raises SettingsError where the policy demands what is not installed, as `prepare` does; loads nothing."""
    turbo.check(policy.turbo)


def _recognised(head: bytes, policy: ImagePolicy, content_type: str | None) -> str:
    name = sniff(head)
    if name in policy.formats:
        return str(name)
    said = f", Content-Type {content_type[:100]}" if content_type else ""
    if name in PICTURES:
        known = "is not among the formats kept" if name in FORMATS else "is not a format that is decoded"
        raise InvalidImage(Reason.UNSUPPORTED_FORMAT, f"{name} {known}{said}")
    raise InvalidImage(Reason.NOT_AN_IMAGE, f"its first bytes are {name or 'no known format'}{said}")


def open_picture(data: Buffer, formats: Container[str]) -> ImageFile:
    """The picture, opened and not decoded. Raises InvalidImage for none of `formats`, and what Pillow raises."""
    name = sniff(data[:HEAD_BYTES])
    if name is None or name not in formats:
        raise InvalidImage(Reason.NOT_AN_IMAGE, f"its first bytes are {name or 'no known format'}")
    return opener(name)(_file(data))


def _looked_at(format_: str, data: Buffer, policy: ImagePolicy, served: Served | None) -> Look:
    """What is seen after as much decoding as the policy wants."""
    if policy.decode == "none":
        return Look()
    strict = policy.decode == "full" and format_ == "jpeg" and turbo.usable(policy.turbo)
    try:
        if format_ == "jpeg" and policy.decode == "full":
            return _decoded_jpeg(data, policy, strict, served)
        return _decoded(format_, data, policy, served)
    except (InvalidImage, MemoryError):
        raise
    except Exception as error:
        # Decoders raise nearly anything on damaged files: OSError, ValueError, SyntaxError, struct.error ...
        raise InvalidImage(Reason.CORRUPT, f"{type(error).__name__}: {str(error)[:200]}") from error


def _decoded(format_: str, data: Buffer, policy: ImagePolicy, served: Served | None) -> Look:
    with _opened(format_, data) as image:
        width, height, mode = image.width, image.height, image.mode
        check_size(width, height, policy)
        # The structure before the pixels: it is cheaper, and most of what is cut needs no decoding to be found out.
        extent = extent_of(format_, data)
        note = _trailing(extent, data, policy)
        meta = metadata(image, extent.frames, policy.exif)
        if policy.decode == "full":
            image.load()
            if format_ == "png":
                meta = metadata(image, extent.frames, policy.exif)  # it may stand behind the pixels
        check_rules(format_, data)
        if policy.decode == "full":
            check_pixels(format_, data, policy.max_pixels)
        turned = format_ == "tiff"  # by Pillow, when it loads
        made = recode(image, 1 if turned else meta["orientation"], str(policy.convert), served) if served else None
        return Look(width, height, mode, note, meta, made)


def _opened(format_: str, data: Buffer) -> ImageFile:
    try:
        return opener(format_)(_file(data))
    except SyntaxError as error:
        if format_ != "tiff" or _NO_SUCH_PIXELS not in str(error):
            raise
    extent_of(format_, data)
    check_rules(format_, data)
    raise InvalidImage(Reason.UNSUPPORTED_FORMAT, "its pixels are of a kind that no decoder here knows")


def _decoded_jpeg(data: Buffer, policy: ImagePolicy, strict: bool, served: Served | None) -> Look:
    layout, stand_in = jpeg.prepare(data, strict)
    width, height = layout.size
    if layout.frame and not (width and height):
        raise InvalidImage(Reason.CORRUPT, f"its frame header says {width} x {height} pixels")
    check_size(width, height, policy)
    if strict and served is None and (plain := layout.plain_mode):
        # Opening it with Pillow would tell nothing more.
        note = _behind(data, policy)
        if jpeg.decodes(data, layout):
            return Look(width, height, plain, note, plain_metadata(policy.exif))
        strict = False
        layout, stand_in = jpeg.prepare(data, strict)
    with opener("jpeg")(_file(stand_in)) as image:
        mode, meta = image.mode, metadata(image, 1, policy.exif)
        note = _behind(data, policy, several="mp" in image.info)
        jpeg.check(image, data, layout, strict)
    if served is None:
        return Look(width, height, mode, note, meta)
    with opener("jpeg")(_file(data)) as image:  # what was checked may be scaled
        image.load()
        return Look(width, height, mode, note, meta, recode(image, meta["orientation"], str(policy.convert), served))


def _behind(data: Buffer, policy: ImagePolicy, several: bool = False) -> str | None:
    """A note where bytes follow the end of a JPEG; where there may be several pictures, behind the first."""
    if not several and not policy.strict_end and data[-2:] == _END_OF_JPEG:
        return None
    return _trailing(extent_of("jpeg", data), data, policy)


def _file(data: Buffer) -> IO[bytes]:
    if isinstance(data, mmap.mmap):
        data.seek(0)
        return cast(IO[bytes], data)  # it reads, seeks and tells, and holds nothing of the file in memory
    return io.BytesIO(data)


def _trailing(extent: Extent, data: Buffer, policy: ImagePolicy) -> str | None:
    """A note where bytes follow the end of the picture. Raises InvalidImage where the policy is strict about it."""
    rest = len(data) - extent.end
    if not rest:
        return None
    note = f"{rest} bytes follow its end"
    if policy.strict_end:
        raise InvalidImage(Reason.CORRUPT, note)
    return note


def _served_as(format_: str, content_type: str | None) -> str | None:
    """A note where the server called the picture something else."""
    said = (content_type or "").partition(";")[0].strip().lower()
    if not said or said == f"image/{format_}":
        return None
    same = {
        f"image/{EXTENSIONS[format_]}",
        f"image/x-{format_}",
        f"image/x-ms-{format_}",
        "image/*",
    }
    if said in same or said in ("application/octet-stream", "binary/octet-stream", "image/pjpeg"):
        return None
    return f"served as {said[:100]}"
