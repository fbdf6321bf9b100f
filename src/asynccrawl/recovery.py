"""Before anything is requested, files and ledger are made to agree, however the run before has ended.

Three things may be found (the order of events is told in `durability`):

- rows that say `saved` and are marked as unsynced, after a kill or a power cut: a file that does not agree with its row
  is renamed with `.invalid` added, and the record waits again;
- whole pictures under the name of a record that waits: stored, and not recorded. They become saved records and are
  not fetched again: that would cost their servers twice, and another record could take their place in a label's quota;
- pictures that no row knows of, from an earlier tool perhaps. They are kept in mind and adopted when their record
  comes by in the list (`adopt`).

What bears a record's name and is no valid picture is renamed. All other files are somebody else's, and left alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from .decoder import Decoder
from .errors import InvalidImage, storage_error
from .expectation import check_expected
from .ledger import Ledger
from .models import NOTE_WITHIN, Failure, Reason, Record, Sample, Served
from .recorder import Recorder
from .sinks import (
    Finding,
    WebDatasetSink,
    check_file,
    directory_of,
    path_of,
    put_aside,
    read_file,
    read_head,
    rename,
    surplus_files,
)

PAGE = 256
"""Records looked at, at once."""
_MOST_READ = 2**26  # bytes; what is larger is mapped
T = TypeVar("T")
Item = Record | Failure


async def settle_shards(sink: WebDatasetSink, ledger: Ledger) -> None:
    """Take out of the shards what was stored and not recorded: its records wait, and may end otherwise. Pictures of
    which no row has the name are somebody else's. Raises StorageError.
    """
    stored = await sink.last_stored()
    if strays := await ledger.unsaved(stored):
        await sink.take_out(strays)


class Recovery:
    """Settles what an earlier run, or somebody else, has left in the destination `root`."""

    def __init__(self, root: Path, ledger: Ledger, decoder: Decoder) -> None:
        self._root = root
        self._ledger = ledger
        self._decoder = decoder
        self._strays = 0

    def __repr__(self) -> str:
        return f"<Recovery {self._root}, {self._strays} files without a row>"

    async def settle(self, recorder: Recorder) -> None:
        """Check what is marked, and record what was stored. Raises StorageError."""
        await self._check_marked()
        await self._find_strays()
        if self._strays:
            await self._decoder.prepare(whole=True)
        after = -1
        while self._strays and (page := await self._ledger.waiting_strays(after, PAGE)):
            after = page[-1].ordinal
            await self.adopt(page, recorder)

    async def adopt(self, batch: Sequence[Item], recorder: Recorder) -> list[Item]:
        """Record those of `batch` whose pictures are there already; returns the others. Raises StorageError."""
        if not self._strays:
            return list(batch)
        records = [item for item in batch if isinstance(item, Record)]
        there = await self._ledger.strays([record.name for record in records])
        adopted = set()
        for record in records:
            for path in there.get(record.name.lower(), ()):
                if record.ordinal not in adopted and await self._adopt(record, path, recorder):
                    adopted.add(record.ordinal)
        return [item for item in batch if item.ordinal not in adopted]

    async def _check_marked(self) -> None:
        wrong = []
        for row in await self._ledger.marked():
            finding = await self._io(check_file, row.path, row.bytes, row.sha256)
            if finding is not Finding.SAME:
                wrong.append(row)
                if finding is not Finding.MISSING:
                    await self._io(put_aside, row.path)
        if wrong:
            await self._ledger.reopen(wrong)

    async def _find_strays(self) -> None:
        known = await self._ledger.saved_by_directory()
        directories = surplus_files(self._root, known)
        while paths := await self._io(lambda _: next(directories, None)):
            for start in range(0, len(paths), PAGE):
                self._strays += await self._ledger.remember_strays(paths[start : start + PAGE])

    async def _adopt(self, record: Record, path: str, recorder: Recorder) -> bool:
        if directory_of(record) != str(PurePosixPath(path).parent):
            return False
        try:
            sample = await self._examined(record, path, recorder)
        except InvalidImage:
            await self._io(put_aside, path)
            return False
        except FileNotFoundError:
            return False
        wanted = path_of(sample)
        if wanted != path:
            # A picture of another format than its extension says.
            if wanted is None or not await self._io(rename, path, wanted):
                return False
            sample = replace(sample, path=self._root / wanted)
        return isinstance(await recorder.adopt(sample), Sample)

    async def _examined(self, record: Record, path: str, recorder: Recorder) -> Sample:
        """The picture as the record's sample. Raises InvalidImage, also for a placeholder or another picture than the
        list demands, FileNotFoundError, and StorageError.
        """
        file = self._root / path
        # Read, not mapped: where the disk cannot give a mapped page, the process is killed by SIGBUS.
        data = await self._read(path)
        facts = await self._decoder.examine(file if data is None else data, None, whole=True)
        if facts.served:
            raise InvalidImage(Reason.UNSUPPORTED_FORMAT, f"it is {facts.served.format}, and is to be {facts.format}")
        head = await self._io(read_head, path, NOTE_WITHIN) if data is None else data
        served = Served.noted_in(head)
        await check_expected(record.request, file if data is None else data, served.sha256 if served else facts.sha256)
        sample = Sample(
            record.request, record.ordinal, record.name, record.label, facts.format, path=file, width=facts.width,
            height=facts.height, mode=facts.mode, bytes=facts.bytes, sha256=facts.sha256, line=record.line,
            detail="found whole, without a record", shard=record.shard, served=served,
            meta={**(facts.meta or {}), **served.meta} if served else facts.meta,
        )  # fmt: skip
        if await recorder.is_placeholder(sample if data is None else replace(sample, data=data, path=None)):
            raise InvalidImage(Reason.PLACEHOLDER, "the host's 'no longer available' picture")
        return sample

    async def _read(self, path: str) -> bytes | None:
        try:
            return await asyncio.to_thread(read_file, self._root, path, _MOST_READ)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise storage_error(self._root / path, "cannot be read", error) from error

    async def _io(self, function: Callable[..., T], *arguments: Any) -> T:
        try:
            return await asyncio.to_thread(function, self._root, *arguments)
        except OSError as error:
            raise storage_error(error.filename or self._root, "cannot be examined", error) from error
