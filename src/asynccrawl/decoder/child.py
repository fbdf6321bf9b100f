"""The decoder process: takes orders from its standard input, and answers there, until its parent has gone.

It is started as a fresh interpreter (`starting`), so it has none of the crawl's sockets, files and locks. It ignores
the signals that people send to a whole crawl, since the parent decides; it ends with its parent, however that ends; it
cannot allocate beyond its bound, write a file or leave a core; and where memory is short the system ends it first.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..imaging.examine import prepare
from ..settings import ImagePolicy
from .examining import answer_to
from .frames import ORDER, READY, SPOOLED, WHOLE, answer_of

_SOCKET = 0
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_READ_BYTES = 2**20


def main(parent: int, policy: Mapping[str, Any]) -> None:
    """Decode for the process `parent`, by the fields of an ImagePolicy."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _die_with(parent)
    wanted = policy_of(policy)
    prepare(wanted, threads=1)
    warnings.simplefilter("ignore")
    _limit(wanted.max_decode_bytes)
    gc.freeze()
    _send([READY])
    with suppress(EOFError, ConnectionError):
        _serve(wanted)


def policy_of(values: Mapping[str, Any]) -> ImagePolicy:
    """The policy that was told in JSON, where a tuple is a list."""
    arguments: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    return ImagePolicy(**arguments)


def _serve(policy: ImagePolicy) -> None:
    whole = replace(policy, decode="full")
    while True:
        flags, type_bytes, body_bytes = ORDER.unpack(_receive(ORDER.size))
        content_type = _receive(type_bytes).decode("utf-8", "surrogateescape") or None
        data = _receive(body_bytes)
        body = Path(os.fsdecode(data)) if flags & SPOOLED else data
        _send(answer_of(answer_to(body, whole if flags & WHOLE else policy, content_type)))


def _receive(count: int) -> bytes:
    """Exactly so many bytes. Raises EOFError when the parent has gone."""
    parts, missing = [], count
    while missing:
        part = os.read(_SOCKET, min(missing, _READ_BYTES))
        if not part:
            raise EOFError
        parts.append(part)
        missing -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _send(pieces: list[bytes]) -> None:
    data = memoryview(b"".join(pieces))
    while data:
        data = data[os.write(_SOCKET, data) :]


def _die_with(parent: int) -> None:
    """Have the kernel end this process when the parent ends (Linux; elsewhere the end of its orders does, later)."""
    with suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit("the parent has gone already")


def _limit(max_bytes: int) -> None:
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")  # proc(5): half of what makes a process the first to go
    _lower(resource.RLIMIT_AS, _mapped_bytes() + max_bytes)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, 0)


def _mapped_bytes() -> int:
    """The address space that is in use already; 0 where the system does not tell."""
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    return 0


def _lower(kind: int, most: int) -> None:
    _, hard = resource.getrlimit(kind)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, most))
