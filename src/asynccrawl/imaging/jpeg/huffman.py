"""Whether the data of a sequential scan suffice, bit by bit: the slow and exact answer for the few unclear cases.

Only lengths are followed (ITU T.81, F.2.2): a symbol says how many bits follow it and how many coefficients it covers.
Nothing is computed from them. About 0.4 us a symbol.
"""

from __future__ import annotations

from typing import NamedTuple

from .structure import Frame, Scan

_BAD = 0
_CHUNK = 64


class Measured(NamedTuple):
    """`short`: the data end before the scan's last block. `spare`: whole bytes left behind it."""

    short: bool
    spare: int


def measure(frame: Frame, scan: Scan, data: bytes, units: int) -> Measured:
    """Walk `units` MCUs of a scan whose entropy-coded `data` hold no restart marker."""
    plan = _plan(frame, scan)
    bits = _Bits(data.replace(b"\xff\x00", b"\xff"))
    for _ in range(units):
        for dc, ac in plan:
            if not bits.block(dc, ac):
                return Measured(True, 0)
    return Measured(False, bits.left() // 8)


def _plan(frame: Frame, scan: Scan) -> list[tuple[list[int], list[int]]]:
    """The tables of each block of an MCU, in order."""
    sampled = {c.id: c.h * c.v for c in frame.components}
    alone = len(scan.components) == 1
    made: dict[int, list[int]] = {}
    plan = []
    for id_, dc, ac in scan.components:
        for slot, direct in ((dc, True), (0x10 | ac, False)):
            if slot not in made:
                made[slot] = _lookup(scan.tables.get(slot, bytes(16)), direct)
        plan += [(made[dc], made[0x10 | ac])] * (1 if alone else sampled.get(id_, 1))
    return plan


def _lookup(table: bytes, direct: bool) -> list[int]:
    """For each 16 bits: 64 x the bits that a symbol and what follows take + the coefficients it covers; 0: no code."""
    found: list[int] = []
    symbols = iter(table[16:])
    for length in range(1, 17):
        for _ in range(table[length - 1]):
            symbol = next(symbols, 0)
            found += [_entry(symbol, length, direct)] * (1 << (16 - length))
    return (found + [_BAD] * 65_536)[:65_536]


def _entry(symbol: int, length: int, direct: bool) -> int:
    if direct:
        return (length + (symbol & 15)) << 6 | 1
    run, size = symbol >> 4, symbol & 15
    covered = run + 1 if size or run == 15 else 63  # the end of the block
    return (length + size) << 6 | covered


class _Bits:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._held = 0
        self._count = 0
        self._padding = 0

    def left(self) -> int:
        """Bits not passed over yet."""
        return self._count - self._padding + 8 * (len(self._data) - self._at)

    def block(self, dc: list[int], ac: list[int]) -> bool:
        """Pass over a block; False when the data end within it."""
        k, table = 0, dc
        while k < 64:
            if self._count < 48:
                self._fill()
            entry = table[self._held >> (self._count - 16) & 0xFFFF]
            # (A code that is none takes 16 bits and stands for nothing, as libjpeg has it.)
            self._count -= entry >> 6 or 16
            k += entry & 63 or 63
            if self._count < self._padding:
                return False
            table = ac
        return True

    def _fill(self) -> None:
        more = self._data[self._at : self._at + _CHUNK]
        self._at += len(more)
        self._padding += 8 * (_CHUNK - len(more))
        kept = self._held & ((1 << self._count) - 1)
        self._held = kept << (8 * _CHUNK) | int.from_bytes(more.ljust(_CHUNK, b"\0"), "big")
        self._count += 8 * _CHUNK
