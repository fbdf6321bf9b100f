"""GIFs as other encoders write them, code by code: without a clear code, without an end code, with a full table."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

FULL = 4096


@dataclass(frozen=True)
class Style:
    """How an encoder goes about it: `clear_after`: so many codes a clear code comes, 0 for when the table is full only;
    `deferred`: not even then.
    """

    first_clear: bool = True
    end: bool = True
    clear_after: int = 0
    deferred: bool = False


class _Codes:
    """Codes, each in as many bits as the table then needs."""

    def __init__(self, bits: int) -> None:
        self.bits, self.number, self.length = bits, 0, 0
        self.restart()

    def restart(self) -> None:
        self.table = {(value,): value for value in range(1 << self.bits)}
        self.free, self.width = (1 << self.bits) + 2, self.bits + 1

    def put(self, code: int) -> None:
        self.number |= code << self.length
        self.length += self.width

    def add(self, string: tuple[int, ...]) -> None:
        if self.free < FULL:
            self.table[string] = self.free
            self.width += self.free == 1 << self.width and self.width < 12
            self.free += 1

    def clear(self) -> None:
        self.put(1 << self.bits)
        self.restart()


def coded(pixels: Iterable[int], bits: int, style: Style = Style()) -> bytes:
    """The pixels as LZW codes, not in blocks yet."""
    codes, string, count = _Codes(bits), (), 0
    if style.first_clear:
        codes.put(1 << bits)
    for pixel in pixels:
        if (longer := (*string, pixel)) in codes.table:
            string = longer
            continue
        codes.put(codes.table[string])
        codes.add(longer)
        count += 1
        full = codes.free == FULL and not style.deferred
        if full or (style.clear_after and count % style.clear_after == 0):
            codes.clear()
        string = (pixel,)
    codes.put(codes.table[string])
    codes.add((-1,))
    if style.end:
        codes.put((1 << bits) + 1)
    return codes.number.to_bytes((codes.length + 7) // 8, "little")


def gif(
    size: tuple[int, int],
    bits: int,
    data: bytes,
    *,
    before: bytes = b"",
    screen: bytes = b"",
    table: bytes | None = None,
    own: bytes = b"",
    block: int = 255,
    interlaced: bool = False,
) -> bytes:
    """A GIF with one frame of that code size. `before`: its extensions; `screen`: its first part, if not the usual one;
    `table` and `own`: the colours of all and of the frame, by default of all there can be.
    """
    colours = (bytes(range(256)) * 6)[: 3 << bits] if table is None else table
    head = screen or struct.pack("<6sHHBBB", b"GIF89a", *size, _flags(colours), 0, 0)
    frame = struct.pack("<BHHHHB", 0x2C, 0, 0, *size, _flags(own) | (0x40 if interlaced else 0))
    blocks = b"".join(bytes([len(data[at : at + block])]) + data[at : at + block] for at in range(0, len(data), block))
    return head + colours + before + frame + own + bytes([bits]) + blocks + b"\0;"


def _flags(table: bytes) -> int:
    return 0x80 | (len(table) // 3 - 1).bit_length() - 1 if table else 0
