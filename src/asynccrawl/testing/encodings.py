"""One picture in every encoding that is worth keeping, the unusual ones included: what validation is tested on."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Callable, Mapping
from typing import Any

from PIL import Image, ImageCms

from . import handmade
from .pictures import drawn

Size = tuple[int, int]
_Maker = Callable[[Size, int], bytes]

ORIENTATION = 274
"""The tag of the orientation in EXIF and TIFF."""


def encoded(name: str, size: Size = (45, 35), seed: int = 0) -> bytes:
    """A picture in the encoding `name`, one of ENCODINGS; its first word is the format.

    The four that only another encoder can make ("jpeg arithmetic" and the like) have a size of their own, 40 x 24,
    and are the same for every seed. Raises KeyError for an unknown name.
    """
    return ENCODINGS[name](size, seed)


def format_of(name: str) -> str:
    """The format of an encoding, in the words of the settings."""
    return name.split()[0]


def _image(size: Size, seed: int, mode: str = "RGB") -> Image.Image:
    return drawn(size, random.Random(f"encodings/{seed}"), mode)


def _with(format_: str, mode: str = "RGB", **options: Any) -> _Maker:
    def _make(size: Size, seed: int) -> bytes:
        file = io.BytesIO()
        image = _image(size, seed, mode)
        image.save(file, format_, **options)
        return file.getvalue()

    return _make


def _frames(format_: str, count: int = 3, mode: str = "RGB", **options: Any) -> _Maker:
    def _make(size: Size, seed: int) -> bytes:
        file = io.BytesIO()
        first, *others = (_image(size, seed + 1000 * n, mode) for n in range(count))
        first.save(file, format_, save_all=True, append_images=others, **options)
        return file.getvalue()

    return _make


def _exif(orientation: int, thumbnail: bytes = b"") -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[0x010F] = "asynccrawl"
    return exif.tobytes() + thumbnail


def _srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _thumbnailed(size: Size, seed: int) -> bytes:
    # The thumbnail is a whole JPEG inside of a segment: its end marker is not the picture's.
    thumbnail = _with("JPEG")((16, 12), seed)
    return _with("JPEG", exif=_exif(1, thumbnail))(size, seed)


def _jpeg_with(segment: bytes) -> _Maker:
    def _make(size: Size, seed: int) -> bytes:
        jpeg = _with("JPEG")(size, seed)
        return jpeg[:2] + segment + jpeg[2:]

    return _make


def segment(marker: int, data: bytes) -> bytes:
    """A segment of a JPEG with its length."""
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _oriented(orientation: int) -> _Maker:
    return _with("JPEG", exif=_exif(orientation))


def _made(make: Callable[[Image.Image], bytes], mode: str = "RGB") -> _Maker:
    return lambda size, seed: make(_image(size, seed, mode))


def _png(bits: int, interlaced: bool, mode: str = "RGB") -> _Maker:
    return _made(lambda image: handmade.png(handmade.pixels_of(image), bits, interlaced), mode)


def _bmp(bits: int, kind: str = "", top_down: bool = False) -> _Maker:
    return _made(lambda image: handmade.bmp(image, bits, kind=kind, top_down=top_down))


def _big_endian_tiff(size: Size, seed: int) -> bytes:
    image = _image(size, seed, "L")
    rows = [*range(8, 8 + size[0] * size[1], size[0] * 8)]
    counts = [min(size[0] * 8, 8 + size[0] * size[1] - at) for at in rows]
    tags = [(256, 3, [size[0]]), (257, 3, [size[1]]), (258, 3, [8]), (259, 3, [1]), (262, 3, [1]), (273, 4, rows),
            (277, 3, [1]), (278, 3, [8]), (279, 4, counts)]  # fmt: skip
    return handmade.tiff(image.tobytes(), tags, ">")


def _rare(name: str) -> _Maker:
    return lambda size, seed: handmade.rare_jpeg(name)


def _jpegs() -> dict[str, _Maker]:
    return {
        "jpeg": _with("JPEG"),
        "jpeg 4:4:4": _with("JPEG", subsampling="4:4:4", quality=90),
        "jpeg 4:2:2": _with("JPEG", subsampling="4:2:2"),
        "jpeg optimised": _with("JPEG", optimize=True),
        "jpeg grey": _with("JPEG", "L"),
        "jpeg cmyk": _with("JPEG", "CMYK"),
        "jpeg progressive": _with("JPEG", progressive=True),
        "jpeg progressive grey": _with("JPEG", "L", progressive=True),
        "jpeg progressive cmyk": _with("JPEG", "CMYK", progressive=True),
        "jpeg progressive restarts": _with("JPEG", progressive=True, restart_marker_blocks=3),
        "jpeg restarts in rows": _with("JPEG", restart_marker_rows=1),
        "jpeg restarts in blocks": _with("JPEG", restart_marker_blocks=2),
        "jpeg restarts grey": _with("JPEG", "L", restart_marker_blocks=5),
        "jpeg rgb": _with("JPEG", keep_rgb=True),
        "jpeg icc": _with("JPEG", icc_profile=_srgb()),
        "jpeg jfif and exif": _with("JPEG", exif=_exif(1), dpi=(300, 300), comment=b"a comment"),
        "jpeg thumbnail": _thumbnailed,
        "jpeg adobe": _jpeg_with(segment(0xEE, b"Adobe\0\x64\0\0\0\0\1")),
        "jpeg end marker in a comment": _jpeg_with(segment(0xFE, b"\xff\xd9\xff\xd9 \xff\xda\0\0")),
        "jpeg fill bytes": _jpeg_with(b"\xff\xff\xff" + segment(0xFE, b"fill")),
        **{f"jpeg orientation {n}": _oriented(n) for n in range(1, 9)},
        "jpeg mpo": _frames("MPO", 2),
        **{f"jpeg {name}": _rare(name) for name in handmade.JPEGS},
    }


def _pngs() -> dict[str, _Maker]:
    return {
        "png": _with("PNG"),
        "png alpha": _with("PNG", "RGBA"),
        "png grey": _with("PNG", "L"),
        "png grey and alpha": _with("PNG", "LA"),
        "png palette": _with("PNG", "P"),
        "png palette of 16": lambda size, seed: _saved(_image(size, seed).quantize(16), "PNG", bits=4),
        "png 1 bit": _with("PNG", "1"),
        "png 16 bit grey": _with("PNG", "I;16"),
        "png 16 bit": _png(16, interlaced=False),
        "png interlaced": _png(8, interlaced=True),
        "png interlaced 16 bit": _png(16, interlaced=True),
        "png interlaced grey and alpha": _png(8, interlaced=True, mode="LA"),
        "png transparent colour": _with("PNG", transparency=(1, 2, 3)),
        "png icc": _with("PNG", icc_profile=_srgb()),
        "png orientation": _with("PNG", exif=_exif(6)),
        "png animated": _frames("PNG"),
    }


def _saved(image: Image.Image, format_: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def _others() -> dict[str, _Maker]:
    return {
        "gif": _with("GIF", "P"),
        "gif grey": _with("GIF", "L", interlace=0),
        "gif animated": _frames("GIF"),
        "gif animated transparent": _frames("GIF", mode="RGBA", disposal=2, loop=0),
        "gif comment": _with("GIF", "P", comment=b"; \0 ;" * 60),
        "webp": _with("WEBP"),
        "webp alpha": _with("WEBP", "RGBA"),
        "webp lossless": _with("WEBP", lossless=True),
        "webp lossless alpha": _with("WEBP", "RGBA", lossless=True),
        "webp icc and exif": _with("WEBP", icc_profile=_srgb(), exif=_exif(3)),
        "webp animated": _frames("WEBP"),
        "webp animated lossless": _frames("WEBP", mode="RGBA", lossless=True),
        **{f"bmp {bits} bit": _bmp(bits) for bits in (1, 4, 8, 16, 24, 32)},
        "bmp fields": _bmp(16, "fields"),
        "bmp rle": _bmp(8, "rle"),
        "bmp rle 4 bit": _bmp(4, "rle"),
        "bmp os2": _bmp(24, "os2"),
        "bmp os2 palette": _bmp(8, "os2"),
        "bmp top down": _bmp(24, top_down=True),
        "avif": _with("AVIF"),
        "avif alpha": _with("AVIF", "RGBA"),
        "avif 4:4:4": _with("AVIF", subsampling="4:4:4", quality=90),
        "avif orientation": _with("AVIF", exif=_exif(6)),
        "avif animated": _frames("AVIF"),
    }


def _tiffs() -> dict[str, _Maker]:
    return {
        "tiff": _with("TIFF"),
        "tiff strips": _with("TIFF", compression="raw", tiffinfo={278: 4}),
        "tiff big endian strips": _big_endian_tiff,
        "tiff tiles": _made(handmade.tiled_tiff),
        "tiff lzw": _with("TIFF", compression="tiff_lzw", tiffinfo={278: 8}),
        "tiff deflate": _with("TIFF", compression="tiff_adobe_deflate"),
        "tiff packbits": _with("TIFF", compression="packbits"),
        "tiff jpeg": _with("TIFF", compression="jpeg"),
        "tiff fax": _with("TIFF", "1", compression="group4"),
        "tiff 1 bit": _with("TIFF", "1"),
        "tiff palette": _with("TIFF", "P"),
        "tiff cmyk": _with("TIFF", "CMYK"),
        "tiff 16 bit": _with("TIFF", "I;16"),
        "tiff float": _with("TIFF", "F"),
        "tiff orientation": _with("TIFF", tiffinfo={ORIENTATION: 8}),
        "tiff pages": _frames("TIFF"),
        "tiff big": _with("TIFF", big_tiff=True),
        "tiff big pages": _frames("TIFF", big_tiff=True, compression="tiff_lzw"),
    }


ENCODINGS: Mapping[str, _Maker] = {**_jpegs(), **_pngs(), **_others(), **_tiffs()}
"""Name -> what makes a picture of a size and a seed."""
