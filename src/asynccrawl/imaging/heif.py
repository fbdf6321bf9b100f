"""Where the pictures of an AVIF are coded (ISO 14496-12, 23008-12): its items, and the first sample of each track."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from .buffer import Buffer

_FULL = 4
"""Version and flags, with which some boxes begin."""
_CODED = b"av01"
_WRAPPERS = (b"moov", b"trak", b"mdia", b"minf")
_SAMPLE_ENTRY = 78
"""Bytes of a video's sample entry before the boxes in it."""


class Box(NamedTuple):
    """A box: its kind, and where its content begins and ends."""

    kind: bytes
    start: int
    end: int


class Coded(NamedTuple):
    """A picture as it is coded, and what its `av1C` box says of it (empty if there is none)."""

    data: bytes
    config: bytes


@dataclass(slots=True)
class _Items:
    """What a `meta` box has of its items, by their numbers."""

    primary: int = 0
    kinds: dict[int, bytes] = field(default_factory=dict)
    places: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    properties: dict[int, list[Box]] = field(default_factory=dict)


def coded(data: Buffer) -> list[Coded]:
    """The coded pictures: of items in the order of the file, then of tracks. Raises IndexError and struct.error."""
    return [*_within(data, 0, len(data))]


def boxes(data: Buffer, at: int, end: int) -> Iterator[Box]:
    """The boxes between two offsets; what is none, or runs over the end, ends them."""
    while at + 8 <= end:
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        start = at + 8
        if size == 1:
            (size,) = struct.unpack(">Q", data[at + 8 : at + 16])
            start = at + 16
        size = size or end - at
        if size < start - at or at + size > end:
            return
        yield Box(kind, start, at + size)
        at += size


def _within(data: Buffer, at: int, end: int) -> Iterator[Coded]:
    for kind, start, stop in boxes(data, at, end):
        if kind == b"meta":
            yield from _of_items(data, _items(data, start + _FULL, stop))
        elif kind in _WRAPPERS:
            yield from _within(data, start, stop)
        elif kind == b"stbl":
            yield from _of_track(data, {box.kind: box for box in boxes(data, start, stop)})


def waits_for_colours(data: Buffer, head: int) -> bool:
    """Whether the colours of a still picture are told by its coded data alone, and those begin behind its first `head`
    bytes, while all its boxes are within them. Raises IndexError and struct.error.
    """
    meta = next((box for box in boxes(data, 0, len(data)) if box.kind == b"meta"), None)
    if meta is None or meta.end > head:
        return False
    items = _items(data, meta.start + _FULL, meta.end)
    named = [box for box in items.properties.get(items.primary, ()) if box.kind == b"colr"]
    if any(data[box.start : box.start + 4] == b"nclx" for box in named):
        return False
    coded_items = [number for number, kind in items.kinds.items() if kind == _CODED]
    if items.primary in coded_items:
        coded_items = [items.primary]  # and else it is a grid of the others
    return any(items.places[number][0][0] > head for number in coded_items[:1] if items.places.get(number))


# --- items


def _of_items(data: Buffer, items: _Items) -> Iterator[Coded]:
    for number, places in items.places.items():
        if items.kinds.get(number) == _CODED and places:
            body = b"".join(bytes(data[at : at + length]) for at, length in places)
            yield Coded(body, _configuration(data, items.properties.get(number, [])))


def _configuration(data: Buffer, properties: list[Box]) -> bytes:
    return next((bytes(data[box.start : box.end]) for box in properties if box.kind == b"av1C"), b"")


def _items(data: Buffer, at: int, end: int) -> _Items:
    items, found = _Items(), {box.kind: box for box in boxes(data, at, end)}
    if box := found.get(b"pitm"):
        items.primary = _number(data, box.start + _FULL, 4 if data[box.start] else 2)
    if box := found.get(b"iinf"):
        items.kinds = dict(_kinds(data, box))
    if box := found.get(b"iloc"):
        inside = found[b"idat"].start if b"idat" in found else 0
        items.places = dict(_places(data, box, inside))
    if box := found.get(b"iprp"):
        items.properties = _properties(data, box)
    return items


