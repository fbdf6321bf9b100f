"""What the parts share: the command, the server's process, and whether a destination keeps the promises."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asynccrawl.ledger import FILE_NAME, manifest, reading, row_of

from .site import pictures

OPEN = ("--allow-net", "127.0.0.0/8")
SITE = Path(__file__).with_name("site.py")
_HIDDEN = (".asynccrawl.tmp", FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm", f"{FILE_NAME}-journal", "lost+found")


class Broken(Exception):
    """A promise that was not kept. The message says which, and where."""


class Unable(Exception):
    """This machine lacks what a part needs. The message says what."""


def command(*words: object) -> list[str]:
    """The words that start `asynccrawl`."""
    return [sys.executable, "-m", "asynccrawl", *map(str, words)]


def ran(*words: object, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The command's whole run."""
    return subprocess.run(
        command(*words), capture_output=True, text=True, check=False, env={**os.environ, **(environment or {})}
    )


@contextlib.contextmanager
def started(
    words: list[str], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own; whatever is left of it is killed at the end."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            words, stdout=file, stderr=file, start_new_session=True, env={**os.environ, **(environment or {})}
        )
        try:
            yield process
        finally:
            kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """kill -9 for a process and all that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Site:
    """The server's process. `order` is what `site.py` is told."""

    def __init__(self, **order: Any) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(SITE), json.dumps(order)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
        told = self._told()
        self.port, self.nameserver, self.hosts = told["port"], told["nameserver"], told["hosts"]

    def __enter__(self) -> Site:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def asked(self) -> dict[str, int]:
        """How often each path was requested since the last call."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return dict(self._told())

    def _told(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("the server's process has ended; its message is above")
        return json.loads(line)


@dataclass(frozen=True)
class Task:
    """A list of `records` pictures on a site, of `labels` classes."""

    site: Site
    records: int
    labels: int = 9

    def path(self, number: int) -> str:
        """Where a picture has to be."""
        return f"n{number % self.labels:02d}/n{number % self.labels:02d}_{number}.jpg"

    def write(self, file: Path) -> None:
        """Write the list."""
        served = pictures(self.records)
        hosts, port = self.site.hosts, self.site.port
        with file.open("w") as lines:
            for n in range(self.records):
                name = Path(self.path(n)).stem
                lines.write(f"{name} http://{hosts[n % len(hosts)]}:{port}{served.path(n)}\n")

    def wanted(self, without: Any = lambda number: False) -> dict[str, bytes]:
        """All files and their bytes, but for the numbers that `without` names."""
        served = pictures(self.records)
        return {self.path(n): served.data(n) for n in range(self.records) if not without(n)}


def tree(dest: Path) -> dict[str, bytes]:
    """Everything that is visible in the destination."""
    found: dict[str, bytes] = {}
    for directory, names, files in os.walk(dest):
        names[:] = [name for name in names if name not in _HIDDEN]
        for name in files:
            if name not in _HIDDEN:
                path = Path(directory) / name
                found[str(path.relative_to(dest))] = path.read_bytes()
    return found


def rows(dest: Path) -> list[dict[str, Any]]:
    """The manifest."""
    with reading(dest / FILE_NAME) as connection:
        return [row_of(outcome) for outcome in manifest(connection)]


def check_whole(dest: Path, wanted: Mapping[str, bytes], what: str) -> dict[str, bytes]:
    """Every visible file is one of the wanted, whole. Raises Broken; returns what is visible."""
    visible = tree(dest)
    bad = sorted(path for path, data in visible.items() if wanted.get(path) != data)
    if bad:
        raise Broken(f"{what}: {len(bad)} visible files are not what they should be: {', '.join(bad[:5])}")
    return visible


def check_agreed(dest: Path, wanted: Mapping[str, bytes], what: str) -> None:
    """The tree is the wanted one, and the manifest says the same, hashes included. Raises Broken."""
    visible = check_whole(dest, wanted, what)
    if missing := sorted(set(wanted) - set(visible)):
        raise Broken(f"{what}: {len(missing)} files are missing: {', '.join(missing[:5])}")
    recorded = {row["path"]: row["sha256"] for row in rows(dest) if row["status"] == "saved"}
    if recorded != {path: hashlib.sha256(data).hexdigest() for path, data in visible.items()}:
        raise Broken(f"{what}: manifest and files differ")
