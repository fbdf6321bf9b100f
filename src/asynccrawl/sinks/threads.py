"""One hop to a thread and back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

T = TypeVar("T")
Args = TypeVarTuple("Args")


async def in_thread(function: Callable[[*Args], T], *args: *Args) -> T:
    """The result of `function(*args)`, called in a thread.

    Cancelled, it waits for the thread to end before it raises: a thread cannot be stopped, and nobody may close or
    call again what is still writing.
    """
    work = asyncio.ensure_future(asyncio.to_thread(_guarded, lambda: function(*args)))
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait({work})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return work.result()
    # Looked at, so that asyncio does not complain of an error that nobody asked for.
    work.exception()
    raise cancelled


def _guarded(call: Callable[[], T]) -> T:
    try:
        return call()
    except StopIteration as error:
        # A future cannot carry it: before Python 3.12 whoever awaits would wait for ever.
        raise RuntimeError("a call in a thread raised StopIteration") from error
