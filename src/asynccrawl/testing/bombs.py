"""Small files that promise, or unpack to, far more than they are: what a decoder's bounds are for."""

from __future__ import annotations

import functools
import io
import struct
import zlib
from collections.abc import Callable, Mapping

from PIL import Image

from .encodings import encoded
from .mutation import parts, with_sums

_MIB = 2**20


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png_with(*chunks: bytes) -> bytes:
    pieces = parts(encoded("png"), "png")
    return b"".join([*pieces[:2], *chunks, *pieces[2:]])


@functools.cache
def _zeros(size: int) -> bytes:
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(_MIB)) for _ in range(size // _MIB)) + packer.flush()


def _png_sized(width: int, height: int, depth: int = 8, kind: int = 2) -> bytes:
    """A PNG that claims a size, with image data that begins well and stops soon."""
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + _chunk(b"IDAT", _zeros(4 * _MIB)) + _chunk(b"IEND", b"")


def _png_of(side: int, mode: str) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (side, side)).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _gif_sized(screen: int, frame: int) -> bytes:
    frames = struct.pack("<BHHHHB", 0x2C, 0, 0, frame, frame, 0) + b"\x02\x02\x44\x01\0"
    return b"GIF89a" + struct.pack("<HHBBB", screen, screen, 0x80, 0, 0) + bytes(6) + frames + b";"


def _tiff_of(*entries: tuple[int, int, int, int], following: int = 0) -> bytes:
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + struct.pack("<I", following) + bytes(64)


def _tiff_sized(side: int, *more: tuple[int, int, int, int], following: int = 0) -> bytes:
    usual = [(256, 4, 1, side), (257, 4, 1, side), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8)]
    return _tiff_of(*sorted([*usual, (277, 3, 1, 1), (278, 4, 1, side), (279, 4, 1, 16), *more]), following=following)


def _bmp_sized(width: int, height: int, bits: int = 24) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<III", 54 + 64, 0, 54) + head + bytes(64)


def _webp_sized(side: int) -> bytes:
    pieces = parts(encoded("webp alpha"), "webp")
    canvas = b"VP8X" + struct.pack("<IB", 10, 0x10) + bytes(3) + (side - 1).to_bytes(3, "little") * 2
    body = b"WEBP" + canvas + b"".join(piece for piece in pieces[1:] if piece[:4] != b"VP8X")
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _avif_sized(side: int) -> bytes:
    data = bytearray(encoded("avif"))
    at = data.index(b"ispe") + 8
    data[at : at + 8] = struct.pack(">II", side, side)
    return bytes(data)


def _jpeg_sized(side: int, kind: str = "jpeg") -> bytes:
    data = bytearray(encoded(kind))
    at = next(at for at in (data.find(b"\xff\xc0"), data.find(b"\xff\xc2")) if at > 0)
    data[at + 5 : at + 9] = struct.pack(">HH", side, side)
    return bytes(data)


def _jpeg_of_scans(count: int, side: int) -> bytes:
    """A progressive JPEG of many scans: each goes over all blocks again (the Independent JPEG Group's warning)."""
    file = io.BytesIO()
    Image.new("L", (side, side)).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    at = data.index(b"\xff\xda")
    end = data.index(b"\xff\xc4", at)  # the tables of the second scan
    return data[:end] + data[at:end] * count + data[end:]


def _gif_of_blocks(count: int) -> bytes:
    data = encoded("gif")
    return data[:-1] + b"\x21\xfe\x01 \0" * count + b";"


BOMBS: Mapping[str, Callable[[], bytes]] = {
    "png, a profile of 256 MiB": lambda: _png_with(_chunk(b"iCCP", b"p\0\0" + _zeros(256 * _MIB))),
    "png, a text of 256 MiB": lambda: _png_with(_chunk(b"zTXt", b"t\0\0" + _zeros(256 * _MIB))),
    "png, 100 texts of 64 MiB": lambda: _png_with(*[_chunk(b"iTXt", b"t\0\1\0\0\0" + _zeros(64 * _MIB))] * 100),
    "png, 300,000 chunks": lambda: _png_with(_chunk(b"prVt", b"") * 300_000),
    "png, 2^31 x 2^31": lambda: _png_sized(2**31 - 1, 2**31 - 1),
    "png, 7,000 x 7,000 of 64 bits, most of it missing": lambda: _png_sized(7_000, 7_000, 16, 6),
    "png, 7,000 x 7,000": lambda: _png_of(7_000, "RGB"),
    "png, a line of 50 million": lambda: _png_sized(50_000_000, 1),
    "png, its own text": lambda: with_sums(_png_with(_chunk(b"eXIf", b"II*\0\x08\0\0\0\x01\0" + b"\xff" * 80))),
    "gif, a screen of 65,535 x 65,535": lambda: _gif_sized(65_535, 1),
    "gif, a frame of 65,535 x 65,535": lambda: _gif_sized(1, 65_535),
    "gif, 500,000 comments": lambda: _gif_of_blocks(500_000),
    "tiff, a directory that follows itself": lambda: _tiff_sized(8, following=8),
    "tiff, 2^32 - 1 of everything": lambda: _tiff_of(*[(tag, 4, 2**32 - 1, 8) for tag in range(256, 340)]),
    "tiff, 65,000 x 65,000": lambda: _tiff_sized(65_000),
    "tiff, 7,000 x 7,000 samples that are missing": lambda: _tiff_sized(7_000, (325, 4, 2**31, 8)),
    "tiff, 60,000 samples a pixel": lambda: _tiff_sized(8, (277, 3, 1, 60_000)),
    "tiff, a directory of EXIF inside of itself": lambda: _tiff_sized(8, (34665, 4, 1, 8), (34853, 4, 1, 8)),
    "bmp, 2^31 x 2^31": lambda: _bmp_sized(2**31 - 1, 2**31 - 1),
    "bmp, -2^31 high": lambda: _bmp_sized(1, -(2**31)),
    "bmp, 7,000 x 7,000 that are missing": lambda: _bmp_sized(7_000, 7_000, 32),
    "webp, a canvas of 2^24 x 2^24": lambda: _webp_sized(2**24),
    "webp, a canvas of 7,000 x 7,000": lambda: _webp_sized(7_000),
    "avif, 2^31 x 2^31": lambda: _avif_sized(2**31),
    "avif, 7,000 x 7,000 that are missing": lambda: _avif_sized(7_000),
    "jpeg, 65,500 x 65,500": lambda: _jpeg_sized(65_500),
    "jpeg, 7,000 x 7,000 that are missing": lambda: _jpeg_sized(7_000),
    "jpeg, progressive, 7,000 x 7,000 that are missing": lambda: _jpeg_sized(7_000, "jpeg progressive"),
    "jpeg, 500 scans": lambda: _jpeg_of_scans(500, 4_000),
}
"""Name -> what makes the file; the first word is its format."""
