"""`export`: a data set in the form that a reader wants."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Unpack

from ..errors import SettingsError, StorageError
from ..ledger import Lock
from ..models import Failure, Sample
from ..sinks import (
    PARQUET_BOUNDS,
    SPLITS,
    ImageFolderSink,
    LmdbSink,
    ParquetSink,
    ShardBounds,
    Sink,
    WebDatasetSink,
    close_sink,
    count_tree,
    write_mean,
    write_to,
)
from ..subset import Groups, load_grouping
from .contents import Contents, contents_of
from .converting import Converter
from .export_options import ExportKeywords, ExportOptions, Format
from .export_report import ExportReport
from .loading import Loader
from .options import check_places, dataset_root
from .staging import Stage

BATCH = 64
"""Pictures converted and written at once."""
Mean = tuple[list[bytes], tuple[int, int], bytes]
"""A mean's planes, its size, and how it looks."""
Advance = Callable[[int, int], None]
"""Told, now and then, how many pictures are done, and of how many."""


async def export(
    dataset: str | os.PathLike[str],
    out: str | os.PathLike[str] | Sink,
    format: Format | None = None,
    *,
    groups: Groups | None = None,
    advance: Advance | None = None,
    **keywords: Unpack[ExportKeywords],
) -> ExportReport:
    """Write a data set in another form: `imagefolder`, `webdataset`, `parquet` or `lmdb` (as DIGITS makes it).

    dataset: what `crawl` or `build_subset` made, directories or shards; it is only read. out: a directory, or a Sink in
    place of directory and format, which is closed at the end. groups: coarse classes, as for `build_subset`; without
    them each label is a class. advance: called with the pictures done and their number. keywords: `val`, `test`,
    `split`, `seed`, `near`, `resize`, `mode`, `encoding`, `quality`, `bounds`, see ExportOptions.

    The same data set and options give the same bytes. An `imagefolder` is filled in place: the same call goes on after
    an interruption. The others are made apart and put in place when they are whole: after an interruption they are
    begun anew, and an earlier result stays until then. Returns an ExportReport. Raises SettingsError for options that
    do not go together and for an extra that is not installed, ListError when the data set cannot be read,
    DestinationBusy, StorageError.
    """
    options = ExportOptions(format=format, **keywords)
    async with AsyncExitStack() as stack:
        if not isinstance(out, str | os.PathLike):
            stack.push_async_callback(close_sink, out)
        if isinstance(out, str | os.PathLike) != (format is not None):
            raise SettingsError("an export needs a directory and a format, or a sink alone")
        work = await asyncio.to_thread(_work, dataset, out, groups, options, advance)
        if not isinstance(out, str | os.PathLike):
            await work.run(out)
            return work.report(repr(out))
        lock = await asyncio.to_thread(Lock, Path(out).absolute())
        stack.callback(lock.release)
        return await _into(Path(out), work)


def _work(
    dataset: str | os.PathLike[str],
    out: str | os.PathLike[str] | Sink,
    groups: Groups | None,
    options: ExportOptions,
    advance: Advance | None,
) -> _Work:
    """What there is to do, read from disk."""
    grouping = None if groups is None else load_grouping(groups)
    root = dataset_root(dataset)
    if isinstance(out, str | os.PathLike):
        check_places(root, Path(out))
    contents = contents_of(root, grouping, options)
    return _Work(Loader(root), contents, options, advance)


async def _into(out: Path, work: _Work) -> ExportReport:
    if work.options.format == "imagefolder":
        sink = ImageFolderSink(out, work.contents.labels, work.contents.columns)
        try:
            await work.run(sink)
        finally:
            await sink.aclose()
        return work.report(str(out), left=await asyncio.to_thread(count_tree, out))
    assert work.options.format is not None
    stage = await asyncio.to_thread(Stage, out.absolute(), work.options.format)
    try:
        staged = _sink(stage.directory, work)
        try:
            await work.run(staged)
        finally:
            await close_sink(staged)
        await asyncio.to_thread(_finish, stage.directory, work)
        await asyncio.to_thread(stage.publish)
    finally:
        await asyncio.to_thread(stage.discard)
    return work.report(str(out), restarted=stage.interrupted)


