"""Encodings that Pillow reads and does not write: interlaced and deep PNG, most kinds of BMP, tiled TIFF, rare JPEG."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence

from PIL import Image

Pixels = list[list[tuple[int, ...]]]
"""Rows of pixels, each a tuple of its samples."""

_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Each pass: first column, first row, step of columns, step of rows (PNG, third edition, 8.2)."""
_PNG_COLOUR = {1: 0, 2: 4, 3: 2, 4: 6}

JPEGS = {
    "arithmetic": """
        /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNS
        Mj5aYVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09P
        T0//yQARCAAYACgDASIAAhEBAxEB/8wACgAQEAUBEBEF/9oADAMBAAIRAxEAPwD4b1Kq2/ihVYi+ubR33b3GBVG1vLg+1oJXUnCYvgAK
        7Yg8tvwsV2arrUaisCcxV04Eda+ITR28TDkPft+pltZ/tl0v/NGl3l2QYo+cpoY7jU0Wtv/Z""",
    "arithmetic progressive": """
        /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNS
        Mj5aYVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09P
        T0//ygARCAAYACgDASIAAhEBAxEB/8wABgAQARD/2gAMAwEAAhADEAAAAfR3uHkEBguwDkQ4D3MFbqTHt5e2wKp8tOVA/8wABBAF/9oA
        CAEBAAEFAixDLpjGul2A/8wABBEF/9oACAEDAQE/Ae/rKND/zAAEEQX/2gAIAQIBAT8BHkMzikaA/8wABBAF/9oACAEBAAY/ArD/zAAE
        EAX/2gAIAQEAAT8h6ai0k62Q/9oADAMBAAIAAwAAABCYVXv9IP/MAAQRBf/aAAgBAwEBPxCDO3MxTc3A/8wABBEF/9oACAECAQE/EN8w
        egVB/8wABBAF/9oACAEBAAE/EF9C5wUFlzDENJBA3xm18P/Z""",
    "separate scans": """
        /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNS
        Mj5aYVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09P
        T0//wAARCAAYACgDASIAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQID
        AAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlq
        c3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3
        +Pn6/9oACAEBAAA/AI5uBVGYnFUpaqSc0xQT1rrJVzVOVDVSSE1AYOelN8muqeOq0kVQNDULQ0zyK//EAB8BAAMBAQEBAQEBAQEAAAAA
        AAABAgMEBQYHCAkKC//EALURAAIBAgQEAwQHBQQEAAECdwABAgMRBAUhMQYSQVEHYXETIjKBCBRCkaGxwQkjM1LwFWJy0QoWJDThJfEX
        GBkaJicoKSo1Njc4OTpDREVGR0hJSlNUVVZXWFlaY2RlZmdoaWpzdHV2d3h5eoKDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2
        t7i5usLDxMXGx8jJytLT1NXW19jZ2uLj5OXm5+jp6vLz9PX29/j5+v/aAAgBAhEAPwDz6Vd3PYoVT0Y1dD5Omlc9GiejHY//2gAIAQMR
        AD8Ad0TKaRyyqK5TbMJyZySk7n//2Q==""",
    "odd scans": """
        /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNS
        Mj5aYVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09P
        T0//wgARCAAYACgDASIAAhEBAxEB/8QAGAABAAMBAAAAAAAAAAAAAAAAAgABBAP/2gAIAQEAAAACrmBWsE1rJM//xAAWAQADAAAAAAAA
        AAAAAAAAAAAAAQL/2gAIAQMQAAACFIo//8QAFQEBAQAAAAAAAAAAAAAAAAAAAwT/2gAIAQIQAAACNkkRP//EABgRAAMBAQAAAAAAAAAA
        AAAAAAABAhED/9oACAEDAQE/ANRVpFdFo2y6ZVPT/8QAFxABAQEBAAAAAAAAAAAAAAAAAAEREP/aAAgBAQABBQKqq8qrGMYsYxj/2gAM
        AwEAAgADAAAAIXEfAXgv/8QAFBABAAAAAAAAAAAAAAAAAAAAMP/aAAgBAQAGPwF//8QAFxABAQEBAAAAAAAAAAAAAAAAAQAQIP/aAAgB
        AQABBSHjCEOHcDXP/8QAGhEAAgMBAQAAAAAAAAAAAAAAAAMBAhEhMf/aAAgBAgEBPwBT50Q0q3guI0SV8P/aAAwDAQACAAMAAAAQNl/j
        8D//xAAaEAACAwEBAAAAAAAAAAAAAAAAAREhMRAg/9oACAEBAAE/EKIZxzYRvSYeMHfPaQ//2Q==""",
}


def pixels_of(image: Image.Image) -> Pixels:
    """The rows of an image."""
    width, bands = image.width, len(image.getbands())
    flat = image.tobytes()
    samples = [tuple(flat[at : at + bands]) for at in range(0, len(flat), bands)]
    return [samples[at : at + width] for at in range(0, len(samples), width)]


def png(pixels: Pixels, bits: int = 8, interlaced: bool = False) -> bytes:
    """A PNG of `bits` a sample (8 or 16), of one sample (grey) to four (RGB and alpha)."""
    height, width = len(pixels), len(pixels[0])
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    raw = bytearray()
    for column, row, columns, rows in passes:
        for line in pixels[row::rows]:
            if part := line[column::columns]:
                raw += b"\0" + b"".join(_sample(value, bits) for pixel in part for value in pixel)
    header = struct.pack(">IIBBBBB", width, height, bits, _PNG_COLOUR[len(pixels[0][0])], 0, 0, interlaced)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(raw))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, data) for kind, data in chunks)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _sample(value: int, bits: int) -> bytes:
    # The low byte of a deep sample differs from its high byte, so that nothing can mistake it for a shallow one.
    return bytes([value]) if bits == 8 else bytes([value, value ^ 0x5A])


