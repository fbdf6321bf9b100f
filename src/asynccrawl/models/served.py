"""What a server sent, where something else of it is stored: a picture that was converted."""

from __future__ import annotations

import builtins
import re
from typing import Any, NamedTuple

NOTE_WITHIN = 4_096
"""Bytes from the start of a converted file within which its note stands."""
_NOTED = re.compile(rb"asynccrawl: made of a ([a-z]{3,5}) whose SHA-256 is ([0-9a-f]{64})")


class Served(NamedTuple):
    """The body that a converted picture was made of. `bytes` and `sha1` are None where only the file's note tells."""

    format: str
    sha256: str
    bytes: int | None = None
    sha1: str | None = None

    @property
    def note(self) -> str:
        """What the converted file says of its origin. So two bodies never give the same file; and what a crawl that was
        killed has stored, and not recorded, can be told from what was served like that.
        """
        return f"asynccrawl: made of a {self.format} whose SHA-256 is {self.sha256}"

    @classmethod
    def noted_in(cls, data: builtins.bytes | None) -> Served | None:
        """What the file that begins with `data` says of its origin; None for one that does not."""
        found = _NOTED.search(data[:NOTE_WITHIN]) if data else None
        return cls(found[1].decode(), found[2].decode()) if found else None

    @property
    def meta(self) -> dict[str, Any]:
        """The part of `meta` that tells of it."""
        return {"served_format": self.format, "served_sha256": self.sha256}
