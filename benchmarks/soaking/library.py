"""One call of the library over a list, with a fetcher that answers at once: `python library.py LIST DEST`.

The fetcher and the decoder are put in the places of theirs; all else is what `crawl` does. Prints a line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asynccrawl
from asynccrawl import opening
from asynccrawl.imaging import Facts
from asynccrawl.models import Hop, Response

FACTS = Facts("jpeg", "jpg", 1, 1, "RGB", 1, "0" * 64, None)


class NullFetcher:
    """Answers at once, with the same body."""

    @classmethod
    async def open(cls, *_: Any) -> NullFetcher:
        """A fetcher, whatever the settings."""
        return cls()

    async def fetch(self, hop: Hop, heard: Callable[[], None] = lambda: None) -> Response:
        """The body."""
        return Response(hop.url, 200, data=b"x", size=1, content_type="image/jpeg")

    async def aclose(self) -> None:
        """Nothing to close."""


class NullDecoder:
    """Takes everything for a picture."""

    def __init__(self, *_: Any) -> None: ...

    async def prepare(self, whole: bool = False) -> None:
        """Nothing to load."""

    def begin(self, pictures: int) -> None:
        """Nothing to start."""

    async def examine(self, *_: Any, **__: Any) -> Facts:
        """The same facts."""
        return FACTS

    def story(self) -> list[str]:
        """Nothing to tell."""
        return []

    async def aclose(self) -> None:
        """Nothing to close."""


def descriptors() -> int:
    """How many this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def main() -> None:
    opening._fetcher, opening.open_decoder = lambda: NullFetcher, NullDecoder  # type: ignore[assignment,return-value]
    before = {"tasks_before": len(asyncio.all_tasks()), "descriptors_before": descriptors()}
    sink = asynccrawl.NullSink()
    report = await asynccrawl.crawl(sys.argv[1], sys.argv[2], sink=sink)
    await asyncio.sleep(0.2)
    after = {"tasks": len(asyncio.all_tasks()), "descriptors": descriptors()}
    print(json.dumps({"saved": report.saved, **before, **after}))


if __name__ == "__main__":
    asyncio.run(main())
