"""The codes of a GIF's frame (GIF89a specification, appendix F): do they make its pixels, all of them and no more?

Pillow looks no further than the last pixel, takes a string that is too long for what is left, and reads on behind the
data where they are too few. Its decoder can be made to tell, though: it is given one row more than there is, on two
grounds of different colours, and decodes nothing but the frame's own data. Where the row keeps both grounds, the rest
has neither, and no byte is left over, the codes are right. That takes 3 ms for 500 x 375 pixels. Whatever else is seen
is settled by following the codes one by one, which takes ten times as long: how long their strings are is enough.
"""

from __future__ import annotations

from .extent import CutShort

_WIDEST = 12
_FULL = 1 << _WIDEST
"""Strings that the table has room for; none are added once it is full."""
_MAX_FOLLOWED = 2**22
"""Bytes of a frame that are followed code by code: a second."""
_PIECE = 6
"""Bytes that are taken at once: several codes, and a number that Python handles quickly."""


def values(blocks: bytes, bits: int, size: tuple[int, int]) -> frozenset[int]:
    """The values that the pixels of a frame have.

    blocks: its data blocks, each behind its length, without the last, empty one; bits: its minimum code size; size: its
    width and height. Raises CutShort where a code means nothing yet, where there are not as many pixels, and where
    codes follow the last one. (One in the last byte is padding: encoders that leave out the end code have it.)
    """
    if (quick := _at_once(blocks, bits, size)) is not None:
        return quick
    if len(blocks) > _MAX_FOLLOWED:
        raise CutShort("its data do not make its pixels, or not them alone")
    return _one_by_one(_joined(blocks), bits, size[0] * size[1])


def _at_once(blocks: bytes, bits: int, size: tuple[int, int]) -> frozenset[int] | None:
    """The values by Pillow's decoder; None where it is in doubt."""
    from PIL import Image, ImageChops

    width, height = size
    grounds = []
    for colour in (0, 255):
        ground = Image.new("L", (width, height + 1), colour)
        decoder = Image._getdecoder("L", "gif", (bits, 0, -1))
        decoder.setimage(ground.im, (0, 0, width, height + 1))
        if decoder.decode(blocks)[0] != len(blocks):
            return None
        grounds.append(ground)
    untouched = ImageChops.difference(*grounds)
    if untouched.getbbox() != (0, height, width, height + 1) or untouched.histogram()[255] != width:
        return None
    counts = grounds[0].crop((0, 0, width, height)).histogram()
    return frozenset(value for value, count in enumerate(counts) if count)


def _joined(blocks: bytes) -> bytes:
    pieces, at = [], 0
    while at < len(blocks):
        pieces.append(blocks[at + 1 : at + 1 + blocks[at]])
        at += 1 + blocks[at]
    return b"".join(pieces)


def _one_by_one(data: bytes, bits: int, pixels: int) -> frozenset[int]:
    clear, end = 1 << bits, (1 << bits) + 1
    fresh = [1] * clear + [0, 0]
    lengths, width, previous = fresh.copy(), bits + 1, 0
    seen = set[int]()
    made = at = waiting = left = 0
    while True:
        if left < width:
            piece = data[at : at + _PIECE]
            if not piece:
                break
            waiting |= int.from_bytes(piece, "little") << left
            at, left = at + len(piece), left + 8 * len(piece)
            continue
        code = waiting & (1 << width) - 1
        waiting, left = waiting >> width, left - width
        if code == clear or (code == end and made == pixels):
            lengths, width, previous = fresh.copy(), bits + 1, 0
        elif made == pixels:
            if left >= 8 or at < len(data):
                raise CutShort("its data go on behind its last pixel")
            break
        elif code == end:
            break
        else:
            if previous and len(lengths) < _FULL:
                lengths.append(previous + 1)
                width += len(lengths) == 1 << width and width < _WIDEST
            if code >= len(lengths):
                raise CutShort(f"its data have a code that means nothing, behind {made} of {pixels} pixels")
            previous = lengths[code]
            made += previous
            if code < clear:
                seen.add(code)
            if made > pixels:
                break
    if made != pixels:
        raise CutShort(f"its data make {made} pixels, and it has {pixels}")
    return frozenset(seen)
