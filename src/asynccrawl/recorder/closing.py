"""The end of a sink: never while something is being written to it, and in time when a crawl was cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ..sinks import Sink, close_sink
from ..threads import finished, let_go
from .recorder import Recorder

_SECONDS = 0.3
"""How long a sink of the caller's may take to be closed when a crawl was cancelled."""


async def end_sink(
    sink: Sink, recorders: Sequence[Recorder], foreign: bool, kind: type[BaseException] | None, *_: object
) -> None:
    """Close the sink once nobody writes to it. One of the caller's that takes its time is not waited for when we were
    cancelled: it stores by itself what it was given, and is closed behind our back.
    """
    closing = asyncio.ensure_future(_close_idle(sink, recorders))
    if not foreign:
        await finished(closing)
    elif kind is not None and issubclass(kind, asyncio.CancelledError):
        await _hurry(closing)
    else:
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            await _hurry(closing)
            raise


async def _hurry(closing: asyncio.Task[None]) -> None:
    await asyncio.wait({closing}, timeout=_SECONDS)
    if closing.done():
        closing.result()
    else:
        let_go(closing)


async def _close_idle(sink: Sink, recorders: Sequence[Recorder]) -> None:
    for recorder in recorders:
        await recorder.idle()
    await close_sink(sink)
