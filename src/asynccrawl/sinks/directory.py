"""A directory a class, a file a picture: what torchvision's ImageFolder reads."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from ..errors import StorageError
from ..models import Failure, Sample
from ..threads import in_thread
from .checking import stored_bytes
from .crew import Crew
from .layout import Refused, place_of
from .linking import Linking
from .store import remove, store
from .tree import Tree
from .trouble import patiently, storage_error

_UNGUARDED = (
    "This file system can neither link files nor rename them without overwriting: what another program had put under a "
    "picture's name in the very instant of storing it would have been lost."
)


class DirectorySink:
    """Stores samples as `label/name.ext` under `dest`, byte for byte.

    A sample without label goes to `00012/name.ext`, in shards of 1,000 by ordinal; one with a split goes under
    `split/`. The extension is the decoded format's. No file is visible before it is whole, none is ever overwritten,
    no link is followed, nothing is written outside `dest`. A temporary file is moved into its place; with any other
    file, `linking` says what is done: by default it is hard-linked, or copied where that cannot be.

    A file that is already there with the same content is taken for the sample's own, from before a crash. One with
    other content is renamed with `.invalid` added, unless `linking` forbids it. A directory, link or special file in
    the way makes the sample a Failure (name_conflict).

    One thread stores a batch, or up to sixteen where the file system lets each file wait (see `crew`).

    `sync`: whether each batch is brought to the disk itself before `write` returns, so that a power cut loses none.

    `dest` is made when the first batch comes. Only one sink at a time may write there; `crawl` holds a lock for it.
    """

    durable = True

    def __init__(
        self,
        dest: str | os.PathLike[str],
        linking: Linking = Linking(),  # noqa: B008 -- frozen
        *,
        sync: bool = False,
    ) -> None:
        self._dest = Path(dest).absolute()
        self._linking = linking
        self._sync = sync
        self._writing = threading.Lock()
        self._crew: Crew[tuple[int, Sample]] = Crew(waits=sync)
        self._prepared = False
        self._unguarded = False

    def __repr__(self) -> str:
        return f"DirectorySink({str(self._dest)!r})"

    def story(self) -> list[str]:
        """What the report should say."""
        return [_UNGUARDED] if self._unguarded else []

    async def write(self, batch: Sequence[Sample]) -> list[str | Failure]:
        """Store every sample; returns the path of each relative to `dest`, or its Failure.

        Raises StorageError when the disk is full or the like. Samples of the batch that were stored before stay, and
        the batch may be written again.
        """
        return await in_thread(self._write, batch)

    async def remove(self, batch: Sequence[Sample]) -> None:
        """Remove what was stored of `batch`, and class directories that have become empty.

        A file that holds something else than the sample, told by its bytes or its hash, stays. Idempotent. Raises
        StorageError.
        """
        await in_thread(self._remove, batch)

    async def read(self, path: str) -> bytes | None:
        """The content of the file `path` (relative to `dest`); None where there is none. Raises StorageError."""
        return await in_thread(self._read, path)

    async def aclose(self) -> None:
        """Remove the directory of partial files, if it was used. May be called twice."""
        await in_thread(self._close)

    def _write(self, batch: Sequence[Sample]) -> list[str | Failure]:
        with self._writing:
            try:
                return patiently(lambda: self._write_all(batch))
            except OSError as error:
                raise storage_error(Path(error.filename or self._dest), error) from error

    def _write_all(self, batch: Sequence[Sample]) -> list[str | Failure]:
        self._prepare()
        stored: dict[int, str | Failure] = {}
        with Tree(self._dest, sync=self._sync) as tree:
            self._crew.share(list(enumerate(batch)), _rank, partial(self._store_some, tree, stored))
            tree.sync_directories()
            self._unguarded |= tree.unguarded
        return [stored[n] for n in range(len(batch))]

    def _store_some(self, tree: Tree, stored: dict[int, str | Failure], samples: Iterator[tuple[int, Sample]]) -> None:
        with tree.branch() as branch:
            for n, sample in samples:
                stored[n] = self._store(branch, sample)

    def _prepare(self) -> None:
        """Make the destination and remove an earlier sink's partial files, once.

        Not when the sink is made: only by the first write has the crawl locked the destination.
        """
        if not self._prepared:
            self._dest.mkdir(parents=True, exist_ok=True)
            with Tree(self._dest) as tree:
                tree.sweep()
            self._prepared = True

    def _store(self, tree: Tree, sample: Sample) -> str | Failure:
        try:
            return store(tree, sample, self._linking)
        except Refused as refused:
            return Failure.instead(sample, refused.reason, refused.detail, retryable=refused.retryable)
        except OSError as error:
            error.filename = str(self._dest / place_of(sample).path)
            raise

    def _remove(self, batch: Sequence[Sample]) -> None:
        with self._writing:
            try:
                with Tree(self._dest) as tree:
                    left = {parts for sample in batch if (parts := remove(tree, sample, self._linking)) is not None}
                    tree.remove_empty(sorted(left))
                    tree.remove_empty({parts[:-1] for parts in left if len(parts) > 1})
            except FileNotFoundError:
                return  # no destination, so nothing of ours in it
            except OSError as error:
                raise storage_error(self._dest, error) from error

    def _read(self, path: str) -> bytes | None:
        try:
            return stored_bytes(self._dest, path)
        except OSError as error:
            raise storage_error(self._dest / path, error) from error

    def _close(self) -> None:
        with self._writing:
            self._crew.close()
            if not self._prepared:
                return
            self._prepared = False
            # What cannot be tidied up is swept by the next sink; the samples are stored.
            with suppress(OSError, StorageError), Tree(self._dest) as tree:
                tree.sweep()
                tree.remove_temporary()


def _rank(numbered: tuple[int, Sample]) -> tuple[str | None, str]:
    """What may get the same place, be it on a file system that ignores case, is stored one after the other."""
    label, name = numbered[1].label, numbered[1].name
    return label and label.casefold(), name.casefold()
