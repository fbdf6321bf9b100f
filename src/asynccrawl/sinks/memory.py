"""Sinks that keep nothing beyond the process: one remembers, one forgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..models import Sample
from ..threads import in_thread


class MemorySink:
    """Keeps samples in `samples`, a dict by name. For tests, notebooks and small jobs.

    A crash loses it, and a resumed crawl does not fill it again with what was saved before.
    """

    durable = False

    def __init__(self) -> None:
        self.samples: dict[str, Sample] = {}

    def __repr__(self) -> str:
        return f"<MemorySink {len(self.samples)} samples>"

    async def write(self, batch: Sequence[Sample]) -> None:
        """Keep every sample; the bytes of temporary files are read. Raises OSError when one cannot be read."""
        for sample in batch:
            self.samples[sample.name] = await _lasting(sample)

    async def remove(self, batch: Sequence[Sample]) -> None:
        """Forget `batch`."""
        for sample in batch:
            self.samples.pop(sample.name, None)

    async def aclose(self) -> None:
        """Nothing to close: the samples stay."""


class NullSink:
    """Stores nothing, and counts what it was given: `written` samples, `bytes` of them. For dry runs and benchmarks."""

    durable = False

    def __init__(self) -> None:
        self.written = 0
        self.bytes = 0

    def __repr__(self) -> str:
        return f"<NullSink {self.written} samples, {self.bytes} bytes>"

    async def write(self, batch: Sequence[Sample]) -> None:
        """Count every sample, one that comes twice twice."""
        self.written += len(batch)
        self.bytes += sum(sample.bytes for sample in batch)

    async def remove(self, batch: Sequence[Sample]) -> None:
        """Nothing was stored, so nothing is left; what was counted stays counted."""

    async def aclose(self) -> None:
        """Nothing to close."""


async def _lasting(sample: Sample) -> Sample:
    if not sample.temporary or sample.path is None:
        return sample
    data = await in_thread(sample.path.read_bytes)
    return replace(sample, data=data, path=None, temporary=False)
