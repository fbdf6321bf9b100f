"""Caffe's two messages, in the wire format of protocol buffers: a picture (Datum) and an array of numbers (BlobProto).

A field is its number and its kind in one varint (`number << 3 | kind`), then a varint (kind 0), or a length and so many
bytes (kind 2). Fields stand in the order of their numbers, and those that are not set are left out, as the reference
implementation writes them, so equal values are equal bytes. From caffe.proto:

    Datum       1 channels  2 height  3 width  4 data (bytes)  5 label  6 float_data  7 encoded (bool)
    BlobProto   1 num  2 channels  3 height  4 width  5 data (packed float32, little-endian)
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from sys import byteorder

_VARINT, _BYTES = 0, 2


@dataclass(frozen=True, slots=True)
class Datum:
    """A picture: a file's bytes when `encoded`, else planes of `channels` x `height` x `width` bytes, in BGR order."""

    channels: int
    height: int
    width: int
    data: bytes
    label: int
    encoded: bool = False

    def dump(self) -> bytes:
        """The message's bytes."""
        shape = b"".join(_number(n, value) for n, value in ((1, self.channels), (2, self.height), (3, self.width)))
        end = _number(7, 1) if self.encoded else b""
        return shape + _bytes(4, self.data) + _number(5, self.label) + end

    @classmethod
    def load(cls, message: bytes) -> Datum:
        """The picture in a message. Raises ValueError for what is none."""
        found = dict(_fields(message))
        try:
            data = found[4]
            channels, height, width, label = (_int(found, n) for n in (1, 2, 3, 5))
        except KeyError as error:
            raise ValueError(f"the Datum has no field {error}") from None
        if not isinstance(data, bytes):
            raise ValueError("the Datum's data are no bytes")
        return cls(channels, height, width, data, label, bool(found.get(7, 0)))


@dataclass(frozen=True, slots=True)
class Blob:
    """An array of `channels` x `height` x `width` numbers: a mean, in BGR order."""

    channels: int
    height: int
    width: int
    data: array[float]

    def dump(self) -> bytes:
        """The message's bytes; `num` is 1."""
        shape = ((1, 1), (2, self.channels), (3, self.height), (4, self.width))
        return b"".join(_number(n, value) for n, value in shape) + _bytes(5, _little(self.data).tobytes())

    @classmethod
    def load(cls, message: bytes) -> Blob:
        """The array in a message. Raises ValueError for what is none."""
        found = dict(_fields(message))
        data = found.get(5, b"")
        if not isinstance(data, bytes) or len(data) % 4:
            raise ValueError("the BlobProto's data are no packed numbers")
        return cls(_int(found, 2), _int(found, 3), _int(found, 4), _little(array("f", data)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3 | _VARINT) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | _BYTES) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth says that more follow."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(message):
        tag, at = _read(message, at)
        value, at = _read(message, at)
        if tag & 7 == _VARINT:
            yield tag >> 3, value
        elif tag & 7 == _BYTES and at + value <= len(message):
            yield tag >> 3, message[at : at + value]
            at += value
        else:
            raise ValueError(f"field {tag >> 3} is cut short, or of a kind that Caffe's pictures do not have")


def _read(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message):
        byte, at = message[at], at + 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("the message ends inside a number")


def _int(fields: dict[int, int | bytes], number: int) -> int:
    value = fields[number]
    if not isinstance(value, int):
        raise ValueError(f"field {number} is no number")
    return value


def _little(numbers: array[float]) -> array[float]:
    if byteorder == "little":
        return numbers
    swapped = array("f", numbers)
    swapped.byteswap()
    return swapped
