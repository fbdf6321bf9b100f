"""Pictures that show their own URL, so that a test can tell whether a file is the one that its record asked for."""

from __future__ import annotations

import math
import zlib
from io import BytesIO
from typing import Any

from PIL import Image

from .behaviour import Answer
from .http_request import HttpRequest
from .server import ImageServer, Route

CELL = 8
"""Pixels a side of the square that shows one bit: the block of JPEG, which then has nothing but its mean to keep."""
MAX_URL_BYTES = 4_096
"""The longest URL that is shown, in bytes of UTF-8."""

_LENGTH_BYTES = 2
_CRC_BYTES = 4
_GREY = 128


def identifying_picture(url: str, format: str = "jpeg", **options: Any) -> bytes:
    """A picture that shows `url` in black and white squares, with a checksum. 100 bytes of URL take 240x240 pixels.

    format: as in `picture`, jpeg by default. options: Pillow's for saving in that format. What it shows outlives
    being encoded again as JPEG, WebP or AVIF of middling quality, but not being scaled or cropped.

    Raises ValueError for a URL of more than 4,096 bytes, and OSError, Pillow's, for an unknown format.
    """
    text = url.encode()
    if len(text) > MAX_URL_BYTES:
        raise ValueError(f"the URL has {len(text)} bytes; {MAX_URL_BYTES} can be shown")
    message = len(text).to_bytes(_LENGTH_BYTES, "big") + text
    message += zlib.crc32(message).to_bytes(_CRC_BYTES, "big")
    side = math.ceil(math.sqrt(len(message) * 8))
    bits = "".join(f"{byte:08b}" for byte in message).ljust(side * side, "0")
    cells = Image.frombytes("L", (side, side), bytes(255 * (bit == "1") for bit in bits))
    file = BytesIO()
    cells.resize((side * CELL, side * CELL), Image.Resampling.NEAREST).save(file, format, **options)
    return file.getvalue()


def identified(data: bytes) -> str:
    """The URL that a picture of `identifying_picture` shows, in whatever format it is now.

    Raises ValueError when it shows none, or not all of one, and OSError, Pillow's, when it is no picture.
    """
    with Image.open(BytesIO(data)) as image:
        width, height = image.width // CELL, image.height // CELL
        if image.width != image.height or image.width % CELL or not width:
            raise ValueError(f"a picture of {image.width}x{image.height} shows no URL")
        cells = image.convert("L").resize((width, height), Image.Resampling.BOX).tobytes()
    shown = "".join("1" if cell >= _GREY else "0" for cell in cells)
    message = bytes(int(shown[at : at + 8], 2) for at in range(0, len(shown) - 7, 8))
    end = _LENGTH_BYTES + int.from_bytes(message[:_LENGTH_BYTES], "big")
    checksum = message[end : end + _CRC_BYTES]
    if len(checksum) < _CRC_BYTES or zlib.crc32(message[:end]) != int.from_bytes(checksum, "big"):
        raise ValueError("the picture shows no URL, or one that is damaged")
    return message[_LENGTH_BYTES:end].decode()


def identifying(server: ImageServer, format: str = "jpeg") -> Route:
    """A route for `server.route` that gives every path the picture of its own URL.

    The URL is made of the Host header's name, the server's port, and the request target as it came: what a client
    that changes a URL before it asks will find in the picture is the URL it asked for.
    """

    def route(request: HttpRequest) -> Answer:
        """The picture that shows the URL that was asked for."""
        url = server.url(request.path, request.host)
        return Answer(identifying_picture(url, format), content_type=f"image/{format}")

    return route
