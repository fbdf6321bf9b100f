"""The flat layout: every picture of a data set through a label mapping into a sink."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from ..models import Failure, Reason, Sample, suffixed
from ..sinks import Sink, count_tree, prune_links, read_directory, remove_from, write_to
from ..subset import Grouping
from .options import SubsetOptions
from .report import Counting, SubsetReport, label_directories
from .sides import Sides

BATCH = 256
"""Pictures handed to the sink at once."""


async def build_flat(
    root: Path, grouping: Grouping, sink: Sink, options: SubsetOptions, out: Path | None = None
) -> SubsetReport:
    """Send every picture whose label is in a class to `sink`; `out` is the sink's directory, if it has one.

    Raises ListError and StorageError.
    """
    found = await asyncio.to_thread(label_directories, root, grouping)
    counting = Counting(grouping, found)
    earlier = await asyncio.to_thread(_earlier_splits, out, grouping) if out else []
    wanted = set(found.values())
    sides = await asyncio.to_thread(Sides, root, grouping, options.splitter, wanted)
    counting.dropped = sides.dropped
    samples = filter(sides.has, read_directory(root, wanted.__contains__))
    while batch := await asyncio.to_thread(_next, samples):
        mapped = [_mapped(sample, grouping, sides) for sample in batch]
        await _store(sink, batch, mapped, counting)
        if moved := _elsewhere(batch, mapped, earlier):
            await remove_from(sink, moved)
    if out:
        pruned, left = await asyncio.to_thread(_tidy, out, root)
        counting.tidied(pruned, left)
    return counting.report(options, str(out) if out else repr(sink))


async def _store(sink: Sink, batch: list[Sample], mapped: list[Sample], counting: Counting) -> None:
    """Store a batch. Names are unique in what a crawl made, but not in every folder: clashing ones get a digest."""
    again: list[tuple[Sample, Sample]] = []
    for given, sample, entry in zip(batch, mapped, await write_to(sink, mapped), strict=True):
        if isinstance(entry, Failure) and entry.reason is Reason.NAME_CONFLICT:
            again.append((given, replace(sample, name=_other_name(given))))
        else:
            _count(given, sample, entry, counting)
    if again:
        entries = await write_to(sink, [sample for _, sample in again])
        for (given, sample), entry in zip(again, entries, strict=True):
            _count(given, sample, entry, counting)


def _other_name(given: Sample) -> str:
    return suffixed(given.name, f"{given.label}/{given.name}")


def _elsewhere(batch: list[Sample], mapped: list[Sample], earlier: list[str | None]) -> list[Sample]:
    """Where an earlier subset with other shares may have the pictures of a batch, under either of their names."""
    return [
        replace(sample, split=split, name=name)
        for given, sample in zip(batch, mapped, strict=True)
        for split in earlier
        if split != sample.split
        for name in (sample.name, _other_name(given))
    ]


def _count(given: Sample, sample: Sample, entry: str | Failure | None, counting: Counting) -> None:
    if isinstance(entry, Failure):
        counting.refuse(f"{given.label}/{given.name}: {entry.detail or entry.reason}")
    else:
        counting.add(given.label or "", sample.split)


def _next(samples: Iterator[Sample]) -> list[Sample]:
    return list(islice(samples, BATCH))


def _mapped(sample: Sample, grouping: Grouping, sides: Sides) -> Sample:
    return replace(sample, label=grouping.class_of(sample.label), split=sides.of(sample))


def _earlier_splits(out: Path, grouping: Grouping) -> list[str | None]:
    """The splits that an earlier subset may have left in `out`; None stands for no split at all."""
    found: list[str | None] = [split for split in ("train", "val", "test") if (out / split).is_dir()]
    return [None, *found] if any((out / group).is_dir() for group in grouping.groups) else found


def _tidy(out: Path, root: Path) -> tuple[int, dict[tuple[str | None, str], int]]:
    return prune_links(out, root), count_tree(out)
