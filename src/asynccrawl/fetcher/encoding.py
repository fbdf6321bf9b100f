"""Content codings: we ask for none, and undo at most one that came all the same. It must reach its own end."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

from ..errors import FetchError
from ..models import Reason
from .body import Body, spool_path, too_large

_PIECE = 2**18
_GZIP = b"\x1f\x8b"


def coding_of(header: str) -> str | None:
    """The coding that a Content-Encoding header names, or None. Raises FetchError for what is not undone."""
    codings = [word.strip().lower() for word in header.split(",") if word.strip().lower() not in ("", "identity")]
    if not codings:
        return None
    if len(codings) > 1 or codings[0] not in ("gzip", "x-gzip", "deflate"):
        text = f"the body came with the encoding {header[:60]!r}, although none was asked for"
        raise FetchError(Reason.PROTOCOL, False, text, http_status=200)
    return "deflate" if codings[0] == "deflate" else "gzip"


def undo(body: Body, coding: str, most: int, spool_above: int, spool: Path) -> Body:
    """The body without its coding, at most `most` bytes; in a file if larger than `spool_above`. Blocks.

    A body that is said to be gzip and does not begin like one is taken as it is: that is how servers mislabel
    pictures. Raises FetchError: too_large, truncated, protocol.
    """
    head, pieces = _opened(body)
    if coding == "gzip" and not head.startswith(_GZIP):
        return body
    try:
        whole = b"".join(_inflated(pieces, coding, head, most))
    except zlib.error as error:
        text = f"the body's {coding} encoding is damaged: {error}"
        raise FetchError(Reason.PROTOCOL, False, text, http_status=200) from error
    finally:
        if body.path is not None:
            body.path.unlink(missing_ok=True)
    if len(whole) <= spool_above:
        return Body(whole, None, len(whole))
    path = spool_path(spool)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(whole)
    return Body(None, path, len(whole))


def _opened(body: Body) -> tuple[bytes, list[bytes]]:
    data = body.data if body.data is not None else body.path.read_bytes() if body.path else b""
    return data[:2], [data[at : at + _PIECE] for at in range(0, len(data), _PIECE)]


def _inflated(pieces: list[bytes], coding: str, head: bytes, most: int) -> list[bytes]:
    make = _maker(coding, head)
    inflater, size, done = make(), 0, []
    for piece in pieces:
        waiting = piece
        while waiting:
            if inflater.eof:
                if not waiting.strip(b"\0"):
                    break  # padding behind the last member
                if coding != "gzip":
                    raise zlib.error("there is more behind its end")
                inflater = make()  # gzip files may be joined (RFC 1952, 2.2)
            out = inflater.decompress(waiting, _PIECE)
            size += len(out)
            if size > most:
                raise too_large("more bytes came out of its encoding", most)
            done.append(out)
            waiting = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
    if not inflater.eof:
        raise FetchError(Reason.TRUNCATED, True, f"the body's {coding} encoding ends too early", http_status=200)
    return done


def _maker(coding: str, head: bytes) -> Callable[[], zlib._Decompress]:
    """gzip, zlib (RFC 9110, 8.4.1.2), or, as many servers have it, deflate without the zlib wrapper."""
    wrapped = len(head) == 2 and head[0] & 0x0F == 8 and int.from_bytes(head, "big") % 31 == 0
    bits = 31 if coding == "gzip" else 15 if wrapped else -15
    return lambda: zlib.decompressobj(bits)