def bmp(image: Image.Image, bits: int, *, kind: str = "", top_down: bool = False) -> bytes:
    """A BMP of 1, 4, 8, 16, 24 or 32 bits a pixel. kind: "", "rle" (4 and 8 bits), "os2" or "fields" (16 bits)."""
    width, height = image.size
    palette, rows = _indexed(image, bits) if bits <= 8 else (b"", _direct(image, bits, kind))
    rows = rows if top_down else rows[::-1]
    if kind == "rle":
        body = b"".join(_rle(row, bits) for row in rows) + b"\0\1"
    else:
        body = b"".join(_packed(row, bits) for row in rows)
    if kind == "os2":
        palette = b"".join(palette[at : at + 3] for at in range(0, len(palette), 4))
        header = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        compression = {"": 0, "rle": 1 if bits == 8 else 2, "fields": 3}[kind]
        high = -height if top_down else height
        used = len(palette) // 4
        header = struct.pack("<IiiHHIIiiII", 40, width, high, 1, bits, compression, len(body), 0, 0, used, used)
        header += struct.pack("<III", 0xF800, 0x07E0, 0x001F) if kind == "fields" else b""
    offset = 14 + len(header) + len(palette)
    return struct.pack("<2sIHHI", b"BM", offset + len(body), 0, 0, offset) + header + palette + body


def _indexed(image: Image.Image, bits: int) -> tuple[bytes, list[list[int]]]:
    reduced = image.convert("RGB").quantize(1 << bits)
    colours = (reduced.getpalette() or []) + [0] * (3 << bits)
    palette = b"".join(bytes([*colours[at : at + 3][::-1], 0]) for at in range(0, 3 << bits, 3))
    flat = reduced.tobytes()
    return palette, [list(flat[at : at + image.width]) for at in range(0, len(flat), image.width)]


def _direct(image: Image.Image, bits: int, kind: str) -> list[list[int]]:
    def _of(r: int, g: int, b: int) -> int:
        if bits > 16:
            return r << 16 | g << 8 | b
        # Sixteen bits hold 5 of each colour, unless the header says where each is: then green has 6.
        return (r >> 3) << 11 | (g >> 2) << 5 | b >> 3 if kind == "fields" else (r >> 3) << 10 | (g >> 3) << 5 | b >> 3

    return [[_of(*pixel[:3]) for pixel in row] for row in pixels_of(image.convert("RGB"))]


def _packed(row: Sequence[int], bits: int) -> bytes:
    if bits >= 8:
        data = b"".join(value.to_bytes(bits // 8, "little") for value in row)
    else:
        text = "".join(f"{value:0{bits}b}" for value in row)
        data = bytes(int(text[at : at + 8].ljust(8, "0"), 2) for at in range(0, len(text), 8))
    return data + bytes(-len(data) % 4)


def _rle(row: Sequence[int], bits: int) -> bytes:
    pairs = (bytes([1, value if bits == 8 else value << 4]) for value in row)
    return b"".join(pairs) + b"\0\0"


def tiled_tiff(image: Image.Image, side: int = 32) -> bytes:
    """An RGB TIFF in tiles of `side` x `side` pixels (a multiple of 16), uncompressed."""
    across, down = -(-image.width // side), -(-image.height // side)
    tiles = [
        image.convert("RGB").crop((x * side, y * side, (x + 1) * side, (y + 1) * side)).tobytes()
        for y in range(down) for x in range(across)
    ]  # fmt: skip
    data, length = b"".join(tiles), len(tiles[0])
    offsets = [8 + n * length for n in range(len(tiles))]
    return tiff(data, [
        (256, 3, [image.width]), (257, 3, [image.height]), (258, 3, [8, 8, 8]), (259, 3, [1]), (262, 3, [2]),
        (277, 3, [3]), (322, 3, [side]), (323, 3, [side]), (324, 4, offsets), (325, 4, [length] * len(tiles)),
    ])  # fmt: skip


def tiff(data: bytes, entries: Sequence[tuple[int, int, Sequence[int]]], order: str = "<") -> bytes:
    """A TIFF with `data` from byte 8 on and one directory: (tag, type 3 or 4, values), in the byte order given."""
    at = 8 + len(data) + 2 + 12 * len(entries) + 4
    directory, behind = struct.pack(f"{order}H", len(entries)), b""
    for tag, kind, values in entries:
        packed = struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'I'}", *values)
        directory += struct.pack(f"{order}HHI", tag, kind, len(values))
        if len(packed) <= 4:
            directory += packed.ljust(4, b"\0")
        else:
            directory += struct.pack(f"{order}I", at + len(behind))
            behind += packed + bytes(len(packed) % 2)
    magic = b"II*\0" if order == "<" else b"MM\0*"
    return magic + struct.pack(f"{order}I", 8 + len(data)) + data + directory + bytes(4) + behind


def rare_jpeg(name: str) -> bytes:
    """A picture of 40 x 24 pixels made by libjpeg-turbo's cjpeg: "arithmetic", "odd scans" ... (the names of JPEGS)."""
    return base64.b64decode(JPEGS[name])
