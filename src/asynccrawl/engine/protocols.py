"""What the engine needs of others: something that fetches, something that decodes, something that remembers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from ..errors import FetchError
from ..imaging import Facts
from ..models import Failure, Hop, Record, Response


class Fetcher(Protocol):
    """Makes one hop."""

    async def fetch(self, hop: Hop, heard: Callable[[], None]) -> Response:
        """The answer to `hop`. Raises FetchError for everything that is the hop's own fate, within its deadline.

        Calls `heard` as soon as the head of an answer has come, and twice a second while its body is coming: then the
        hop's host is not silent.
        """


class Decoder(Protocol):
    """Tells what a body is."""

    async def examine(self, body: bytes | Path, content_type: str | None, whole: bool) -> Facts:
        """The facts of a picture. Raises InvalidImage for what may not be kept.

        `whole`: nothing but a full decode can show that it is all there.
        """

    def story(self) -> list[str]:
        """What a reader of the report should know of how decoding went, a line each."""


class Backlog(Protocol):
    """The pending records of one pass, on disk: what the frontier spills it can take again."""

    async def enter(self, batch: Sequence[Record | Failure]) -> Sequence[Record | Failure]:
        """Make list entries known, in list order; returns those to be done in this pass."""

    async def take(self, host: str, after: int, n: int) -> Sequence[Record]:
        """The next `n` pending records of `host` with an ordinal above `after`, in list order."""

    async def hold(self, host: str, until: float) -> None:
        """Remember, beyond this run, that `host` wants no request before `until` (seconds since 1970)."""

    async def put_back(self, record: Record, error: FetchError, attempts: int, not_before: float | None) -> None:
        """Leave a record pending: it failed for a cause that passes and is not tried again in this pass."""
