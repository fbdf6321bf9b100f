"""The Python interface: crawl, crawl_sync, stream."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterable, Coroutine, Iterable
from contextlib import aclosing, suppress
from dataclasses import replace
from types import ModuleType
from typing import Any

from .models import OnOutcome, Request, Result, Sample
from .report import Report
from .settings import Settings
from .sinks import Sink

Item = str | tuple[str, str] | Request
_LOOK_SECONDS = 0.1
"""How often `crawl_sync` looks whether the task that waits for it was cancelled."""
Urls = str | os.PathLike[str] | Iterable[Item] | AsyncIterable[Item]


async def crawl(
    urls: Urls,
    dest: str | os.PathLike[str],
    *,
    concurrency: int | None = None,
    settings: Settings | None = None,
    sink: Sink | None = None,
    on_outcome: OnOutcome | None = None,
) -> Report:
    """Fetch every image of a list into a directory; the same call again goes on where the last one stopped.

    urls: path of a list, or an iterable or async iterable of `str` (each parsed like a list's line), `(key, url)`
    or `Request`. A plain iterable other than a list or tuple is read in a thread of its own.
    dest: the directory; made if missing. Besides the images it holds the ledger, `.asynccrawl.sqlite3`.
    concurrency: fetches in flight (default 100); wins over `settings`.
    sink: where pictures go instead of class directories under `dest`. It is closed at the end, however that comes.
    on_outcome: called, plain or async, with each final Outcome after it was recorded.

    Returns the Report over the whole ledger. Raises ListError when the list cannot be read, StorageError when the
    destination or the sink fails, DestinationBusy when another run holds `dest`, SettingsError when a file that the
    settings name cannot be used, or `dest` holds pictures in another form. Bad URLs are outcomes, not errors.
    Cancelled, it records what is validated and re-raises within two seconds. Installs no signal handlers, configures
    no logging, works under any asyncio event loop.
    """
    opening = await asyncio.to_thread(_opening)
    async with opening.open_crawl(urls, dest, _with(settings, concurrency), sink, on_outcome) as job:
        report: Report = await job.run()
        return report


def crawl_sync(
    urls: Urls,
    dest: str | os.PathLike[str],
    *,
    concurrency: int | None = None,
    settings: Settings | None = None,
    sink: Sink | None = None,
    on_outcome: OnOutcome | None = None,
) -> Report:
    """`crawl` for code that is not asynchronous; also inside a running event loop, as notebooks have one.

    There it runs in a thread of its own and blocks the caller until it is done. Ctrl-C ends it as it ends `crawl`.
    """
    whole = crawl(urls, dest, concurrency=concurrency, settings=settings, sink=sink, on_outcome=on_outcome)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(whole)
    return _in_thread(whole)


async def stream(
    urls: Urls, *, concurrency: int | None = None, settings: Settings | None = None
) -> AsyncGenerator[Result, None]:
    """Yield a Sample or a Failure for every record, as they come; nothing is stored.

    A slow consumer pauses fetching; leaving the loop ends the crawl (use `contextlib.aclosing` to have it end at
    once). A sample's temporary `path` lasts until the next item. Arguments and errors are those of `crawl`.
    """
    opening = await asyncio.to_thread(_opening)
    async with opening.open_stream(urls, _with(settings, concurrency)) as job, aclosing(job.results()) as batches:
        async for batch in batches:
            for result in batch:
                yield result
                if isinstance(result, Sample):
                    await result.discard()


def _opening() -> ModuleType:
    """Imported in a thread: it takes a tenth of a second, for which the caller's event loop should not stand still."""
    from . import opening

    return opening


def _with(settings: Settings | None, concurrency: int | None) -> Settings:
    chosen = Settings() if settings is None else settings
    if not isinstance(chosen, Settings):
        raise TypeError(f"settings must be Settings, not {type(settings).__name__}")
    return chosen if concurrency is None else replace(chosen, concurrency=concurrency)


def _in_thread(whole: Coroutine[Any, Any, Report]) -> Report:
    """Run a coroutine to its end in another thread. Ctrl-C in this one cancels it, also where asyncio has taken the
    signal over: `asyncio.run` cancels its main task then, which is the one that waits here.
    """
    caller = asyncio.current_task()
    asked = caller.cancelling() if caller else 0
    ended: list[Report | BaseException] = []
    loop = asyncio.new_event_loop()
    task = loop.create_task(whole)

    def work() -> None:
        """Runs in the other thread."""
        try:
            ended.append(loop.run_until_complete(task))
        except BaseException as error:
            ended.append(error)
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    thread = threading.Thread(target=work, name="asynccrawl")
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_LOOK_SECONDS)
            if caller and caller.cancelling() > asked:
                raise asyncio.CancelledError
    except (KeyboardInterrupt, asyncio.CancelledError):
        with suppress(RuntimeError):  # it has just come to its end, and closed its loop
            loop.call_soon_threadsafe(task.cancel)
        thread.join()
        raise
    if isinstance(ended[0], BaseException):
        raise ended[0]
    return ended[0]
