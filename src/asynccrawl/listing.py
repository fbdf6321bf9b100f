"""The records of a list as the engine's feed: read line by line, or known from the ledger.

A list that was read to its end, and is the same file byte for byte, read in the same manner, would find every row at
its place. So it is not read: what is still to be done comes from the ledger, which takes seconds for a million
records. Any other list is read, and each entry is matched with its row.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Sequence
from contextlib import aclosing

from .admission import admit
from .engine import Feed
from .ledger import Ledger
from .settings import Settings
from .sources import Entry, ListFile

PAGE = 500
"""Records taken from the ledger at once."""


class Listing:
    """`entries` (batches of list entries) as a feed; `file` is where they come from, if it is a regular file.

    `listed` counts the records so far, from the offset on; `reading` is true until all are known.
    """

    def __init__(
        self, entries: AsyncIterable[Sequence[Entry]], settings: Settings, ledger: Ledger, file: ListFile | None = None
    ) -> None:
        self._entries = entries
        self._settings = settings
        self._ledger = ledger
        # Nobody can tell whether a function that names hosts is still the same.
        self._file = file if settings.hosts.host_key is None else None
        self._passed_over = 0
        self.listed = 0
        self.reading = True

    def __repr__(self) -> str:
        return f"<Listing {self.listed} records{' so far' if self.reading else ''}>"

    async def feed(self) -> Feed:
        """What may have to be done, in list order; ends with the list. Raises ListError and StorageError."""
        known = await self._known()
        if known is not None:
            self._passed_over = min(known, self._settings.list.offset)
            self.listed = known - self._passed_over
            self.reading = False
            after = self._settings.list.offset - 1
            while page := await self._ledger.open_records(after, PAGE):
                after = page[-1].ordinal
                yield page
            return
        async with aclosing(admit(self._entries, self._settings.list, self._settings.hosts)) as admitted:
            async for part in admitted:
                if part.before:
                    await self._ledger.recognise(part.before)
                self._passed_over += len(part.before)
                self.listed += len(part.records)
                if part.records:
                    yield part.records
        self.reading = False
        await self._finish()

    async def _known(self) -> int | None:
        """The entries of the list if it need not be read."""
        size = await self._ledger.known_size()
        if self._file is None or size != self._file.size:
            return await self._ledger.known_list(None)
        found = await asyncio.to_thread(self._file.fingerprint)
        return await self._ledger.known_list(found.digest if found else None)

    async def _finish(self) -> None:
        records = self._passed_over + self.listed
        await self._ledger.finish_list(records)
        if self._file and (found := await asyncio.to_thread(self._file.fingerprint)):
            await self._ledger.remember_list(found.bytes, found.digest, records)
