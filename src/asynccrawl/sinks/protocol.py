"""What a crawl asks of the place it stores pictures in."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from pathlib import PurePath
from typing import Protocol

from ..models import Failure, Sample

Entry = str | PurePath | Failure | None
"""What became of one sample: its path relative to the destination, None where paths mean nothing, or a Failure."""

Stored = Sequence[Entry] | None
"""What `write` returns: one Entry a sample, in order, or None when there is nothing to say."""


class Sink(Protocol):
    """Stores samples. Ten lines are enough for one.

    Usually `write` and `aclose` are `async def`; a plain `def` is called in a thread, one call at a time. Two things
    are optional and therefore not declared here:

    `remove(batch)`, plain or async, takes back what was written and is idempotent; it serves retractions. Without it
    earlier copies stay, marked `suspect` in the ledger.

    `durable` (default True). False means that a crash may lose what was written, which makes the sink fit for
    exports only; `crawl` refuses it.

    `asynccrawl.testing.conformance.check_sink` tells whether a sink keeps to all of this.
    """

    def write(self, batch: Sequence[Sample], /) -> Awaitable[Stored] | Stored:
        """Store every sample, so that a crash of the process after the return loses none.

        It is idempotent by name, and may be called again with the same samples after a crash. A `temporary` file may
        be moved away; what is left of it when `write` has returned is removed. Raises StorageError, or anything else
        for what is not one sample's fault: that ends the crawl.
        """

    def aclose(self) -> Awaitable[None] | None:
        """Finish. May be called twice. A sink without `aclose` is fine too."""
