"""WebP: what its first chunk says of alpha is so."""

from __future__ import annotations

from ..buffer import Buffer
from .broken import BrokenRule

_ALPHA = 0x10
"""The bit of VP8X by which a picture has alpha (RFC 9649, 2.7.1)."""


def check_webp(data: Buffer) -> None:
    """A chunk with alpha is announced: Pillow does not look into one that is not, and others do."""
    if data[12:16] != b"VP8X" or data[20] & _ALPHA:
        return
    at = 12
    while at + 8 <= len(data):
        if data[at : at + 4] == b"ALPH":
            raise BrokenRule("it has alpha, and says that it has none")
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + size + size % 2
