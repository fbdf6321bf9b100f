"""Hops to a thread and back, of which a cancellation loses nothing."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Args = TypeVarTuple("Args")


async def in_thread(function: Callable[[*Args], T], *args: *Args) -> T:
    """The result of `function(*args)`, called in a thread.

    Cancelled, it waits for the thread to end before it raises: a thread cannot be stopped, and nobody may close or
    call again what is still writing.
    """
    return await finished(_begun(lambda: function(*args)))


async def finished(work: asyncio.Future[T]) -> T:
    """The result of what a thread does. Cancelled, it waits for that to end before it raises."""
    cancelled = await _ended(work)
    if cancelled is None:
        return work.result()
    # Looked at, so that asyncio does not complain of an error that nobody asked for.
    work.exception()
    raise cancelled


async def obtained(function: Callable[[*Args], T], *args: *Args, give_back: Callable[[T], object]) -> T:
    """The same for what has to be given back: a lock, a descriptor, a directory.

    Cancelled, it has `give_back(result)` called, in a thread too, before it raises: nobody else would know of it.
    """
    work = _begun(lambda: function(*args))
    cancelled = await _ended(work)
    if cancelled is None:
        return work.result()
    if work.exception() is None:
        undoing = _begun(lambda: give_back(work.result()))
        await _ended(undoing)
        undoing.exception()
    raise cancelled


async def completed(work: asyncio.Future[T]) -> T:
    """The result of what a thread does, also for a task that is cancelled meanwhile: where it waits next it is told.

    For what has to be known of once it is done, such as a commit.
    """
    cancelled = await _ended(work)
    task = asyncio.current_task()
    if cancelled is not None and task is not None:
        task.uncancel()
        task.cancel()
    return work.result()


def let_go(work: asyncio.Future[Any]) -> None:
    """Nobody waits for it any more, so asyncio need not complain that nobody has seen how it ended."""
    work.add_done_callback(lambda done: done.cancelled() or done.exception())


def _begun(call: Callable[[], T]) -> asyncio.Future[T]:
    # A future, not a task: whoever cancels all tasks of a loop would have the result forgotten.
    context = contextvars.copy_context()
    return asyncio.get_running_loop().run_in_executor(None, context.run, _guarded, call)


async def _ended(work: asyncio.Future[Any]) -> asyncio.CancelledError | None:
    """Wait until the work has ended; the cancellation that came meanwhile."""
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait({work})
        except asyncio.CancelledError as error:
            cancelled = error
    return cancelled


def _guarded(call: Callable[[], T]) -> T:
    try:
        return call()
    except StopIteration as error:
        # A future cannot carry it: before Python 3.12 whoever awaits would wait for ever.
        raise RuntimeError("a call in a thread raised StopIteration") from error
