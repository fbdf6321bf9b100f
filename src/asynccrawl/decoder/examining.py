"""`imaging` behind a wall: whatever it raises becomes an answer. For threads and child processes alike."""

from __future__ import annotations

import time
from pathlib import Path

from ..errors import NO_DESCRIPTOR, InvalidImage, Undecodable, unreadable_spool
from ..imaging.examine import examine
from ..imaging.facts import Facts
from ..models import Reason
from ..settings import ImagePolicy
from .job import Answer

_TRIES, _PAUSE = 200, 0.1
"""How often, and with how many seconds between, a file descriptor is waited for."""


def answer_to(body: bytes | Path, policy: ImagePolicy, content_type: str | None) -> Answer:
    """The facts of a body, or why it may not be kept, or the StorageError of one that was spooled and cannot be read.

    Raises nothing but what ends a process.
    """
    try:
        return _patiently(body, policy, content_type)
    except InvalidImage as error:
        return error
    except MemoryError:
        return Undecodable("decoding it took more memory than there is")
    except Exception as error:
        if isinstance(error, OSError) and isinstance(body, Path):
            return unreadable_spool(body, error)
        return InvalidImage(Reason.INTERNAL, f"the decoder raised {error!r:.200}")


def _patiently(body: bytes | Path, policy: ImagePolicy, content_type: str | None) -> Facts:
    """The facts, where no file descriptor may be found for a while: fetches that end free theirs."""
    for _ in range(_TRIES):
        try:
            return examine(body, policy, content_type)
        except OSError as error:
            if error.errno not in NO_DESCRIPTOR:
                raise
        time.sleep(_PAUSE)
    return examine(body, policy, content_type)
