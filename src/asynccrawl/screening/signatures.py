"""What is known of placeholders before a crawl: signatures, shipped in `data/placeholders.json`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib import resources

from ..models import Sample


@dataclass(frozen=True, slots=True)
class Signature:
    """What gives a placeholder away: size (bytes) and SHA-1 of its content, the URL it ends at, or its ETag."""

    name: str
    source: str
    size: int | None = None
    sha1: str | None = None
    final_url: str | None = None
    etag: str | None = None

    def __post_init__(self) -> None:
        if not (self.final_url or self.etag or (self.sha1 and self.size)):
            raise ValueError(f"the signature {self.name!r} has neither size and sha1, nor final_url, nor etag")

    def matches(self, sample: Sample) -> bool:
        """Whether the sample is this placeholder."""
        if self.final_url is not None and sample.final_url == self.final_url:
            return True
        if self.etag is not None and sample.etag is not None and sample.etag.strip('W/"') == self.etag:
            return True
        return self.sha1 is not None and sample.bytes == self.size and _sha1(sample) == self.sha1


def _sha1(sample: Sample) -> str | None:
    # Known placeholders are small; a spooled body is not, and its size has ruled it out already.
    return hashlib.sha1(sample.data, usedforsecurity=False).hexdigest() if sample.data is not None else None


def known_signatures() -> list[Signature]:
    """The shipped signatures."""
    text = resources.files("asynccrawl").joinpath("data/placeholders.json").read_text("utf-8")
    return [Signature(**row) for row in json.loads(text)["signatures"]]
