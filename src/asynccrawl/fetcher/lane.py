"""A bounded lane that what is slow has to leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Lane:
    """Lets `places` tasks in at a time, in order; who has been in for `seconds` goes on beside it, and frees the place.

    So the bound holds for what is quick, and n tasks that never end delay the next one by n / places x seconds, not for
    ever.
    """

    def __init__(self, places: int, seconds: float) -> None:
        self._free = asyncio.Semaphore(places)
        self._seconds = seconds

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place, and hold it for the block or for the lane's seconds."""
        await self._free.acquire()
        held = True

        def leave() -> None:
            """Free the place, once."""
            nonlocal held
            if held:
                held = False
                self._free.release()

        timer = asyncio.get_running_loop().call_later(self._seconds, leave)
        try:
            yield
        finally:
            timer.cancel()
            leave()
