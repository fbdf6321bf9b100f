"""Decoder processes that are started while the command is still being imported, and taken over by its decoder.

They need a tenth of a second of a core, and at that time others are idle.
"""

from __future__ import annotations

import socket
import subprocess
from collections import deque
from contextlib import suppress
from dataclasses import replace

from ..settings import ImagePolicy
from .starting import end, start

Started = tuple[subprocess.Popen[bytes], socket.socket]
_waiting: deque[tuple[ImagePolicy, Started]] = deque()


def start_early(policy: ImagePolicy, count: int) -> None:
    """Start so many processes. Call it in the main thread: they end with the thread that started them."""
    with suppress(OSError):  # who needs them tries again, and tells
        for _ in range(count):
            _waiting.append((_decisive(policy), start(policy)))


def take_over(policy: ImagePolicy) -> Started | None:
    """One of those that decode by this policy, if there is one left."""
    if not _waiting or _waiting[0][0] != _decisive(policy):
        return None
    return _waiting.popleft()[1]


def end_all() -> None:
    """End those that nobody has taken over."""
    while _waiting:
        process, connection = _waiting.pop()[1]
        connection.close()
        end(process)


def _decisive(policy: ImagePolicy) -> ImagePolicy:
    """What matters to a decoder: it knows nothing of placeholders, and their signatures are read later."""
    return replace(policy, signatures=())
