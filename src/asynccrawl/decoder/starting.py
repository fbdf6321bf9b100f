"""Starts decoder processes, and sees them off. Everything here blocks for milliseconds: call it in a thread.

A process ends with the *thread* that started it (prctl(2), PR_SET_PDEATHSIG), so that thread has to live as long.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from ..settings import ImagePolicy

_BEGIN = """
import json, os, sys, types
told = json.loads(sys.argv[1])
sys.path[:] = told["path"]
for name, path in told["packages"].items():
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = path
try:
    from asynccrawl.decoder.child import main
except BaseException as error:
    os.write(0, repr(error).encode("utf-8", "replace"))
    raise SystemExit(1)
main(told["parent"], told["policy"])
"""
"""What a child runs. Packages stand in sys.modules without their __init__: it needs little of them, and starts in a
tenth of a second. Whatever the user's program is, it is not imported again.
"""
_KEPT = ("LD_", "DYLD_", "LC_", "LANG", "PYTHONHOME", "SYSTEMROOT")
"""Beginnings of the environment variables that a child gets: what libraries and file names need, and no secrets."""
_WAIT_SECONDS = 1.0
_BUFFER_BYTES = 2**20


def start(policy: ImagePolicy) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """A new decoder process, and our end of its socket (not blocking). Raises OSError."""
    if not sys.executable or getattr(sys, "frozen", False):
        raise OSError("this program brings no Python interpreter along that could be started")
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            process = subprocess.Popen(
                [sys.executable, "-S", "-P", "-c", _BEGIN, json.dumps(_told(policy))],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=_environment(os.environ),
                cwd="/",
                start_new_session=True,  # the terminal's signals are not for it
            )
        except BaseException:
            ours.close()
            raise
    ours.setblocking(False)
    with suppress(OSError):
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
    return process, ours


def _told(policy: ImagePolicy) -> dict[str, object]:
    here = Path(__file__).parent
    return {
        "parent": os.getpid(),
        "path": [str(Path(entry).absolute()) for entry in sys.path],
        "packages": {
            "asynccrawl": [str(here.parent)],
            "asynccrawl.decoder": [str(here)],
            "asynccrawl.imaging": [str(here.parent / "imaging")],
        },
        "policy": asdict(policy),
    }


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    # One arena: a library's threads would reserve 64 MiB of address space each, which is bounded. No threads for the
    # algebra of numpy: they are started when it is imported, and wait busily for work that nobody has.
    alone = {"MALLOC_ARENA_MAX": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {name: value for name, value in ours.items() if name.startswith(_KEPT)} | alone


def bury(process: subprocess.Popen[bytes]) -> str:
    """End a process if it has not ended, and say how it has."""
    try:
        process.wait(_WAIT_SECONDS)
    except subprocess.TimeoutExpired:
        end(process)
    return _how(process.returncode)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process at once. Of one that the system cannot end now, nothing more is heard."""
    process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_WAIT_SECONDS)


def _how(code: int | None) -> str:
    if code is None:
        return "could not be ended"
    if code >= 0:
        return f"ended with exit status {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
