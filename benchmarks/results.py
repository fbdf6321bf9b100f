"""What was measured, as a file that can be compared later: on which machine, with which versions, of which commit."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

_PACKAGES = ("asynccrawl", "aiohttp", "uvloop", "pillow", "simplejpeg")


def save(path: Path, scenario: str, rows: Sequence[Mapping[str, Any]], told: Mapping[str, Any]) -> None:
    """Write one scenario's rows, and `told`: what it was told to do, in words and numbers."""
    what = {"scenario": scenario, "when": datetime.now(UTC).isoformat(timespec="seconds"), **about()}
    path.write_text(json.dumps({**what, "told": dict(told), "rows": list(map(dict, rows))}, indent=1, default=str))


def about() -> dict[str, Any]:
    """The machine, the versions, the commit."""
    packages = {}
    for name in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            packages[name] = version(name)
    machine = {
        "processor": _processor(), "cores": os.cpu_count(), "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.release()}", "python": platform.python_version(),
    }  # fmt: skip
    return {"machine": machine, "versions": packages, "commit": _commit()}


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    with contextlib.suppress(OSError):
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return ""
