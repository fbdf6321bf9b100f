"""Names for what servers do wrong on the wire. Each is an Answer; the endless ones last until the client hangs up."""

from __future__ import annotations

import gzip
import struct
import zlib
from typing import Literal

from .behaviour import Answer, Cut

_OK = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n"
_CHUNKED = _OK + b"Transfer-Encoding: chunked\r\n\r\n"
_FILL = b"\xa5" * 4_096
_PETABYTE = 10**15
_MEBIBYTE = 2**20


def cut_unframed(body: bytes, after: int | None = None, cut: Cut = "fin") -> Answer:
    """A body that only the end of the connection ends, and that ends after `after` bytes (default: half of it).

    With `cut="fin"` nobody can tell that it is cut; with `rst` a client is told.
    """
    return Answer(body, framing="none", cut_after=len(body) // 2 if after is None else after, cut=cut)


def pushed_response(body: bytes, pushed: bytes, after: float = 0.05) -> Answer:
    """An honest answer, and `after` seconds later a second one that nobody asked for, on the connection that is kept.

    A client that takes `pushed` for the answer to its next request is one answer behind from then on.
    """
    first = _framed(body)
    return Answer(raw=first + _framed(pushed), body_drip=after, chunk_bytes=len(first), keep_alive=True)


def partial_chunk(body: bytes, cut: Cut = "fin") -> Answer:
    """A single chunk that ends in its middle, and the connection with it."""
    data = _CHUNKED + _chunk(body)[: -2 - len(body) // 2]
    return Answer(raw=data, cut_after=len(data), cut=cut)


def bad_chunk_size(body: bytes, size: bytes = b"xyz") -> Answer:
    """A whole chunk, and then one whose size is `size`: no hexadecimal number, or one that is negative or huge."""
    return Answer(raw=_CHUNKED + _chunk(body) + size + b"\r\n" + body + b"\r\n0\r\n\r\n", keep_alive=False)


def no_last_chunk(body: bytes, keep_alive: bool = False) -> Answer:
    """A whole chunk, and then the end of the connection, or with `keep_alive` nothing more."""
    return Answer(raw=_CHUNKED + _chunk(body), keep_alive=keep_alive)


def header_flood(seconds: float = 0.0) -> Answer:
    """Header lines without end, with `seconds` between them (default: as fast as they are read)."""
    return Answer(raw=_OK, endless=b"X-Flood: " + b"a" * 50 + b"\r\n", body_drip=seconds)


def endless_header_line(seconds: float = 0.0) -> Answer:
    """A header line without end, with `seconds` between every 64 bytes."""
    return Answer(raw=_OK + b"X-Flood: ", endless=b"a" * 64, body_drip=seconds)


def endless_body(framing: Literal["length", "chunked", "none"] = "none", seconds: float = 0.0) -> Answer:
    """A body without end in pieces of 4 kB, with `seconds` between them.

    framing: `none` has no Content-Length, `chunked` is in chunks, `length` says a petabyte and means it.
    """
    match framing:
        case "chunked":
            return Answer(raw=_CHUNKED, endless=_chunk(_FILL), body_drip=seconds)
        case "length":
            return Answer(raw=_OK + b"Content-Length: %d\r\n\r\n" % _PETABYTE, endless=_FILL, body_drip=seconds)
    return Answer(raw=_OK + b"\r\n", endless=_FILL, body_drip=seconds)


def interim_flood(code: int = 100, seconds: float = 0.0) -> Answer:
    """Interim responses (100 Continue, 102, 103) without end, with `seconds` between them, and never an answer."""
    return Answer(raw=b"", endless=_interim(code), body_drip=seconds)


def after_interims(body: bytes, count: int = 3, code: int = 103) -> Answer:
    """An honest answer after `count` interim responses, which RFC 9110 (15.2) has every client read."""
    return Answer(raw=_interim(code) * count + _framed(body), keep_alive=True)


def several_lengths(body: bytes, *declared: int) -> Answer:
    """A whole body under one Content-Length a number in `declared`, the same or contradicting.

    (For Content-Length beside chunks: `Answer(body, framing="chunked", declared_length=5)`.)
    """
    lines = b"".join(b"Content-Length: %d\r\n" % length for length in declared)
    return Answer(raw=_OK + lines + b"\r\n" + body, keep_alive=True)


def partial_content(body: bytes, start: int = 0, end: int | None = None) -> Answer:
    """The bytes from `start` to before `end` (default: half) as a 206, though nobody asked for a range."""
    end = len(body) // 2 if end is None else end
    return Answer(body[start:end], 206, headers=(("Content-Range", f"bytes {start}-{end - 1}/{len(body)}"),))


def false_encoding(body: bytes, coding: str = "gzip") -> Answer:
    """A body that is said to be in a content coding, and is not."""
    return Answer(body, headers=(("Content-Encoding", coding),))


def gzipped(body: bytes) -> Answer:
    """A body in gzip, whether the client accepts it or not."""
    return Answer(gzip.compress(body, mtime=0), headers=(("Content-Encoding", "gzip"),))


def gzip_bomb(mebibytes: int = 1_024) -> Answer:
    """A gzip body that is a thousand times as large inside: `mebibytes` (default 1 GiB) of zeros, one valid member."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    zeros = bytes(_MEBIBYTE)
    # A full flush forgets all that came before, so the same bytes may stand again and again.
    block = deflate.compress(zeros) + deflate.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(mebibytes):
        checksum = zlib.crc32(zeros, checksum)
    header, last_block = b"\x1f\x8b\x08\0\0\0\0\0\x02\xff", b"\x03\x00"
    end = struct.pack("<II", checksum, mebibytes * _MEBIBYTE % 2**32)
    return Answer(header + block * mebibytes + last_block + end, headers=(("Content-Encoding", "gzip"),))


def _framed(body: bytes) -> bytes:
    return _OK + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _interim(code: int) -> bytes:
    return b"HTTP/1.1 %d Wait\r\n\r\n" % code
