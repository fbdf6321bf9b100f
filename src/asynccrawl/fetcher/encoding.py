"""Content codings: we ask for none, and undo at most one that came all the same. It must reach its own end."""

from __future__ import annotations

import io
import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from ..errors import FetchError
from ..models import Reason
from ..settings import Limits
from .body import Body, too_large
from .spool import created, new_path, told

MOST_MEMBERS = 1_000
"""Parts that a gzip body may be joined of. Each costs time even if it is empty: three million of them fit in 64 MiB."""
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


def undo(body: Body, coding: str, limits: Limits, spool: Path) -> Body:
    """The body without its coding, at most `max_bytes`; in a file if larger than `spool_above`. Blocks.

    A body that is said to be gzip and does not begin like one is taken as it is: that is how servers mislabel
    pictures. Raises FetchError: too_large, truncated, protocol; StorageError when the spool file fails.
    """
    pieces = _pieces(body)
    first = next(pieces, b"")
    if coding == "gzip" and not first.startswith(_GZIP):
        return body
    try:
        return _kept(_inflated(itertools.chain((first,), pieces), coding, first[:2], limits.max_bytes), limits, spool)
    except zlib.error as error:
        raise _damaged(coding, error) from error
    finally:
        if body.path is not None:
            body.path.unlink(missing_ok=True)


def undo_beginning(data: bytes, coding: str, most: int) -> bytes:
    """The first `most` bytes of what the beginning of a body comes to. Raises FetchError (protocol)."""
    if coding == "gzip" and not data.startswith(_GZIP):
        return data[:most]
    try:
        return _maker(coding, data[:2])().decompress(data, most)
    except zlib.error as error:
        raise _damaged(coding, error) from error


def _damaged(coding: str, error: zlib.error) -> FetchError:
    text = f"the body's {coding} encoding is damaged: {error}"
    return FetchError(Reason.PROTOCOL, False, text, http_status=200)


def _pieces(body: Body) -> Iterator[bytes]:
    with body.path.open("rb") if body.path else io.BytesIO(body.data or b"") as file:
        while piece := file.read(_PIECE):
            yield piece


def _kept(pieces: Iterator[bytes], limits: Limits, spool: Path) -> Body:
    kept: list[bytes] = []
    size = 0
    for piece in pieces:
        kept.append(piece)
        size += len(piece)
        if size > limits.spool_above:
            return _spooled(itertools.chain(kept, pieces), new_path(spool))
    return Body(b"".join(kept), None, size)


def _spooled(pieces: Iterator[bytes], path: Path) -> Body:
    try:
        with told(path), created(path) as file:
            file.writelines(pieces)
            return Body(None, path, file.tell())
    except BaseException:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        raise


def _inflated(pieces: Iterable[bytes], coding: str, head: bytes, most: int) -> Iterator[bytes]:
    make = _maker(coding, head)
    inflater, size, members = make(), 0, 1
    for piece in pieces:
        waiting = piece
        while waiting:
            if inflater.eof:
                if not waiting.strip(b"\0"):
                    break  # padding behind the last member
                if coding != "gzip":
                    raise zlib.error("there is more behind its end")
                members += 1
                if members > MOST_MEMBERS:
                    raise zlib.error(f"it has more than {MOST_MEMBERS} members")
                inflater = make()  # gzip files may be joined (RFC 1952, 2.2)
            out = inflater.decompress(waiting, _PIECE)
            size += len(out)
            if size > most:
                raise too_large("more bytes came out of its encoding", most)
            yield out
            waiting = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
    if not inflater.eof:
        raise FetchError(Reason.TRUNCATED, True, f"the body's {coding} encoding ends too early", http_status=200)


def _maker(coding: str, head: bytes) -> Callable[[], zlib._Decompress]:
    """gzip, zlib (RFC 9110, 8.4.1.2), or, as many servers have it, deflate without the zlib wrapper."""
    wrapped = len(head) == 2 and head[0] & 0x0F == 8 and int.from_bytes(head, "big") % 31 == 0
    bits = 31 if coding == "gzip" else 15 if wrapped else -15
    return lambda: zlib.decompressobj(bits)
