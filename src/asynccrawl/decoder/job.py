"""One body on its way through a decoder, and the answer on its way back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..imaging.facts import Facts

if TYPE_CHECKING:  # heavy, and of no use in decoder processes
    import asyncio

_SPOOLED_BYTES = 2**20
Answer = Facts | Exception
"""What is known of a body: facts, or the InvalidImage that says why it may not be kept."""


class Job(NamedTuple):
    """A body that somebody waits to know of. `whole`: it has to be decoded in full, whatever the policy says."""

    body: bytes | Path
    content_type: str | None
    whole: bool
    future: asyncio.Future[Facts]

    @property
    def size(self) -> int:
        """Bytes of the body; one that was spooled counts as large."""
        return len(self.body) if isinstance(self.body, bytes) else _SPOOLED_BYTES

    def deliver(self, answer: Answer) -> None:
        """Tell whoever asked, unless they have gone. On the event loop only."""
        if self.future.done():
            return
        if isinstance(answer, Facts):
            self.future.set_result(answer)
        else:
            self.future.set_exception(answer)
