"""How the scenarios with faults are measured: one download against a server of its own, and rounds of them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contenders import Contender, Limits, Task

from asynccrawl.testing import identified

GRACE = 1.0  # seconds that a program has for storing, once it was served what it is measured by
ENDING = 15.0  # seconds that it has for ending after Ctrl-C; a try lasts at most ten
_POLL = 0.1


class Faulty:
    """A running `faulty.py`: its port, its name server, how far it is, and in the end what it saw."""

    def __init__(self, order: dict[str, Any]) -> None:
        script = Path(__file__).parent / "faulty.py"
        self._process = subprocess.Popen(
            [sys.executable, str(script), json.dumps(order)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        told = self._told()
        self.port, self.nameserver = int(told["port"]), str(told["nameserver"])

    def served(self) -> int:
        """Pictures served whole so far."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(self._told())

    def end(self) -> dict[str, Any]:
        """End it; returns what it saw."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        seen = dict(self._told())
        self._process.wait()
        return seen

    def kill(self) -> None:
        """End it anyhow."""
        self._process.kill()
        self._process.wait()

    def _told(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("faulty.py ended before its time; its message is above")
        return json.loads(line)


@dataclass(frozen=True)
class Scenario:
    """One case: the order for the server, the URLs as (host, path), limits, and how long one run may last.

    `wanted`: pictures after which a run is stopped, since the rest is not measured; None lets it come to its end.
    """

    order: dict[str, Any]
    urls: Sequence[tuple[int, str]]
    limits: Limits
    cap: float
    wanted: int | None = None
    identifying: bool = True


@dataclass(frozen=True)
class Run:
    """What came of one download: what the server saw, the pictures on disk that are right, and the files that are not.

    `done` is False when it had not come to its end, or had not been served what was wanted, within the cap.
    """

    seen: dict[str, Any]
    saved: int
    wrong: int
    done: bool


def run(contender: Contender, scenario: Scenario, root: Path) -> Run:
    """One download into a new directory, from a new server.

    The directory stays as long as `root`: ext4 makes new files slowly for minutes where many were deleted.
    """
    server = Faulty(scenario.order)
    room = Path(tempfile.mkdtemp(dir=root))
    try:
        hosts = _hosts(scenario.order["hosts"], contender.by_name)
        urls = [f"http://{hosts[host]}:{server.port}{path}" for host, path in scenario.urls]
        task = Task(urls, room, scenario.limits, server.nameserver if contender.by_name else None)
        done = _carried_out(contender.words(task), task, scenario, server)
        seen = server.end()
        right, wrong = _checked(contender.files(task), set(urls), scenario.identifying)
        run = Run(seen, right, wrong, done)
        if not right and (done or not seen["requests"]):
            raise SystemExit(f"{contender.name} saved nothing: {run}\n{_tail(room)}")
        assert right <= seen["pictures"], f"{contender.name} has more pictures than were served: {run}"
        return run
    finally:
        server.kill()


def _hosts(count: int, by_name: bool) -> list[str]:
    if by_name:
        return [f"host{n}.example" for n in range(count)]
    return [f"127.0.{(n + 1) // 256}.{(n + 1) % 256}" for n in range(count)]


def _carried_out(words: list[str], task: Task, scenario: Scenario, server: Faulty) -> bool:
    until, done = time.monotonic() + scenario.cap, False
    with (task.room / "log").open("wb") as log, _started(words, log) as process:
        while time.monotonic() < until and not done:
            ended = process.poll() is not None
            done = server.served() >= scenario.wanted if scenario.wanted is not None else ended
            if ended:
                return done
            time.sleep(_POLL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
    return done


@contextlib.contextmanager
def _started(words: list[str], log: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A program in a session of its own, so that it ends with all that it has started."""
    process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(ENDING)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _checked(files: dict[str, Path], urls: set[str], identifying: bool) -> tuple[int, int]:
    right = sum(url in urls and _whole(path, url if identifying else None) for url, path in files.items())
    return right, len(files) - right


def _whole(path: Path, url: str | None) -> bool:
    data = path.read_bytes()
    if not data.endswith(b"\xff\xd9"):
        return False
    try:
        return url is None or identified(data) == url
    except (ValueError, OSError):
        return False


def _tail(room: Path) -> str:
    return (room / "log").read_text(errors="replace")[-2000:]


def turned(rows: Sequence[Contender], number: int) -> list[Contender]:
    """The rows of those that are here, in an order that rotates with the round."""
    there = [row for row in rows if not row.missing]
    turn = number % max(1, len(there))
    return there[turn:] + there[:turn]


def measured(
    rows: Sequence[Contender], scenario: Scenario, rounds: int, root: Path, warm: bool
) -> dict[str, list[Run]]:
    """The runs of each row, interleaved. The first round warms up; what is not done within the cap runs but once."""
    runs: dict[str, list[Run]] = {row.name: [] for row in rows}
    for number in range(rounds + warm):
        for row in turned(rows, number):
            if not all(run.done for run in runs[row.name]):
                continue
            made = run(row, scenario, root)
            if number >= warm or not made.done:
                runs[row.name].append(made)
    return runs
