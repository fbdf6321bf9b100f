"""A content that was judged: a placeholder, or what was taken for one until a person said otherwise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One content that came in place of pictures.

    `found` says who told: `signature`, `rule` or `person`; `detail` why, in words; `url` is an example. `good`: a
    person wants it kept, so that it is no placeholder any more. `copies` counts the records that failed with it,
    `suspect` those whose copy the sink could not take back. `id` is 0 until the ledger knows it.
    """

    sha256: str
    found: str
    detail: str
    url: str
    format: str | None = None
    width: int | None = None
    height: int | None = None
    mode: str | None = None
    bytes: int = 0
    good: bool = False
    id: int = 0
    copies: int = 0
    suspect: int = 0