def _sink(directory: Path, work: _Work) -> Sink:
    contents, bounds = work.contents, work.options.bounds
    if work.options.format == "webdataset":
        return WebDatasetSink(directory, contents.labels, bounds=bounds or ShardBounds())
    if work.options.format == "parquet":
        return ParquetSink(directory, contents.labels, contents.columns, bounds=bounds or PARQUET_BOUNDS)
    return LmdbSink(directory, contents.labels)


def _finish(directory: Path, work: _Work) -> None:
    mean = work.mean
    if work.options.format != "lmdb" or mean is None:
        return
    try:
        write_mean(directory, *mean)
    except OSError as error:
        raise StorageError(f"{directory}: the mean cannot be stored: {error.strerror}; then run again") from error


def _mean_of(converter: Converter) -> Mean | None:
    mean = converter.mean()
    return None if mean.size is None else (mean.planes(), mean.size, mean.jpeg())


class _Work:
    """The pictures of an export on their way, and their counts."""

    def __init__(self, loader: Loader, contents: Contents, options: ExportOptions, advance: Advance | None) -> None:
        self.contents = contents
        self.options = options
        self.mean: Mean | None = None
        self._loader = loader
        self._advance = advance
        self._counts: Counter[tuple[str | None, str | None]] = Counter()
        self._formats: Counter[str] = Counter()
        self._refused: list[str] = []

    async def run(self, sink: Sink) -> None:
        """All pictures into `sink`. While a batch is written, the next one is loaded and converted."""
        total, starts = len(self.contents.items), range(0, len(self.contents.items), BATCH)
        async with Converter(self.options.conversion) as converter:
            following: asyncio.Task[list[Sample | Failure]] | None = None
            try:
                for start in starts:
                    batch = await (following or self._made(converter, start))
                    following = None
                    if start + BATCH < total:
                        following = asyncio.create_task(self._made(converter, start + BATCH))
                    await self._write(sink, batch)
                    if self._advance is not None:
                        self._advance(min(start + BATCH, total), total)
            finally:
                if following is not None:
                    following.cancel()
                    await asyncio.gather(following, return_exceptions=True)
            self.mean = await asyncio.to_thread(_mean_of, converter)

    async def _made(self, converter: Converter, start: int) -> list[Sample | Failure]:
        items = self.contents.items[start : start + BATCH]
        return await converter.convert(await asyncio.to_thread(self._loader.load, items, start))

    async def _write(self, sink: Sink, batch: list[Sample | Failure]) -> None:
        samples = [one for one in batch if isinstance(one, Sample)]
        entries = iter(await write_to(sink, samples) if samples else [])
        for one in batch:
            entry = one if isinstance(one, Failure) else next(entries)
            if isinstance(entry, Failure):
                self._refused.append(f"{one.label}/{one.name}: {entry.detail or entry.reason}")
            elif isinstance(one, Sample):
                self._counts[one.label, one.split] += 1
                self._formats[one.format] += 1

    def report(
        self, out: str, *, left: dict[tuple[str | None, str], int] | None = None, restarted: bool = False
    ) -> ExportReport:
        """What it came to. `left`: the pictures that are in the directories of the output."""
        contents = self.contents
        splits: tuple[str | None, ...] = contents.splits or (None,)
        surplus = {
            f"{split}/{label}" if split else label: n - self._counts[label, split]
            for (split, label), n in sorted((left or {}).items(), key=lambda one: (one[0][0] or "", one[0][1]))
            if n > self._counts[label, split] and label not in (SPLITS if split is None and contents.splits else ())
        }
        return ExportReport(
            format=self.options.format or "", out=out,
            labels={label: {split: self._counts[label, split] for split in splits} for label in contents.labels},
            splits=contents.splits,
            unlabelled=sum(n for (label, _), n in self._counts.items() if label is None),
            dropped=contents.dropped, unwanted=contents.unwanted, suspect=contents.suspect, refused=self._refused,
            formats=dict(self._formats), leftovers=surplus if contents.labels else {}, restarted=restarted,
        )  # fmt: skip
