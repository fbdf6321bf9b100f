"""Conversion on all cores: decoding, scaling and encoding leave Python's lock, so threads are enough."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Self

from ..errors import InvalidImage
from ..imaging import Conversion, Converted, MeanPicture, convert
from ..models import Failure, Reason, Sample


class Converter:
    """Makes of samples what `conversion` says (None: nothing), and adds up the mean of those for training."""

    def __init__(self, conversion: Conversion | None) -> None:
        self._conversion = conversion
        self._pool = ThreadPoolExecutor(os.cpu_count() or 1, "asynccrawl-export")
        self._means: dict[int, MeanPicture] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)

    async def convert(self, batch: Sequence[Sample]) -> list[Sample | Failure]:
        """The converted samples, and a Failure for each that cannot be converted."""
        if self._conversion is None:
            return list(batch)
        loop = asyncio.get_running_loop()
        return await asyncio.gather(*(loop.run_in_executor(self._pool, self._made, sample) for sample in batch))

    def mean(self) -> MeanPicture:
        """The mean of what was converted for training so far."""
        whole = MeanPicture()
        for part in self._means.values():
            whole.merge(part)
        return whole

    def _made(self, sample: Sample) -> Sample | Failure:
        assert self._conversion is not None
        body = sample.data if sample.path is None else sample.path
        assert body is not None
        try:
            made = convert(body, self._conversion)
        except InvalidImage as error:
            return Failure.instead(sample, error.reason, error.detail)
        except OSError as error:
            return Failure.instead(sample, Reason.INTERNAL, f"{sample.path} cannot be read: {error.strerror}")
        if made.pixels is not None and sample.split in (None, "train"):
            # A sum for each thread, so that none waits for another.
            mean = self._means.setdefault(threading.get_ident(), MeanPicture())
            mean.add(made.pixels, made.width, made.height)
        return _sample(sample, made)


def _sample(sample: Sample, made: Converted) -> Sample:
    return replace(
        sample, data=made.data, path=None, temporary=False, format=made.format, width=made.width, height=made.height,
        mode=made.mode, bytes=len(made.data), sha256=hashlib.sha256(made.data).hexdigest(), source=sample.path,
    )  # fmt: skip
