"""The image server in a process of its own, for measurements that its work must not disturb.

The child reads what to serve from its standard input, says where it listens, ends when its input does (so it never
outlives its parent), and hands back its audit in numbers. Parent and child speak pickles: they are one program.
"""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .audit import Summary
from .behaviour import Answer, status
from .http_request import HttpRequest
from .pictures import PictureSet
from .server import ImageServer

_END_SECONDS = 10.0


@dataclass(slots=True)
class ServedPictures:
    """A running server of a PictureSet: its `port` and `hosts`, and once it has ended the `summary` of its audit."""

    pictures: PictureSet
    port: int
    hosts: list[str]
    summary: Summary | None = None

    @property
    def urls(self) -> list[str]:
        """The URL of every picture, in order of number, dealt to the hosts in turn."""
        return [self.url(number) for number in range(self.pictures.count)]

    def url(self, number: int) -> str:
        """The URL of one picture."""
        return f"http://{self.hosts[number % len(self.hosts)]}:{self.port}{self.pictures.path(number)}"


@contextmanager
def serve_in_process(pictures: PictureSet, hosts: int = 1) -> Iterator[ServedPictures]:
    """Serve `pictures` on `hosts` loopback addresses from another process; other paths get a 404.

        with serve_in_process(PictureSet(10_000, seed=7)) as served:
            ...                                          # fetch served.urls
        assert served.summary.requests == 10_000

    Starting and ending block for some tenths of a second. Raises OSError when the process cannot start or listen.
    """
    # In a session of its own, Ctrl-C reaches the parent only, which then ends the child.
    process = subprocess.Popen(
        [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        _order(process, (pictures, hosts))
        served = ServedPictures(pictures, *_told(process))
        yield served
        _hang_up(process)
        served.summary = _told(process)
    finally:
        _end(process)


def _order(process: subprocess.Popen[bytes], order: tuple[PictureSet, int]) -> None:
    assert process.stdin is not None
    pickle.dump(order, process.stdin)
    process.stdin.flush()


def _told(process: subprocess.Popen[bytes]) -> Any:
    assert process.stdout is not None
    try:
        return pickle.load(process.stdout)
    except EOFError:
        raise OSError("the server's process ended before its time; its message is on standard error") from None


def _hang_up(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    _hang_up(process)
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()


def _say(what: object) -> None:
    pickle.dump(what, sys.stdout.buffer)
    sys.stdout.buffer.flush()


async def _serve(pictures: PictureSet, hosts: int) -> None:
    def route(request: HttpRequest) -> Answer:
        """The picture that the path numbers."""
        number = pictures.number(request.path)
        return status(404) if number is None else Answer(pictures.data(number))

    async with ImageServer(hosts) as server:
        server.route(route)
        _say((server.port, server.hosts))
        await asyncio.to_thread(sys.stdin.buffer.read)
        _say(server.audit.summary())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(*pickle.load(sys.stdin.buffer)))
