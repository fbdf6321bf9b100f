"""Bytes -> facts, or InvalidImage. Pure: no state is kept or changed, so it runs in threads and in processes alike."""

from __future__ import annotations

import functools
import hashlib
import io
import mmap
from collections.abc import Callable, Container
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from ..errors import InvalidImage
from ..models import Reason
from ..settings import FORMATS, ImagePolicy
from .buffer import Buffer, opened
from .ends import CutShort, end_of
from .facts import EXTENSIONS, Facts
from .rules import check_rules
from .sniff import HEAD_BYTES, PICTURES, sniff

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

Opened = tuple[int | None, int | None, str | None]


def examine(body: bytes | Path, policy: ImagePolicy, content_type: str | None = None) -> Facts:
    """Look at a body as far as `policy` asks. `content_type` is what the server called it.

    Raises InvalidImage with its reason (empty, not_an_image, unsupported_format, too_many_pixels, corrupt),
    MemoryError, and OSError when a spooled body cannot be read.
    """
    with opened(body) as data:
        if not len(data):
            raise InvalidImage(Reason.EMPTY, "the body is empty")
        format_ = _recognised(data[:HEAD_BYTES], policy, content_type)
        width, height, mode = _looked_at(format_, data, policy)
        notes = [_served_as(format_, content_type), _trailing(format_, data, policy)]
        return Facts(
            format_,
            EXTENSIONS[format_],
            width,
            height,
            mode,
            len(data),
            hashlib.sha256(data).hexdigest(),
            "; ".join(filter(None, notes)) or None,
        )


def _recognised(head: bytes, policy: ImagePolicy, content_type: str | None) -> str:
    name = sniff(head)
    if name in policy.formats:
        return str(name)
    said = f", Content-Type {content_type[:100]}" if content_type else ""
    if name in PICTURES:
        known = "is not among the formats kept" if name in FORMATS else "is not a format that is decoded"
        raise InvalidImage(Reason.UNSUPPORTED_FORMAT, f"{name} {known}{said}")
    raise InvalidImage(Reason.NOT_AN_IMAGE, f"its first bytes are {name or 'no known format'}{said}")


def prepare(threads: int | None = None) -> None:
    """Load what decodes, before descriptors may run short: a plugin that cannot be loaded makes a picture corrupt.

    threads: most that one decode may start, in this process from now on; None for as many as there are cores.
    """
    from PIL import AvifImagePlugin

    _factories()
    if threads is not None:
        AvifImagePlugin.DEFAULT_MAX_THREADS = threads


def open_picture(data: Buffer, formats: Container[str]) -> ImageFile:
    """The picture, opened and not decoded. Raises InvalidImage for none of `formats`, and what Pillow raises."""
    name = sniff(data[:HEAD_BYTES])
    if name is None or name not in formats:
        raise InvalidImage(Reason.NOT_AN_IMAGE, f"its first bytes are {name or 'no known format'}")
    return _factories()[name](_file(data))


def _looked_at(format_: str, data: Buffer, policy: ImagePolicy) -> Opened:
    """Width, height and mode, after as much decoding as the policy wants."""
    if policy.decode == "none":
        return None, None, None
    try:
        return _decoded(format_, data, policy)
    except (InvalidImage, MemoryError):
        raise
    except Exception as error:
        # Decoders raise nearly anything on damaged files: OSError, ValueError, SyntaxError, struct.error ...
        raise InvalidImage(Reason.CORRUPT, f"{type(error).__name__}: {str(error)[:200]}") from error


def _decoded(format_: str, data: Buffer, policy: ImagePolicy) -> Opened:
    with _factories()[format_](_file(data)) as image:
        width, height, mode = image.width, image.height, image.mode
        if width * height > policy.max_pixels:
            text = f"{width} x {height} is more than {policy.max_pixels} pixels"
            raise InvalidImage(Reason.TOO_MANY_PIXELS, text)
        if policy.decode == "full":
            if format_ == "jpeg":
                # A scaled decode reads the whole entropy-coded stream and skips most of the inverse transform.
                image.draft("L", (1, 1))
            image.load()
        if not (format_ == "jpeg" and policy.decode == "full" and data[-2:] == b"\xff\xd9"):
            # (With the marker at its end a JPEG that decodes is whole: no scan can hold that marker.)
            end_of(format_, data)
        check_rules(format_, data, pixels=policy.decode == "full")
        return width, height, mode


def _file(data: Buffer) -> IO[bytes]:
    if isinstance(data, mmap.mmap):
        data.seek(0)
        return cast(IO[bytes], data)  # it reads, seeks and tells, and holds nothing of the file in memory
    return io.BytesIO(data)


@functools.cache
def _factories() -> dict[str, Callable[[IO[bytes]], ImageFile]]:
    """Each format's own opener.

    Image.open would try every plugin that is loaded and judge size by a limit of the whole process, with a warning
    that becomes an exception where warnings are errors; ours is the policy's, and only the format seen is opened. A
    JPEG is opened as one also where it is an MPO: its first picture is an ordinary JPEG.
    """
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


def _served_as(format_: str, content_type: str | None) -> str | None:
    """A note where the server called the picture something else."""
    said = (content_type or "").partition(";")[0].strip().lower()
    same = {
        f"image/{format_}",
        f"image/{EXTENSIONS[format_]}",
        f"image/x-{format_}",
        f"image/x-ms-{format_}",
        "image/*",
    }
    if not said or said in same or said in ("application/octet-stream", "binary/octet-stream", "image/pjpeg"):
        return None
    return f"served as {said[:100]}"


def _trailing(format_: str, data: Buffer, policy: ImagePolicy) -> str | None:
    """A note where bytes follow the end of the picture."""
    if policy.decode == "none" or (format_ == "jpeg" and data[-2:] == b"\xff\xd9"):
        return None
    try:
        rest = len(data) - end_of(format_, data)
    except CutShort:
        return None
    return f"{rest} bytes follow its end" if rest else None
