"""AVIF: its brand, and AV1 data without damage, which are what its boxes say."""

from __future__ import annotations

from ...errors import InvalidImage
from ...models import Reason
from .. import av1, dav1d
from ..buffer import Buffer
from ..heif import Coded, coded, waits_for_colours
from .broken import BrokenRule

_BRANDS = (b"avif", b"avis", b"mif1", b"msf1")
_RECOGNISED = 500
"""Bytes that OpenCV recognises an AVIF by: it parses them, and that fails where it would have to look further on."""


def check_avif(data: Buffer) -> None:
    """The brand that a file puts first is one by which readers know an AVIF (Pillow goes by no other).

    Raises BrokenRule, and InvalidImage for a good file that OpenCV does not recognise.
    """
    if data[8:12] not in _BRANDS:
        raise BrokenRule("its first brand is none of an AVIF")
    if waits_for_colours(data, _RECOGNISED):
        raise InvalidImage(Reason.UNSUPPORTED_FORMAT, f"OpenCV cannot tell by its first {_RECOGNISED} bytes what it is")


def check_coded(data: Buffer, max_pixels: int) -> None:
    """All pictures of an AVIF, alpha and tiles of a grid included, decode without a flaw; of tracks the first one.

    Does nothing where no strict decoder can be reached. Raises BrokenRule, CutShort, MemoryError.
    """
    if not dav1d.usable():
        return
    pictures = coded(data)
    if not pictures:
        raise BrokenRule("it has no coded picture")
    for picture in pictures:
        if found := av1.flaw(picture.data):
            raise BrokenRule(f"of its AV1 data {found}")
        _check_kind(picture, dav1d.decode(picture.data, max_pixels))


def _check_kind(picture: Coded, kind: dav1d.Kind) -> None:
    """Byte 2 of a configuration has, from the top: tier, more than 8 bits, 12 bits, monochrome (AV1-ISOBMFF)."""
    if len(picture.config) < 3:
        raise BrokenRule("a coded picture has no configuration")
    said = picture.config[2]
    bits = (12 if said & 0x20 else 10) if said & 0x40 else 8
    if (bool(said & 0x10), bits) != kind:
        raise BrokenRule("its configuration is not that of its data")
