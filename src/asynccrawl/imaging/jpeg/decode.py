"""Whether a JPEG decodes, and whether all of its data are there: one decode that answers both.

libjpeg fills up what is missing behind the data's end, warns, and Pillow does not pass the warning on: a JPEG that was
cut and closed with an end marker loads. So it is given two rows of MCUs more than the picture has. Where the data
suffice, the first MCU below the picture is decoded out of nothing, and repeats the colour of the last one. Where they
ran out before, libjpeg has given up on the scan, and leaves it neutral grey. What follows that MCU is grey in either
case, unless data were left over: then some were lost, or overwritten, further up. The quantisation of the mean is set
to its highest, so that nothing but an exact zero looks neutral. In the rare unclear cases `huffman` counts bits.

A scaled decode reads the whole entropy-coded stream and skips most of the inverse transform, so the rows cost next to
nothing. Where there are restart markers, they are counted, and the data behind the last one are looked at like this, as
a small picture of their own. Scans that do not hold all components have no such MCU: see `_by_scans`.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple, cast

from .. import turbo
from ..buffer import Buffer
from ..extent import CutShort
from ..formats import opener
from .huffman import measure
from .structure import ARITHMETIC, EOI, SEQUENTIAL, SOS, Frame, Layout, Scan, missing_scan, read, read_header, units_of

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_EXTRA = 2
"""Rows of MCUs below the picture: one would not show left-over data where a row is a single MCU."""
_TALLEST = 65_500
"""libjpeg's JPEG_MAX_DIMENSION."""
_MAX_MEASURED = 2**20
"""Bytes of a scan that are counted through: half a second."""
_NEUTRAL = frozenset({127, 128})
"""What zero coefficients decode to; 127 where CMYK is stored inverted."""
_PAD = b"\x55" * 8
"""So far libjpeg reads ahead. Of a few patterns tried this one made up the fewest lost blocks, one end in a hundred."""
_SETTLED = 8
"""Bytes before left-over padding that are looked at: are they of the picture, or of the padding already?"""


class _Below(NamedTuple):
    """What is seen below the picture: `short`: the data seem to have run out; `spare`: some seem to be left."""

    short: bool
    spare: bool


def prepare(data: Buffer, strict: bool) -> tuple[Layout, Buffer]:
    """A JPEG's layout, and what is to be opened in its place: `check` wants it higher than it is, where that helps.

    `strict`: it is to be decoded by the extra `turbo`. Raises CutShort.
    """
    layout = read_header(data)
    if strict or layout.many or layout.scans[0].interval:
        return layout, data
    return layout, _taller(data, layout)


def decodes(data: Buffer, layout: Layout) -> bool:
    """Whether the extra `turbo` decodes a JPEG without a warning; False where it has no opinion. Raises CutShort."""
    _whole(data, layout)
    opinion = turbo.verdict(data)
    if isinstance(opinion, str):
        raise CutShort(opinion)
    return opinion


def check(image: ImageFile, data: Buffer, layout: Layout, strict: bool) -> None:
    """Decode a JPEG that was opened as `prepare` said. Raises CutShort, and whatever Pillow raises."""
    if strict and decodes(data, layout):
        return
    layout = _whole(data, layout)
    interval = layout.scans[0].interval
    if layout.many:
        _by_scans(image, data, layout)
    elif interval:
        _by_intervals(image, data, layout)
    elif strict:
        with opener("jpeg")(io.BytesIO(_taller(data, layout))) as taller:
            _at_once(taller, data, layout)
    else:
        _at_once(image, data, layout)


def _whole(data: Buffer, layout: Layout) -> Layout:
    """The layout of all of a picture that has several scans or restart markers, none of which is missing."""
    if not (layout.many or layout.scans[0].interval):
        return layout
    layout = read(data)
    _check_restarts(data, layout)
    if lacking := missing_scan(layout):
        raise CutShort(lacking)
    return layout


def _at_once(image: ImageFile, data: Buffer, layout: Layout) -> None:
    frame = cast(Frame, layout.frame)
    if image.height == frame.height:  # the highest possible
        image.draft("L", (1, 1))
        image.load()
        return
    below = _below(image, "L", frame.unit, frame.units[1])
    if below.short and len(frame.components) > 1:
        # Black and white may look grey by chance; colours hardly ever do.
        with opener("jpeg")(io.BytesIO(_taller(data, layout))) as coloured:
            below = _below(coloured, None, frame.unit, frame.units[1])
    if any(below):
        whole = read(data)
        scan = whole.scans[0]
        _counted(frame, scan, data[scan.start : whole.ends[0]], units_of(frame, scan))


def _taller(data: Buffer, layout: Layout) -> Buffer:
    """A copy with more rows of MCUs, whose means are quantised as coarsely as can be.

    The data themselves where there is no room for more.
    """
    frame = cast(Frame, layout.frame)
    height = (frame.units[1] + _EXTRA) * frame.unit[1]
    if height > _TALLEST:
        return data
    start = layout.scans[0].start
    head = bytearray(data[:start])
    head[frame.at + 3 : frame.at + 5] = height.to_bytes(2, "big")
    for at in layout.quantisation:
        _coarse(head, at)
    with memoryview(data) as view, view[start:] as scans:
        return b"".join((head, scans))


def _coarse(copy: bytearray, at: int) -> None:
    end, at = at + int.from_bytes(copy[at : at + 2], "big"), at + 2
    while at < end:
        deep = copy[at] >> 4
        copy[at + 1] = 0x07 if deep else 0xFF
        at += 129 if deep else 65


