"""What we make of a picture, and what other readers make of it."""

from __future__ import annotations

import io
import struct

import cv2
import numpy as np
from PIL import Image

from asynccrawl.errors import InvalidImage
from asynccrawl.imaging import examine
from asynccrawl.models import Reason
from asynccrawl.settings import ImagePolicy


def verdict(data: bytes) -> str | Reason:
    """`kept`, or the reason for which it is refused, under the settings that nobody has changed."""
    try:
        examine(data, ImagePolicy())
    except InvalidImage as error:
        assert error.detail
        return error.reason
    return "kept"


def opens(data: bytes) -> bool:
    """Whether OpenCV opens it."""
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) is not None
    except cv2.error:
        return False


def loads(data: bytes) -> bool:
    """Whether Pillow opens it."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
    except (OSError, SyntaxError, EOFError, ValueError, IndexError, RuntimeError, struct.error):
        return False
    return True
