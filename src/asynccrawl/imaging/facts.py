"""What is known of a picture once it has been looked at."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..models import Served

EXTENSIONS = {
    "jpeg": "jpg", "png": "png", "gif": "gif", "webp": "webp", "bmp": "bmp", "tiff": "tiff", "avif": "avif",
}  # fmt: skip
"""The file extension of each format."""


@dataclass(frozen=True, slots=True)
class Facts:
    """`width`, `height` (pixels) and `mode` (Pillow's) are of the file, None where it was not opened.

    `bytes` and `sha256` (hex) are of the body. Of a converted picture all of these are of what was made of it, which is
    `data`; `served` is what came. `detail` notes what is odd about a good picture. `meta` has `frames`,
    `orientation` (1 to 8 as in EXIF; 1: upright, also where nothing is said), `icc` (whether there is a colour profile)
    and, on request, `exif`; None where the file was not opened.
    """

    format: str
    extension: str
    width: int | None
    height: int | None
    mode: str | None
    bytes: int
    sha256: str
    detail: str | None = None
    meta: Mapping[str, Any] | None = None
    data: builtins.bytes | None = None
    served: Served | None = None

    @property
    def served_sha256(self) -> str:
        """The SHA-256 of what the server sent."""
        return self.served.sha256 if self.served else self.sha256
