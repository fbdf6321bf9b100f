"""The segments of a JPEG: its frame, its tables, its scans, and where it ends (ITU T.81, annex B)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from ..buffer import Buffer
from ..extent import CutShort, Extent

SOF = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
DHT, SOI, EOI, SOS, DQT, DNL, DRI, TEM = 0xC4, 0xD8, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0x01
APP0, COM = 0xE0, 0xFE
SEQUENTIAL = frozenset({0xC0, 0xC1})
PROGRESSIVE = frozenset({0xC2, 0xCA})
ARITHMETIC = frozenset({0xC9, 0xCA})

_MAX_SEGMENTS = 200_000
"""Segments read before a file is called damaged: real pictures have dozens, of long recordings' frames thousands."""
_ANY_MARKER = re.compile(rb"\xff\xff*([\x01-\xfe])")
"""Any marker may have bytes of 0xFF before it, which are none of the data. (A pattern that begins with one literal byte
is searched for at the speed of memory.)
"""
_PLAIN_MODES = {1: "L", 3: "RGB"}
_JFIF, _JFIF_BYTES = b"JFIF\0", 16
"""How JFIF's segment begins, and its least length."""
_BARE = frozenset({TEM, SOI, *range(0xD0, 0xD8)})


class Component(NamedTuple):
    """A component of the frame: its name, and how often it is sampled across and down."""

    id: int
    h: int
    v: int


