"""A small web of twenty hosts with all that real lists meet: what `asynccrawl demo` crawls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .behaviour import Answer, html_as_jpeg, too_many_requests, truncated
from .photographs import photographs
from .pictures import placeholder
from .server import ImageServer

# fmt: off
SYNSETS = (
    "n01440764", "n01498041", "n01514668", "n01622779", "n01664065", "n01669191", "n01682714", "n01795545",
    "n01980166", "n02085620", "n02088094", "n02096051", "n02097474", "n02106030", "n02107908", "n02120505",
    "n02123045", "n02130308", "n02132136", "n02134418", "n02268853", "n02444819", "n02669723", "n02701002",
    "n02799071", "n02815834", "n02823428", "n02835271", "n02977058", "n03131574", "n03379051", "n03532672",
    "n03717622", "n03792782", "n03825788", "n03887697", "n03937543", "n04070727", "n04243546", "n04367480",
    "n04487081", "n04509417", "n04540053", "n04591713", "n06794110", "n06874185", "n07720875", "n07768694",
    "n07836838", "n09472597",
)
# fmt: on
"""Fifty of the thousand ILSVRC 2012 synsets, some of each of the twelve classes among them."""

HOSTS = 20
SLOW, BUSY, DEAD = 17, 18, 19
"""Hosts that answer late, that answer 429 first, and that nobody listens on."""


class DemoSite:
    """`records` list entries over twenty loopback hosts, of which the server answers for nineteen."""

    def __init__(self, records: int = 700) -> None:
        self.records = records
        self.server = ImageServer(hosts=HOSTS - 1)

    def fill(self) -> list[str]:
        """Put pictures on the running server; returns the lines of the list, in ImageNet's form."""
        pictures = photographs(self.records)
        return [self._line(i, pictures) for i in range(self.records)]

    def _line(self, i: int, pictures: Iterator[tuple[str, bytes]]) -> str:
        kind, data = next(pictures)
        host, path = (
            (i + i // len(SYNSETS)) % HOSTS,
            f"/photos/{i:04d}.jpg",
        )  # like many real sites: always .jpg, whatever is inside
        answer = _answer(i, kind, data)
        if host == SLOW:
            answer = replace(answer, delay=0.4)
        if host == BUSY:
            self.server.add(path, too_many_requests("1"), answer)
        elif host != DEAD:
            self.server.add(path, answer)
        name = f"127.0.0.{HOSTS}" if host == DEAD else host
        return f"{SYNSETS[i % len(SYNSETS)]}_{i}\t{self.server.url(path, name)}"


def _answer(i: int, kind: str, data: bytes) -> Answer:
    if i % 9 == 4:
        return Answer(placeholder(), content_type="image/gif")
    if i % 53 == 7:
        return html_as_jpeg()
    if i % 59 == 23:
        return truncated(data)
    return Answer(data, content_type=f"image/{kind}")
