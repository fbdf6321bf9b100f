"""When what was stored is on the disk itself: the order of events for every picture, and what each crash leaves.

    1  the body is validated in memory (or in a temporary file)
    2  a partial file is written whole in `.asynccrawl.tmp`
    3  it is published: linked under its name in its class directory, which fails if anything has that name
    4  its row becomes `saved`, in one transaction with others of its batch, and is marked as unsynced
    5  a checkpoint: the marks so far are closed, the file system is synced, and only then are those marks removed

A process that dies (kill -9, out of memory) loses nothing that the kernel has taken:

    before 3    nothing visible; the partial file is swept by the next run, and the record is fetched again
    3 to 4      a whole picture without a saved row; the next run validates and records it (`recovery`)
    after 4     nothing is lost

A power cut may also take back whatever was not synced, in any order: files, names, rows.

    before 5    a row may be there without its file, or with an empty or torn one; its mark is there too, since row and
                mark are one transaction. The next run checks every marked row by size and hash before it requests
                anything, and opens those again that do not agree. A file without its row is as after 3: validated, and
                recorded or renamed.
    after 5     nothing is lost

So a row without a mark is never a lie, and at most RECORDS pictures or SECONDS seconds are fetched again: a checkpoint
begins when half of either has gathered, and the next one waits for it.

`process` leaves out 5, marks included. `file` syncs each file and its directory between 2 and 4, and each transaction;
it needs no marks.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from .errors import StorageError, storage_error

RECORDS = 1_000
SECONDS = 5.0
"""What a power cut may cost at most, in pictures and in seconds."""


_BLIND = (
    "This system has no syncfs: what was stored was brought to the disk by sync, which tells of no errors. "
    "`asynccrawl verify` does."
)


class Marks(Protocol):
    """The marks of rows that were recorded and are not known to be on the disk."""

    async def close_marks(self) -> int:
        """Close the marks that were made so far; those that follow get another number."""

    async def remove_marks(self, number: int) -> None:
        """What was marked up to `number` is on the disk."""


class Checkpoints:
    """Syncs the destination's file system now and then, while the crawl goes on.

    A sync that fails is never tried again: the kernel may have dropped what it could not write, and would report
    success. It ends the crawl with a StorageError; what is marked is checked by the next run.
    """

    def __init__(self, root: Path, marks: Marks, sync: Callable[[Path], bool | None] | None = None) -> None:
        self._root = root
        self._marks = marks
        self._sync = sync or sync_file_system
        self._gathered = 0
        self._blind = False
        self._running: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._error: OSError | StorageError | None = None
        self._ended = False

    def __repr__(self) -> str:
        return f"<Checkpoints {self._root}, {self._gathered} unsynced>"

    def story(self) -> list[str]:
        """What the report should say."""
        return [_BLIND] if self._blind or _syncfs() is None else []

    async def note(self, recorded: int) -> None:
        """So many pictures were recorded. Waits where too many are on their way to the disk. Raises StorageError."""
        self._raise()
        if not recorded:
            return
        self._gathered += recorded
        if self._ended:
            return  # what is recorded now stays marked
        if self._gathered >= RECORDS // 2:
            if self._running:
                await asyncio.wait({self._running})
                self._raise()
            self._begin()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SECONDS / 2, self._begin)

    async def finish(self) -> None:
        """Sync what is left. Raises StorageError."""
        await self._end()
        self._raise()
        if self._gathered:
            self._begin()
            await self._end()
            self._raise()

    async def abandon(self) -> None:
        """Begin no more, and wait for no sync, which may take long; what is marked stays so."""
        self._stop()
        if self._running:
            self._running.cancel()
            await asyncio.wait({self._running})

    async def _end(self) -> None:
        self._stop()
        if self._running:
            try:
                await asyncio.wait({self._running})
            finally:
                self._running.cancel()  # if we were: the ledger is closed next

    def _stop(self) -> None:
        self._ended = True
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _begin(self) -> None:
        self._timer, running = None, self._running
        if running and not running.done():
            # Came by time while another one runs; its end looks at what has gathered since.
            return
        if self._error is None and self._gathered:
            self._gathered = 0
            self._running = asyncio.get_running_loop().create_task(self._checkpoint())

    async def _checkpoint(self) -> None:
        try:
            number = await self._marks.close_marks()
            self._blind |= await asyncio.to_thread(self._sync, self._root) is False
            await self._marks.remove_marks(number)
        except (OSError, StorageError) as error:
            self._error = error
        if self._gathered and self._timer is None and self._error is None and not self._ended:
            self._timer = asyncio.get_running_loop().call_later(SECONDS / 2, self._begin)

    def _raise(self) -> None:
        if isinstance(self._error, OSError):
            what = "what was stored could not be brought to the disk, and what is not there will be fetched again"
            raise storage_error(self._root, what, self._error) from self._error
        if self._error is not None:
            raise self._error


def sync_file_system(directory: Path) -> bool:
    """Bring everything that was written to the file system of `directory` to the disk. Raises OSError.

    By syncfs(2), which reports write errors since Linux 5.8; where it is missing by sync(2), which reports none: then
    False is returned.
    """
    syncfs = _syncfs()
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        code = errno.ENOSYS if syncfs is None else ctypes.get_errno() if syncfs(descriptor) else 0
    finally:
        os.close(descriptor)
    if code == errno.ENOSYS:
        os.sync()
    elif code:
        raise OSError(code, os.strerror(code), str(directory))
    return not code


@functools.cache
def _syncfs() -> Callable[[int], int] | None:
    function = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if function is not None:
        function.argtypes = (ctypes.c_int,)
    return function
