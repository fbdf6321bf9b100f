"""Bits, and the units (OBUs) that AV1 data are made of (specification, 4.10 and 5.3)."""

from __future__ import annotations

from collections.abc import Iterator

_FORBIDDEN, _SIZED = 0x80, 2
"""Bits of a unit's header: the one that is zero, and the one by which it has a size, without which libaom is lost."""
_LONGEST = 512
"""Bytes of a header that are looked at: with film grain it may have some two hundred."""


class Unsure(Exception):
    """It is none of the headers that are followed."""


class Bits:
    """A row of bits, read from the top of each byte. Called with a count, it gives the next ones as a number.

    `at`: how many have been read. Raises Unsure behind the end.
    """

    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.length = int.from_bytes(data), 0, 8 * len(data)

    def __call__(self, count: int = 1) -> int:
        self.at += count
        if self.at > self.length:
            raise Unsure
        return self.data >> (self.length - self.at) & (1 << count) - 1

    def signed(self, count: int) -> int:
        """The next bits as a number in two's complement."""
        value = self(count)
        return value - (1 << count) if value >> (count - 1) else value

    def skip(self, *counts: int) -> None:
        """Pass over so many bits, and so many more. Raises Unsure behind the end."""
        for count in counts:
            self(count)


def units(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The OBUs: type, and how their payload begins (5.3). The type is -1 where a header is none that libaom takes."""
    at = 0
    while at < len(data):
        head, at = data[at], at + (2 if data[at] & 4 else 1)
        if head & _FORBIDDEN or not head & _SIZED:
            yield -1, b""
            return
        size, shift, more = 0, 0, True
        while more:
            size, more = size | (data[at] & 0x7F) << shift, bool(data[at] & 0x80)
            shift, at = shift + 7, at + 1
        yield head >> 3 & 15, data[at : at + min(size, _LONGEST)]
        at += size