class Frame(NamedTuple):
    """The frame header. `at` is the offset of its length; `kind` its marker's second byte; sizes are in pixels."""

    at: int
    kind: int
    bits: int
    height: int
    width: int
    components: tuple[Component, ...]

    @property
    def unit(self) -> tuple[int, int]:
        """Width and height, in pixels, of what an interleaved scan codes at a time (MCU)."""
        return 8 * max(c.h for c in self.components), 8 * max(c.v for c in self.components)

    @property
    def units(self) -> tuple[int, int]:
        """How many of them there are, across and down."""
        across, down = self.unit
        return -(-self.width // across), -(-self.height // down)


class Scan(NamedTuple):
    """A scan: (component, DC table, AC table) of each component, the band and bits it brings, where its data begin.

    `interval`: MCUs between restart markers, 0 for none. `codes`: the segments of Huffman tables that stand before it.
    """

    components: tuple[tuple[int, int, int], ...]
    first: int
    last: int
    high: int
    low: int
    start: int
    interval: int
    codes: tuple[bytes, ...]

    @property
    def tables(self) -> dict[int, bytes]:
        """The Huffman tables in force, raw, by class and slot."""
        return {slot: table for segment in self.codes for slot, table in _huffman(segment).items()}


@dataclass(slots=True)
class Layout:
    """What has been read of a JPEG.

    `ends`: where each scan's data end; `restarts`: offsets of its restart markers; `quantisation`: offsets of those
    tables' segments; `headers`: from and to where all segments with tables reach; `told`: there are segments that tell
    more, such as EXIF; `end`: behind the end marker.
    """

    frame: Frame | None = None
    scans: list[Scan] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    restarts: list[list[int]] = field(default_factory=list)
    quantisation: list[int] = field(default_factory=list)
    headers: list[tuple[int, int]] = field(default_factory=list)
    interval: int = 0
    codes: tuple[bytes, ...] = ()
    told: bool = False
    end: int = 0

    @property
    def plain_mode(self) -> str | None:
        """The mode of a picture that says nothing of itself but its pixels; None where Pillow has to look."""
        frame = self.frame
        return None if self.told or frame is None or frame.bits != 8 else _PLAIN_MODES.get(len(frame.components))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return (self.frame.width, self.frame.height) if self.frame else (0, 0)

    @property
    def many(self) -> bool:
        """Whether the picture comes in several scans, as far as its first one tells."""
        frame = self.frame
        return frame is None or frame.kind not in SEQUENTIAL or len(self.scans[0].components) < len(frame.components)


def read_header(data: Buffer) -> Layout:
    """The segments up to the first scan's data. Raises CutShort where there is no scan."""
    layout = Layout()
    at = 2
    for _ in range(_MAX_SEGMENTS):
        at = _segment(data, at, layout)
        if layout.scans:
            if layout.frame is None:
                break
            return layout
        if layout.end:
            break
    raise CutShort("it has no frame, or no scan")


def read(data: Buffer) -> Layout:
    """All segments, up to the end-of-image marker. Raises CutShort where there is none."""
    layout = Layout()
    at = 2
    for _ in range(_MAX_SEGMENTS):
        scans = len(layout.scans)
        at = _segment(data, at, layout)
        if layout.end:
            return layout
        if len(layout.scans) > scans:
            at, restarts = _scan_end(data, at)
            layout.ends.append(at)
            layout.restarts.append(restarts)
    raise CutShort("it has more segments than a picture can have")


def _scan_end(data: Buffer, at: int) -> tuple[int, list[int]]:
    """Where the marker behind a scan's data is, and the restart markers on the way there."""
    restarts: list[int] = []
    for found in _ANY_MARKER.finditer(data, at):
        if not 0xD0 <= found[1][0] <= 0xD7:
            return found.start(), restarts
        restarts.append(found.end() - 2)
    raise CutShort("it has no end-of-image marker")


def jpeg_extent(data: Buffer) -> Extent:
    """Read to the end-of-image marker."""
    return Extent(read(data).end)


def _segment(data: Buffer, at: int, layout: Layout) -> int:
    """Read one segment from `at` on, passing over whatever stands before its marker; returns where it ends."""
    marker, at = _marker(data, at)
    if marker == EOI:
        layout.end = at
        return at
    if marker in _BARE:
        layout.told |= marker == TEM  # Pillow does not know it
        return at
    length = int.from_bytes(data[at : at + 2], "big")
    end = at + length
    if length < 2 or end > len(data):
        raise CutShort(f"a segment (0xFF{marker:02X}) runs over its end")
    if marker in SOF:
        layout.frame = _frame(data, at, marker)
    elif marker == SOS:
        layout.scans.append(_scan(data, at, layout))
    elif marker == DHT:
        layout.codes += (data[at + 2 : end],)
        layout.headers.append((at - 2, end))
    elif marker == DQT:
        layout.quantisation.append(at)
        layout.headers.append((at - 2, end))
    elif marker == DRI:
        layout.interval = int.from_bytes(data[at + 2 : at + 4], "big")
    elif marker != COM and not (marker == APP0 and length >= _JFIF_BYTES and data[at + 2 : at + 7] == _JFIF):
        layout.told = True
    return end


def _marker(data: Buffer, at: int) -> tuple[int, int]:
    """The next marker's second byte, and the offset behind it."""
    pair = data[at : at + 2]
    if len(pair) == 2 and pair[0] == 0xFF and 0 < pair[1] < 0xFF:
        return pair[1], at + 2
    found = _ANY_MARKER.search(data, at)
    if found is None:
        raise CutShort("it has no end-of-image marker")
    return found[1][0], found.end()


def _frame(data: Buffer, at: int, kind: int) -> Frame:
    bits, count = data[at + 2], data[at + 7]
    height, width = int.from_bytes(data[at + 3 : at + 5], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
    rows = [data[n : n + 3] for n in range(at + 8, at + 8 + 3 * count, 3)]
    components = tuple(Component(row[0], row[1] >> 4, row[1] & 15) for row in rows)
    if not components or not all(1 <= c.h <= 4 and 1 <= c.v <= 4 for c in components):
        raise CutShort("its frame header is damaged")
    return Frame(at, kind, bits, height, width, components)


def _scan(data: Buffer, at: int, layout: Layout) -> Scan:
    count = data[at + 2]
    rows = [data[n : n + 2] for n in range(at + 3, at + 3 + 2 * count, 2)]
    first, last, bits = data[at + 3 + 2 * count : at + 6 + 2 * count]
    components = tuple((row[0], row[1] >> 4, row[1] & 15) for row in rows)
    start = at + int.from_bytes(data[at : at + 2], "big")
    return Scan(components, first, last, bits >> 4, bits & 15, start, layout.interval, layout.codes)


def _huffman(segment: bytes) -> dict[int, bytes]:
    """The tables of a segment: class and slot -> 16 counts of codes by length, then the symbols."""
    tables, at = {}, 0
    while at + 17 <= len(segment):
        length = 16 + sum(segment[at + 1 : at + 17])
        tables[segment[at]] = segment[at + 1 : at + 1 + length]
        at += 1 + length
    return tables


def units_of(frame: Frame, scan: Scan) -> int:
    """How many MCUs a scan codes; where it holds one component alone, blocks (T.81, A.2.2)."""
    if len(scan.components) > 1 or (
        len(frame.components) == 1 and (frame.components[0].h, frame.components[0].v) == (1, 1)
    ):
        return frame.units[0] * frame.units[1]
    (component,) = (c for c in frame.components if c.id == scan.components[0][0])
    most_h, most_v = frame.unit[0] // 8, frame.unit[1] // 8
    width, height = -(-frame.width * component.h // most_h), -(-frame.height * component.v // most_v)
    return -(-width // 8) * -(-height // 8)


def missing_scan(layout: Layout) -> str | None:
    """What no scan brings of a picture that comes in several: a component, or bits of its coefficients.

    A JPEG that was cut between two scans, and closed, decodes without complaint and lacks just this.
    """
    frame = layout.frame
    if frame is None:
        return "it has no frame"
    lacking = {component.id: bytearray(b"\x10" * 64) for component in frame.components}
    for scan in layout.scans:
        first, last, low = (scan.first, min(scan.last, 63), scan.low) if frame.kind in PROGRESSIVE else (0, 63, 0)
        for id_, _, _ in scan.components:
            if id_ in lacking and first <= last:
                lacking[id_][first : last + 1] = bytes([low]) * (last + 1 - first)
    short = [id_ for id_, bits in lacking.items() if any(bits)]
    return f"no scan brings all of component {short[0]}" if short else None
