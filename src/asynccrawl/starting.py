"""The first moments of the command: a signal that comes while modules are imported ends it quietly.

Imported before everything else, and importing next to nothing itself. Only where this process is the command: a program
that imports the package keeps its own signal handlers. What comes before, Python's own start and the first lines of the
script that pip writes, is nobody's to change; there Ctrl-C ends it with Python's traceback.
"""

from __future__ import annotations

import os
import signal
import sys
from itertools import pairwise

TYPE_CHECKING = False  # of type checkers; importing it from typing takes as long as all the rest
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

_SIGNALS: dict[int, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
"""With what Python handles them by itself; who has set anything else, such as nohup, has a reason."""


def is_command(argv: list[str], original: list[str]) -> bool:
    """Whether `sys.argv` and `sys.orig_argv` are those of `asynccrawl` or `python -m asynccrawl`."""
    if argv[:1] == ["-m"]:  # while the package is imported for its __main__
        return ("-m", "asynccrawl") in pairwise(original)
    return os.path.basename(argv[0] if argv else "") == "asynccrawl"  # noqa: PTH119 -- pathlib takes 5 ms


def stop_at_once() -> None:
    """From now on a signal ends the process where it stands, with 128 and its number: nothing has begun, or all is
    done.
    """
    for number, usual in _SIGNALS.items():
        if signal.getsignal(number) in (usual, _unwind):
            signal.signal(number, _leave)


def unwind() -> None:
    """From now on a signal raises an exception, so that whoever works can tidy up."""
    for number, usual in _SIGNALS.items():
        if signal.getsignal(number) is _leave:
            signal.signal(number, _unwind if usual == signal.SIG_DFL else usual)


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)


def _unwind(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


if is_command(sys.argv, sys.orig_argv):
    stop_at_once()