def _kinds(data: Buffer, box: Box) -> Iterator[tuple[int, bytes]]:
    """Each item's number and type (23008-12 has `av01` for AV1; only version 2 and 3 of an entry have a type)."""
    for entry in boxes(data, box.start + _FULL + (4 if data[box.start] else 2), box.end):
        if entry.kind == b"infe" and data[entry.start] >= 2:
            wide = 2 if data[entry.start] == 2 else 4
            at = entry.start + _FULL
            yield _number(data, at, wide), bytes(data[at + wide + 2 : at + wide + 6])


def _places(data: Buffer, box: Box, inside: int) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Each item's extents, as offset and length (14496-12, 8.11.3). `inside`: where the content of `idat` begins."""
    version = data[box.start]
    sizes = _number(data, box.start + _FULL, 2)
    wide_offset, wide_length, wide_base, wide_index = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15, sizes & 15
    wide = 2 if version < 2 else 4
    at = box.start + _FULL + 2 + wide
    for _ in range(_number(data, at - wide, wide)):
        number, at = _number(data, at, wide), at + wide
        method = 0
        if version:
            method, at = _number(data, at, 2) & 15, at + 2
        base = _number(data, at + 2, wide_base) + (inside if method == 1 else 0)
        at += 2 + wide_base
        count, at = _number(data, at, 2), at + 2
        extents = []
        for _ in range(count):
            at += wide_index if version else 0
            offset, length = _number(data, at, wide_offset), _number(data, at + wide_offset, wide_length)
            at += wide_offset + wide_length
            extents.append((base + offset, length or len(data) - base - offset))
        yield number, extents if method in (0, 1) else []


def _properties(data: Buffer, box: Box) -> dict[int, list[Box]]:
    """Each item's properties (23008-12, 9.3)."""
    parts = [*boxes(data, box.start, box.end)]
    known = [kind for part in parts if part.kind == b"ipco" for kind in boxes(data, part.start, part.end)]
    found: dict[int, list[Box]] = {}
    for part in (part for part in parts if part.kind == b"ipma"):
        wide = 4 if data[part.start] else 2
        step = 2 if data[part.start + 3] & 1 else 1
        at = part.start + _FULL + 4
        for _ in range(_number(data, at - 4, 4)):
            number, count, at = _number(data, at, wide), data[at + wide], at + wide + 1
            which = [_number(data, at + n * step, step) & (0x7FFF if step == 2 else 0x7F) for n in range(count)]
            found.setdefault(number, []).extend(known[n - 1] for n in which if 0 < n <= len(known))
            at += count * step
    return found


# --- tracks


def _of_track(data: Buffer, table: dict[bytes, Box]) -> Iterator[Coded]:
    """Its first sample, which is where its first chunk begins (14496-12, 8.5 to 8.7)."""
    entry = table[b"stsd"].start + _FULL + 4
    if data[entry + 4 : entry + 8] != _CODED:
        return
    places = table.get(b"stco") or table[b"co64"]
    at = _number(data, places.start + _FULL + 4, 4 if places.kind == b"stco" else 8)
    sizes = table[b"stsz"].start + _FULL
    size = _number(data, sizes, 4) or _number(data, sizes + 8, 4)
    properties = [*boxes(data, entry + 8 + _SAMPLE_ENTRY, entry + _number(data, entry, 4))]
    yield Coded(bytes(data[at : at + size]), _configuration(data, properties))


def _number(data: Buffer, at: int, wide: int) -> int:
    if at + wide > len(data):
        raise IndexError(f"no {wide} bytes at {at}")
    return int.from_bytes(data[at : at + wide], "big")