def _below(image: ImageFile, mode: str | None, unit: tuple[int, int], rows: int) -> _Below:
    """Decode a JPEG with extra rows under its `rows` rows of MCUs, and look at them, in a mode or in all colours."""
    height = image.height
    image.draft(mode, (1, 1))
    image.load()
    step = -(-height // image.height)
    across, down = max(1, unit[0] // step), max(1, unit[1] // step)
    top = rows * down
    first = image.getpixel((0, top + down - 1))
    rest = [image.crop((0, top + down, image.width, image.height))]
    if image.width > across:
        rest.append(image.crop((across, top, image.width, top + down)))
    seen = [value for part in rest for value in _values(part.getextrema())]
    return _Below(_NEUTRAL.issuperset(_values(first)), not _NEUTRAL.issuperset(seen))


def _values(pixel: object) -> list[int]:
    if not isinstance(pixel, tuple):
        return [cast(int, pixel)]
    return [value for part in pixel for value in _values(part)]


def _counted(frame: Frame, scan: Scan, data: bytes, units: int) -> None:
    """Raise CutShort where a scan's data are not what so many MCUs take."""
    if len(data) > _MAX_MEASURED:
        return
    found = measure(frame, scan, data, units)
    if found.short:
        raise CutShort("its data end before its last pixel")
    spare = data[len(data) - found.spare :]
    if len(set(data[max(0, len(data) - found.spare - _SETTLED) :])) == 1:
        raise CutShort("its last pixels were made of padding")
    if len(set(spare)) > 1:
        raise CutShort(f"{found.spare} bytes are left when its last pixel is decoded: some were lost or changed before")


def _by_intervals(image: ImageFile, data: Buffer, layout: Layout) -> None:
    """A scan with restart markers: they are counted, and the data behind the last one are looked at alone."""
    frame, scan = cast(Frame, layout.frame), layout.scans[0]
    image.draft("L", (1, 1))
    image.load()
    marks = layout.restarts[0]
    last = data[marks[-1] + 2 if marks else scan.start : layout.ends[0]]
    units = units_of(frame, scan) - len(marks) * scan.interval
    width = units * frame.unit[0]
    if width <= _TALLEST:
        with opener("jpeg")(io.BytesIO(_alone(data, layout, width, last))) as alone:
            if not any(_below(alone, None, frame.unit, 1)):
                return
    _counted(frame, scan, last, units)


def _alone(data: Buffer, layout: Layout, width: int, last: bytes) -> bytes:
    """The last interval of a scan as a picture of one row of MCUs, and the extra ones."""
    frame, scan = cast(Frame, layout.frame), layout.scans[0]
    length = int.from_bytes(data[frame.at : frame.at + 2], "big")
    header = bytearray(data[frame.at - 2 : frame.at + length])
    header[5:9] = ((1 + _EXTRA) * frame.unit[1]).to_bytes(2, "big") + width.to_bytes(2, "big")
    tables = bytearray().join(data[at:end] for at, end in layout.headers if at < scan.start)
    start = data.rfind(bytes([0xFF, SOS]), 0, scan.start)
    copy = bytearray(b"\xff\xd8") + tables + header + data[start : scan.start] + last + bytes([0xFF, EOI])
    at = 2
    while at < 2 + len(tables):
        if copy[at + 1] == 0xDB:
            _coarse(copy, at + 2)
        at += 2 + int.from_bytes(copy[at + 2 : at + 4], "big")
    return bytes(copy)


def _check_restarts(data: Buffer, layout: Layout) -> None:
    """Raise CutShort where a scan has not the restart markers that its length demands, in order."""
    for scan, marks in zip(layout.scans, layout.restarts, strict=True):
        wanted = (units_of(cast(Frame, layout.frame), scan) - 1) // scan.interval if scan.interval else len(marks)
        if len(marks) != wanted:
            raise CutShort(f"a scan has {len(marks)} restart markers, not {wanted}")
        if scan.interval and any(data[at + 1] & 7 != n & 7 for n, at in enumerate(marks)):
            raise CutShort("its restart markers are out of order")


def _by_scans(image: ImageFile, data: Buffer, layout: Layout) -> None:
    """A picture in several scans, progressive or one for each component; or one coded arithmetically.

    Without the marker behind a scan libjpeg waits for what it lacks instead of making it up, so each marker is held
    back until all before it was taken. Only it has to be given something to read ahead in; what was lost with the last
    bytes of a scan may be decoded from that, and is not missed.
    """
    frame, scan = cast(Frame, layout.frame), layout.scans[-1]
    image.draft("L", (1, 1))
    if frame.kind in ARITHMETIC:
        image.load()
        return
    _held_back(image, data, layout)
    if frame.kind in SEQUENTIAL and not scan.interval:
        _counted(frame, scan, data[scan.start : layout.ends[-1]], units_of(frame, scan))


def _held_back(image: ImageFile, data: Buffer, layout: Layout) -> None:
    from PIL import Image, _imaging

    name, extents, _, arguments = image.tile[0]
    decoder = Image._getdecoder(image.mode, name, arguments, image.decoderconfig)
    decoder.setimage(_imaging.new(image.mode, image.size), extents)
    at = 0
    for end in layout.ends:
        held = bytes(data[at:end]) + _PAD
        taken, error = decoder.decode(held)
        if taken < 0 or error:
            raise OSError(f"the decoder stopped with error {error}")
        if taken < len(held):
            raise CutShort("a scan ends before its last block")
        at = end
    taken, error = decoder.decode(bytes(data[at : layout.end]))
    if error:
        raise OSError(f"the decoder stopped with error {error}")
