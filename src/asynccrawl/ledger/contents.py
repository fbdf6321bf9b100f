"""The ledger as placeholders and retractions use it: each call is one hop to its thread, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..models import Outcome, Placeholder
from . import full, judged, retracting
from .retracting import Restored, Retraction
from .store import Ledger


class Contents:
    """What is known of contents, and what is to be done about them, in `ledger`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def placeholders(self) -> list[Placeholder]:
        """All contents that were judged, those that a person wants kept included."""
        return await self._ledger.read(judged.placeholders)

    async def copies(self, hashes: Sequence[str]) -> dict[str, int]:
        """How many saved rows have each content; those of none are left out."""
        return await self._ledger.read(judged.copies, hashes)

    async def repeated(self, least: int) -> list[tuple[str, int]]:
        """The contents of at least `least` saved rows that nobody has judged, and how many rows those are."""
        return await self._ledger.read(judged.repeated, least)

    async def others(self, sha256: str, most: int) -> int:
        """How many contents saved rows have besides this one; counted up to `most`."""
        return await self._ledger.read(judged.others, sha256, most)

    async def sightings(self, sha256: str, add: judged.Add) -> int | None:
        """Tell `add` (in the ledger's thread) where a content was found; returns its size in bytes."""
        return await self._ledger.read(judged.sightings, sha256, add)

    async def example(self, sha256: str) -> Outcome | None:
        """A saved row with that content."""
        return await self._ledger.read(judged.example, sha256)

    async def content_of(self, sha256: str) -> bytes | None:
        """The one copy that is kept of a content that was judged."""
        return await self._ledger.read(judged.content_of, sha256)

    async def beginning(self, digits: str, most: int) -> list[str]:
        """At most `most` contents of saved rows whose hash begins with these hex digits."""
        return await self._ledger.read(judged.beginning, digits, most)

    async def judge(self, one: Placeholder, data: bytes) -> Placeholder:
        """Record a verdict and one copy; returns the placeholder with its id."""
        return replace(one, id=await self._ledger.write(judged.judge, one, data))

    async def judge_and_retract(self, one: Placeholder, data: bytes) -> Placeholder:
        """Record a verdict, one copy, and that all earlier copies are to be taken back."""
        return replace(one, id=await self._ledger.write(retracting.judge_and_retract, one, data, self._ledger.run))

    async def suspect(self, one: Placeholder, n: int) -> list[Outcome]:
        """Mark the next `n` copies that cannot be taken back; returns what their outcomes are now."""
        return await self._ledger.write(retracting.suspect, one, n)

    async def retractions(self, after: int, n: int, *, again: bool = False) -> list[Retraction]:
        """The next `n` copies to take back, of rows above the id `after`; see `retracting`."""
        return await self._ledger.read(lambda connection: retracting.retractions(connection, after, n, again=again))

    async def retracted(self, ids: Sequence[int]) -> None:
        """The sink has taken these copies back."""
        await self._ledger.write(retracting.retracted, ids, self._ledger.mark)

    async def acquit(self, sha256: str) -> None:
        """A person wants this content kept."""
        await self._ledger.write(judged.acquit, sha256)

    async def to_restore(self, n: int) -> list[Restored]:
        """The next `n` records whose copies are to be written again."""
        return await self._ledger.read(retracting.to_restore, n)

    async def restored(self, rows: Sequence[tuple[int, Outcome]]) -> None:
        """How these records ended now that their copies were written again."""
        await self._ledger.write(retracting.restored, rows, self._ledger.run, self._ledger.mark)

    async def full_labels(self) -> list[str]:
        """The labels of which records were left out because they were full."""
        return await self._ledger.read(full.full_labels)

    async def reopen_full(self, wanted: Mapping[str, int]) -> list[Outcome]:
        """Let records wait again that were left out because their label was full: the first ones of each label, as
        many as are `wanted`. Returns the outcomes that they had.
        """
        return await self._ledger.write(full.reopen_full, wanted, self._ledger.run)
