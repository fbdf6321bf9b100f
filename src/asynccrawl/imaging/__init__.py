"""Bytes -> facts, or InvalidImage: what a body is, whether all of it is there, and whether it decodes.

And bytes -> bytes: pictures of one size in one encoding for exports, of one format for `--convert`.
"""

from .conversion import Conversion, Converted, Encoding, convert
from .examine import check, examine, prepare
from .facts import EXTENSIONS, Facts
from .mean import MeanPicture
from .perceptual import looks, need_hashes
from .resizing import RESIZE_MODES, ResizeMode

__all__ = [
    "EXTENSIONS",
    "RESIZE_MODES",
    "Conversion",
    "Converted",
    "Encoding",
    "Facts",
    "MeanPicture",
    "ResizeMode",
    "check",
    "convert",
    "examine",
    "looks",
    "need_hashes",
    "prepare",
]
