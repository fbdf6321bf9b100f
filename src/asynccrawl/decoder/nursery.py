"""Where children are born and buried: one thread that lives as long as they do, since they end with it."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from ..settings import ImagePolicy
from .early import take_over
from .starting import bury, end, start

P = ParamSpec("P")
T = TypeVar("T")


class Nursery:
    """Starts and ends the children of one decoder, off the event loop."""

    def __init__(self, policy: ImagePolicy) -> None:
        self._policy = policy
        self._thread: ThreadPoolExecutor | None = None

    async def start(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        """A new process, and our end of its socket. Raises OSError."""
        if early := take_over(self._policy):
            return early
        return await self._in_thread(start, self._policy)

    async def bury(self, process: subprocess.Popen[bytes]) -> str:
        """Wait for a process that is ending, and say how it has ended."""
        return await self._in_thread(bury, process)

    async def end(self, process: subprocess.Popen[bytes]) -> None:
        """End a process at once."""
        await self._in_thread(end, process)

    async def aclose(self) -> None:
        """End the thread. Children that are still there end with it."""
        thread, self._thread = self._thread, None
        if thread:
            await asyncio.to_thread(thread.shutdown)

    async def _in_thread(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "asynccrawl-decoders")
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)
