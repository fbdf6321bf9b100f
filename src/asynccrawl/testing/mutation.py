"""Pictures that somebody has tampered with who knows how they are built: what a decoder must survive.

`damage` does what happens to files by accident. Here whole parts (segments, chunks, blocks, boxes, entries) are left
out, doubled, swapped and replaced, lengths and dimensions lie, checksums are put right again. Everything is drawn from
a seed, so that any finding can be made again.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Iterator

from .damage import mutants

_EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFF6)
_Parts = list[bytes]


def mutant(data: bytes, format_: str, seed: int | str) -> bytes:
    """One variant of a picture of that format, the same for the same seed; its bytes may agree by chance."""
    rng = random.Random(f"mutant/{seed}")
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = rng.choice(_KINDS)(data, format_, rng)
    return data


def tampered(data: bytes, format_: str, count: int, seed: int = 0) -> Iterator[bytes]:
    """`count` variants of a picture."""
    return (mutant(data, format_, f"{seed}/{number}") for number in range(count))


def parts(data: bytes, format_: str) -> _Parts:
    """The picture in the parts that it is built of; joined they are `data` again. What is damaged is one part."""
    cuts: list[int] = []
    try:
        for at in _ENDS[format_](data):
            if not at > (cuts[-1] if cuts else 0) or at >= len(data):
                break
            cuts.append(at)
    except (IndexError, struct.error):
        pass
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


# --- where parts end


def _jpeg(data: bytes) -> Iterator[int]:
    at = 2
    yield at
    while data[at] == 0xFF and data[at + 1] != 0xDA:
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        yield at
    yield at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    yield len(data) - 2


def _png(data: bytes) -> Iterator[int]:
    at = 8
    while at < len(data):
        yield at
        at += 12 + int(struct.unpack(">I", data[at : at + 4])[0])


def _riff(data: bytes) -> Iterator[int]:
    at = 12
    while at < len(data):
        yield at
        size = int(struct.unpack("<I", data[at + 4 : at + 8])[0])
        at += 8 + size + size % 2


def _gif(data: bytes) -> Iterator[int]:
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    yield at
    while data[at] in (0x21, 0x2C):
        flags = data[at + 9] if data[at] == 0x2C else 0
        at += 2 if data[at] == 0x21 else 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        while data[at]:
            at += 1 + data[at]
        at += 1
        yield at


def _boxes(data: bytes) -> Iterator[int]:
    """Boxes, and those inside of `meta` and its `iprp`, where the properties of an AVIF are."""
    at, inside = 0, {b"meta": 12, b"iprp": 8, b"ipco": 8, b"moov": 8, b"trak": 8, b"mdia": 8}
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        at += inside.get(kind, max(8, int(size)))
        yield at


def _tiff(data: bytes) -> Iterator[int]:
    order = "<" if data[:2] == b"II" else ">"
    at = int(struct.unpack(f"{order}I", data[4:8])[0])
    yield at
    for number in range(int(struct.unpack(f"{order}H", data[at : at + 2])[0]) + 1):
        yield at + 2 + 12 * number


def _bmp(data: bytes) -> Iterator[int]:
    yield 14
    yield 14 + int(struct.unpack("<I", data[14:18])[0])
    yield int(struct.unpack("<I", data[10:14])[0])


_ENDS: dict[str, Callable[[bytes], Iterator[int]]] = {
    "jpeg": _jpeg, "png": _png, "webp": _riff, "gif": _gif, "avif": _boxes, "tiff": _tiff, "bmp": _bmp,
}  # fmt: skip

# --- what is done to them


def _bytes(data: bytes, format_: str, rng: random.Random) -> bytes:
    return next(mutants(data, 1, rng.randrange(2**32)))


def _cut(data: bytes, format_: str, rng: random.Random) -> bytes:
    return data[: rng.randint(0, len(data))]


def _among_parts(change: Callable[[_Parts, int, random.Random], None]) -> Callable[[bytes, str, random.Random], bytes]:
    def _changed(data: bytes, format_: str, rng: random.Random) -> bytes:
        pieces = parts(data, format_)
        change(pieces, rng.randrange(len(pieces)), rng)
        return b"".join(pieces)

    return _changed


def _leave_out(pieces: _Parts, at: int, rng: random.Random) -> None:
    del pieces[at]


def _repeat(pieces: _Parts, at: int, rng: random.Random) -> None:
    pieces[at:at] = [pieces[at]] * rng.choice((1, 1, 2, 50))


def _swap(pieces: _Parts, at: int, rng: random.Random) -> None:
    other = rng.randrange(len(pieces))
    pieces[at], pieces[other] = pieces[other], pieces[at]


def _replace(pieces: _Parts, at: int, rng: random.Random) -> None:
    pieces[at] = pieces[rng.randrange(len(pieces))]


def _insert(pieces: _Parts, at: int, rng: random.Random) -> None:
    pieces.insert(at, rng.randbytes(rng.choice((1, 4, 12, 300, 70_000))))


def _cut_inside(pieces: _Parts, at: int, rng: random.Random) -> None:
    pieces[at] = pieces[at][: rng.randint(0, len(pieces[at]))]


def _lie(data: bytes, format_: str, rng: random.Random) -> bytes:
    """A number in the first bytes of a part becomes an extreme one: a length, a count, a width. PNG's sums agree."""
    pieces = parts(data, format_)
    at = rng.randrange(len(pieces))
    part = bytearray(pieces[at])
    if len(part) > 4:
        where, size = rng.randrange(min(len(part) - 4, 40)), rng.choice((1, 2, 4))
        number = rng.choice(_EXTREMES) if rng.random() < 0.7 else rng.randrange(2**32)
        part[where : where + size] = (number & (1 << 8 * size) - 1).to_bytes(size, rng.choice(("big", "little")))
    pieces[at] = bytes(part)
    return with_sums(b"".join(pieces)) if format_ == "png" else b"".join(pieces)


def with_sums(png: bytes) -> bytes:
    """A PNG whose chunks have the right checksums, as far as its lengths can be followed."""
    fixed = [png[:8]]
    for chunk in parts(png, "png")[1:]:
        sound = len(chunk) >= 12 and int.from_bytes(chunk[:4], "big") == len(chunk) - 12
        fixed.append(chunk[:-4] + struct.pack(">I", zlib.crc32(chunk[4:-4])) if sound else chunk)
    return b"".join(fixed)


_KINDS: tuple[Callable[[bytes, str, random.Random], bytes], ...] = (
    _bytes, _bytes, _cut, _lie, _lie, _lie,
    *map(_among_parts, (_leave_out, _repeat, _swap, _replace, _insert, _cut_inside)),
)  # fmt: skip
