"""What goes wrong with files, done to whole ones: cut, cut and patched up, holes, wrong bytes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

ENDS = {"jpeg": b"\xff\xd9", "png": b"\0\0\0\0IEND\xaeB`\x82", "gif": b"\0;"}
"""What closes a picture, where a few bytes do. Repair tools add them to what was cut."""
SECTOR = 512
"""Bytes that a disk or a page cache loses at once, at least."""

_Damage = Callable[[bytes, int, str, random.Random], bytes]


def _cut(data: bytes, at: int, format_: str, rng: random.Random) -> bytes:
    return data[:at]


def _closed(data: bytes, at: int, format_: str, rng: random.Random) -> bytes:
    return data[:at] + ENDS.get(format_, b"")


def _zero_filled(data: bytes, at: int, format_: str, rng: random.Random) -> bytes:
    return data[:at] + bytes(len(data) - at)


def _zero_filled_and_closed(data: bytes, at: int, format_: str, rng: random.Random) -> bytes:
    end = ENDS.get(format_, b"")
    return data[:at] + bytes(max(0, len(data) - at - len(end))) + end


def _swallowed(data: bytes, at: int, format_: str, rng: random.Random) -> bytes:
    return data[:at] + data[at + rng.randint(1, max(1, (len(data) - at) // 2)) :]


def _hole(data: bytes, at: int, format_: str, rng: random.Random) -> bytes:
    length = min(SECTOR, max(1, (len(data) - at) // 2))
    return data[:at] + bytes(length) + data[at + length :]


DAMAGES: dict[str, _Damage] = {
    "cut": _cut,
    "cut and closed": _closed,
    "cut and filled with zeros": _zero_filled,
    "cut, filled and closed": _zero_filled_and_closed,
    "a part missing": _swallowed,
    "a part zeroed": _hole,
}
"""Each kind of damage at an offset. The first four lose the end of the picture, the others a part of it."""
TRUNCATIONS = tuple(DAMAGES)[:4]


def damaged(data: bytes, kind: str, at: int, format_: str, seed: int = 0) -> bytes:
    """`data` with the damage `kind` (of DAMAGES) at the offset `at`. May be `data` itself, where zeros were zeros."""
    return DAMAGES[kind](data, at, format_, random.Random(f"{seed}/{at}"))


def mutants(data: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """`count` variants with a few bytes changed, bits flipped, or stretches removed, doubled or overwritten."""
    rng = random.Random(seed)
    for _ in range(count):
        mutant = bytearray(data)
        for _ in range(rng.randint(1, 6)):
            _mutate(mutant, rng)
        yield bytes(mutant)


def _mutate(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data)) if data else 0
    end = min(len(data), at + rng.choice((1, 2, 4, 64, 1024)))
    match rng.randrange(6):
        case 0:
            data[at:end] = rng.randbytes(end - at)
        case 1 if data:
            data[at] ^= 1 << rng.randrange(8)
        case 2 if data:
            data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF))
        case 3:
            del data[at:end]
        case 4:
            data[at:at] = data[at:end]
        case _:
            data[at:end] = bytes(end - at)
