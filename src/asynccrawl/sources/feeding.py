"""From whatever `urls` may be to batches of entries, without ever blocking the event loop.

A list or tuple is sliced where it is. A path and a foreign iterable are read in a daemon thread of their own: not in
the default executor, whose threads are joined at exit, so that a blocked standard input would hold up Ctrl-C.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import reprlib
import threading
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable, Iterator, Sequence
from contextlib import aclosing

from ..errors import ListError
from ..models import Request
from ..settings import ListOptions
from .entry import Entry
from .inbox import BATCH, Inbox
from .lines import LineParser, from_pair, from_text
from .parsing import Parser
from .reading import open_list

UrlItem = str | tuple[str | None, str] | Request
"""What an iterable may hold: a line of a list, a key and a URL, or a Request."""
Urls = str | os.PathLike[str] | Iterable[UrlItem] | AsyncIterable[UrlItem]
"""What a list may be: a path to one, or an iterable or async iterable of UrlItem."""

FIRST_BATCH = 50
"""Entries of the first batch of a list or tuple: little, so that fetching begins at once."""
_PATIENCE = 0.1
"""Seconds given to a reading thread to stop and close its file. One that is blocked in a read cannot."""


def entries(urls: Urls, options: ListOptions) -> AsyncGenerator[list[Entry], None]:
    """The entries of `urls`, in order, in batches of at most BATCH, each as soon as it is worth handing on.

    A plain `str` is always a path. Foreign iterables are iterated in a thread of their own. Closing the generator
    stops the reading and closes the file, or the generator that was given; a read that is blocked then is abandoned.
    Raises TypeError, at once for a `urls` of another type, and for an item when its turn comes; ListError as
    `open_list` does; and unchanged what the iterable raises, after the entries before it.
    """
    if isinstance(urls, str | os.PathLike):
        return _from_thread(lambda: open_list(urls, options))
    if isinstance(urls, bytes | bytearray | memoryview | Request):
        raise TypeError(f"urls must be a path or an iterable, not {type(urls).__name__}; give [url]")
    if options.format == "parquet":
        raise ListError("Parquet is read from a file; give its path, or other rows as Request objects")
    parse = Parser(options)
    if isinstance(urls, list | tuple):
        return _from_sequence(urls, parse)
    if isinstance(urls, AsyncIterable):
        return _from_async(urls, parse)
    if isinstance(urls, Iterable):
        return _from_thread(lambda: _parsed(urls, parse))
    raise TypeError(f"urls must be a path, an iterable or an async iterable, not {type(urls).__name__}")


def entry_of(item: object, position: int, parse: LineParser) -> Entry | None:
    """The entry of one item of an iterable; None for a blank str. Raises TypeError for what is no UrlItem."""
    if isinstance(item, str):
        return from_text(parse, position, item)
    if isinstance(item, Request):
        return Entry(position, item)
    if isinstance(item, tuple | list) and len(item) == 2:
        key, url = item
        if isinstance(url, str) and (key is None or isinstance(key, str)):
            return from_pair(position, key, url)
    raise TypeError(
        f"item {position} is {reprlib.repr(item)} ({type(item).__name__}); an item must be a str (a line of a list), "
        "a pair (key, url) of str, or a Request"
    )


async def _from_sequence(items: Sequence[object], parse: LineParser) -> AsyncGenerator[list[Entry], None]:
    at, size = 0, FIRST_BATCH
    while part := items[at : at + size]:
        made: list[Entry] = []
        try:
            for position, item in enumerate(part, at + 1):
                if (entry := entry_of(item, position, parse)) is not None:
                    made.append(entry)
        except TypeError:
            if made:
                yield made
            raise
        if made:
            yield made
        at, size = at + len(part), BATCH


def _parsed(items: Iterable[object], parse: LineParser) -> Iterator[Entry]:
    iterator = iter(items)
    try:
        for position, item in enumerate(iterator, 1):
            if (entry := entry_of(item, position, parse)) is not None:
                yield entry
    finally:
        if isinstance(iterator, Generator):
            iterator.close()


async def _from_thread(produce: Callable[[], Iterator[Entry]]) -> AsyncGenerator[list[Entry], None]:
    room = threading.Event()
    inbox = Inbox(room)
    context = contextvars.copy_context()
    thread = threading.Thread(
        target=context.run, args=(_fill, inbox, room, produce), name="asynccrawl-list", daemon=True
    )
    thread.start()
    try:
        async with aclosing(inbox.batches()) as batches:
            async for batch in batches:
                yield batch
    finally:
        inbox.close()
        await inbox.ended(_PATIENCE)


def _fill(inbox: Inbox, room: threading.Event, produce: Callable[[], Iterator[Entry]]) -> None:
    """Read until the end, an error, or until nobody wants more. Runs in the thread."""
    error: BaseException | None = None
    try:
        source = produce()
        try:
            for entry in source:
                inbox.put(entry)
                while inbox.full:
                    room.clear()
                    if inbox.full:
                        room.wait()
                if inbox.closed:
                    break
        finally:
            if isinstance(source, Generator):
                source.close()
    except BaseException as caught:
        error = caught
    inbox.end(error)


async def _from_async(items: AsyncIterable[object], parse: LineParser) -> AsyncGenerator[list[Entry], None]:
    room = asyncio.Event()
    inbox = Inbox(room)
    task = asyncio.create_task(_pump(inbox, room, items, parse), name="asynccrawl-list")
    try:
        async with aclosing(inbox.batches()) as batches:
            async for batch in batches:
                yield batch
    finally:
        inbox.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _pump(inbox: Inbox, room: asyncio.Event, items: AsyncIterable[object], parse: LineParser) -> None:
    """Read until the end or an error. A task of its own, so that no item is lost to a time-out of its taker."""
    error: BaseException | None = None
    position = 0
    try:
        iterator = aiter(items)
        try:
            async for item in iterator:
                position += 1
                if (entry := entry_of(item, position, parse)) is not None:
                    inbox.put(entry)
                while inbox.full:
                    room.clear()
                    await room.wait()
        finally:
            if isinstance(iterator, AsyncGenerator):
                await iterator.aclose()
    except BaseException as caught:
        error = caught
        if not isinstance(caught, Exception):
            raise
    finally:
        inbox.end(error)
