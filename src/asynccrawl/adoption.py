"""After a run that was killed: files that are ahead of the ledger become what they are, saved records.

The sink publishes a batch before the ledger records it. A process that dies in between leaves whole pictures whose
records are still pending; fetched again they would cost their servers twice, and another record could take their
place in a label's quota.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from .decoder import ThreadDecoder
from .errors import InvalidImage
from .ledger import Ledger
from .models import Outcome, Record, Sample
from .screening import Screening
from .sinks import path_of, read_directory

BATCH = 256
"""Files looked up in the ledger at once."""


async def adopt(root: Path, ledger: Ledger, decoder: ThreadDecoder, screening: Screening) -> int:
    """Record every picture below `root` whose record is pending as saved; returns how many.

    A picture is adopted under its record's own name, and only when it passes validation and screening; any other file
    is left for the sink to deal with. Raises StorageError, and ListError when a directory cannot be read.
    """
    adopted, files = 0, read_directory(root)
    while batch := await asyncio.to_thread(_next, files):
        waiting = {record.name.lower(): record for record in await ledger.waiting([file.name for file in batch])}
        ahead = [(file, waiting[file.name.lower()]) for file in batch if file.name.lower() in waiting]
        examined = [await _outcome(root, file, record, decoder, screening) for file, record in ahead]
        outcomes = [outcome for outcome in examined if outcome is not None]
        if outcomes:
            await ledger.settle(outcomes)
        adopted += len(outcomes)
    return adopted


def _next(files: Iterator[Sample]) -> list[Sample]:
    return list(islice(files, BATCH))


async def _outcome(
    root: Path, file: Sample, record: Record, decoder: ThreadDecoder, screening: Screening
) -> Outcome | None:
    try:
        data = await file.read()
        facts = await decoder.examine(data, None)
    except (InvalidImage, OSError):
        return None
    sample = Sample(
        record.request, record.ordinal, record.name, record.label, facts.format, data=data, width=facts.width,
        height=facts.height, mode=facts.mode, bytes=facts.bytes, sha256=facts.sha256, line=record.line,
        detail="found whole after a run that was killed",
    )  # fmt: skip
    assert file.path is not None
    path = path_of(sample)
    if path != file.path.relative_to(root).as_posix() or screening.screen(sample) is not sample:
        return None
    return Outcome.of(sample, path)
