"""Stand-ins for the network and the decoder, for tests of what lies behind them. Checked against the real ones."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from ..errors import FetchError, InvalidImage
from ..imaging import Facts
from ..models import Failure, Hop, Reason, Record, Response

Answer = Response | FetchError | bytes | str
"""What a fake server says: a whole Response, an error, a body, or (as `str`) a Location to go to."""


class FakeFetcher:
    """Answers hops from a script, without a network.

    `answers` maps a URL to an Answer, or to a list of them for its first, second, ... request (the last one repeats);
    or it is a function from Hop to Answer. An unknown URL is a 404. `started` lists the hops in order, `most` has the
    largest number in flight over all and per host, and `gate`, where given, holds every answer back until it is set.
    """

    def __init__(
        self,
        answers: Mapping[str, Answer | Sequence[Answer]] | Callable[[Hop], Answer],
        gate: asyncio.Event | None = None,
    ) -> None:
        self._answers = answers
        self._gate = gate
        self._asked: Counter[str] = Counter()
        self._in_flight: Counter[str] = Counter()
        self.started: list[Hop] = []
        self.most: Counter[str] = Counter()

    async def fetch(self, hop: Hop, heard: Callable[[], None] = lambda: None) -> Response:
        """The scripted answer to `hop`, or its FetchError; like the real one it ends within the hop's deadline."""
        self.started.append(hop)
        self._enter(hop.host, 1)
        try:
            async with asyncio.timeout(hop.seconds_left):
                await (self._gate.wait() if self._gate else asyncio.sleep(0))
            heard()
            return _response(hop, self._answer(hop))
        except TimeoutError:
            raise FetchError(Reason.TIMEOUT, True, "no complete answer within the deadline") from None
        finally:
            self._enter(hop.host, -1)

    async def aclose(self) -> None:
        """Nothing to close."""

    def _enter(self, host: str, n: int) -> None:
        for key in (host, ""):
            self._in_flight[key] += n
            self.most[key] = max(self.most[key], self._in_flight[key])

    def _answer(self, hop: Hop) -> Answer:
        if callable(self._answers):
            return self._answers(hop)
        script = self._answers.get(hop.url)
        if script is None:
            return FetchError(Reason.HTTP_404, False, "the server answered 404", http_status=404)
        turn = self._asked[hop.url]
        self._asked[hop.url] += 1
        if isinstance(script, list | tuple):
            return cast(Answer, script[min(turn, len(script) - 1)])
        return cast(Answer, script)


def _response(hop: Hop, answer: Answer) -> Response:
    if isinstance(answer, FetchError):
        raise answer
    if isinstance(answer, bytes):
        return Response(hop.url, 200, data=answer, size=len(answer), content_type="image/jpeg")
    if isinstance(answer, str):
        return Response(hop.url, 302, location=answer)
    return answer


class FakeDecoder:
    """Takes every body for a 1x1 JPEG, but those that begin with `bad`, which are corrupt."""

    async def examine(self, body: bytes | Path, content_type: str | None, whole: bool = False) -> Facts:
        """The facts of a picture that nobody looks at."""
        data = body if isinstance(body, bytes) else await asyncio.to_thread(body.read_bytes)
        if data.startswith(b"bad"):
            raise InvalidImage(Reason.CORRUPT, "it begins with bad")
        return Facts("jpeg", "jpg", 1, 1, "RGB", len(data), hashlib.sha256(data).hexdigest(), None)

    def story(self) -> list[str]:
        """Nothing to tell."""
        return []

    async def aclose(self) -> None:
        """Nothing to close."""


class MemoryBacklog:
    """A backlog in memory: what was entered and not yet ended, by host, in list order."""

    def __init__(self) -> None:
        self.records: dict[int, Record] = {}
        self.put_backs: list[tuple[int, FetchError, int]] = []
        self.holds: dict[str, float] = {}

    async def enter(self, batch: Sequence[Record | Failure]) -> Sequence[Record | Failure]:
        """Remember records; all of them are to be done."""
        self.records.update({item.ordinal: item for item in batch if isinstance(item, Record)})
        return batch

    async def take(self, host: str, after: int, n: int) -> Sequence[Record]:
        """The next `n` records of `host` after the ordinal `after`."""
        await asyncio.sleep(0)
        return [r for _, r in sorted(self.records.items()) if r.host == host and r.ordinal > after][:n]

    async def hold(self, host: str, until: float) -> None:
        """Note that the host wants no request before then."""
        self.holds[host] = until

    async def put_back(self, record: Record, error: FetchError, attempts: int, not_before: float | None) -> None:
        """Note that the record stays pending."""
        self.records[record.ordinal] = replace(record, tried=attempts)
        self.put_backs.append((record.ordinal, error, attempts))
