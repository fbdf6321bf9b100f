"""`build_subset`: groups the labels of a data set into coarse classes."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Unpack

from ..errors import ListError, SettingsError
from ..ledger import Lock
from ..sinks import DirectorySink, Sink, close_sink, shards_in
from ..subset import Grouping, Groups, load_grouping
from .flat import build_flat
from .nested import build_nested
from .options import SubsetKeywords, SubsetOptions, check_places, dataset_root
from .report import SubsetReport


async def build_subset(
    dataset: str | os.PathLike[str],
    groups: Groups,
    out: str | os.PathLike[str] | Sink,
    **keywords: Unpack[SubsetKeywords],
) -> SubsetReport:
    """Group the labels of a data set (`n02799071/n02799071_1.jpg`) into classes (`ball/n02799071_1.jpg`).

    dataset: a directory with one directory a label, as `crawl` makes it; it is only read, also while a crawl writes
    it. groups: `imagenet12`, a TOML or CSV file, a mapping or a Grouping. out: a directory, or a Sink in its place,
    which is closed at the end. keywords: `layout`, `link`, `absolute`, `val`, `test`, `split`, `seed`, `near`, see
    SubsetOptions.

    The same call again changes nothing but what has changed in the data set; pictures that go to another split now
    are moved. Returns a SubsetReport with counts, and what was missing. Raises SettingsError for a bad grouping or
    options that do not go together, ListError when the data set cannot be read, DestinationBusy, StorageError.
    """
    options = SubsetOptions(**keywords)
    async with AsyncExitStack() as stack:
        if not isinstance(out, str | os.PathLike):
            stack.push_async_callback(close_sink, out)
        grouping = await asyncio.to_thread(load_grouping, groups)
        root = await asyncio.to_thread(_folders, dataset)
        if isinstance(out, str | os.PathLike):
            return await _into_directory(stack, root, grouping, Path(out), options)
        if options.layout == "nested":
            raise SettingsError("the nested layout is made of links to directories, which no sink stores; use flat")
        return await build_flat(root, grouping, out, options)


def _folders(dataset: str | os.PathLike[str]) -> Path:
    """The data set's directory, whose pictures have to be files. Raises ListError."""
    root = dataset_root(dataset)
    if shards_in(root):
        raise ListError(
            f"{root} holds shards, and there is nothing to link in them; "
            "`asynccrawl export --format imagefolder --groups ...` writes their pictures in classes"
        )
    return root


async def _into_directory(
    stack: AsyncExitStack, root: Path, grouping: Grouping, out: Path, options: SubsetOptions
) -> SubsetReport:
    await asyncio.to_thread(check_places, root, out)
    lock = await asyncio.to_thread(Lock, out.absolute())
    stack.callback(lock.release)
    if options.layout == "nested":
        return await asyncio.to_thread(build_nested, root, grouping, out, options)
    sink = DirectorySink(out, options.linking)
    stack.push_async_callback(close_sink, sink)
    return await build_flat(root, grouping, sink, options, out)
