"""From an Answer to the bytes on the wire and their timing. Pure: the connection does the waiting and the sending."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Literal

from .behaviour import Answer

BLOCK_BYTES = 65_536
"""The most that is handed to the transport at once, so that a slow reader slows the server."""

Ending = Literal["keep", "fin", "rst", "silence"]
"""What happens to the connection after an answer."""

_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_BODILESS = (204, 304)


def ending(answer: Answer, keep_alive: bool) -> Ending:
    """What follows the last byte. `keep_alive`: the client lets the connection live."""
    match answer.instead:
        case "reset":
            return "rst"
        case "close":
            return "fin"
        case "silence":
            return "silence"
    if answer.cut_after is not None:
        return answer.cut
    return "keep" if keep_alive and not _closes(answer) else "fin"


def pieces(answer: Answer, *, keep_alive: bool, bodiless: bool = False) -> Iterator[tuple[float, bytes]]:
    """The answer's bytes in order, each piece with the seconds to wait before it; `delay` is not among them.

    `bodiless` is true for the answer to a HEAD request.
    """
    if answer.instead is not None:
        return
    if answer.raw is None:
        yield from _paced(_head(answer, keep_alive), 1, answer.header_drip)
    if not bodiless:
        yield from _body(answer)


def whole(answer: Answer, keep_alive: bool, bodiless: bool) -> bytes | None:
    """The answer as one string of bytes, or None when time, size or manner of ending ask for more than one step."""
    if (
        answer.instead is not None
        or answer.delay
        or answer.header_drip
        or answer.body_drip
        or answer.endless is not None
        or (answer.cut_after is not None and answer.cut == "rst")
        or len(answer.body) > BLOCK_BYTES
        or (answer.raw is not None and len(answer.raw) > BLOCK_BYTES)
    ):
        return None
    return b"".join(data for _, data in pieces(answer, keep_alive=keep_alive, bodiless=bodiless))


def _closes(answer: Answer) -> bool:
    return not answer.keep_alive or (answer.framing == "none" and answer.raw is None)


def _head(answer: Answer, keep_alive: bool) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} {_PHRASES.get(answer.status, '')}"]
    if answer.content_type is not None:
        lines.append(f"Content-Type: {answer.content_type}")
    if answer.location is not None:
        lines.append(f"Location: {answer.location}")
    if answer.retry_after is not None:
        lines.append(f"Retry-After: {answer.retry_after}")
    lines.extend(f"{name}: {value}" for name, value in answer.headers)
    if answer.framing == "chunked":
        lines.append("Transfer-Encoding: chunked")
    if answer.declared_length is not None:
        lines.append(f"Content-Length: {answer.declared_length}")
    elif answer.framing == "length" and answer.status >= 200 and answer.status not in _BODILESS:
        lines.append(f"Content-Length: {len(answer.body)}")
    if not keep_alive or _closes(answer):
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def _body(answer: Answer) -> Iterator[tuple[float, bytes]]:
    data = answer.body if answer.raw is None else answer.raw
    if answer.cut_after is not None:
        data = data[: answer.cut_after]
    if answer.raw is not None or answer.framing != "chunked":
        yield from _paced(data, answer.chunk_bytes, answer.body_drip)
    else:
        yield from _chunks(data, answer)
    if answer.endless is not None:
        again = answer.endless if answer.body_drip else answer.endless * (1 + BLOCK_BYTES // len(answer.endless))
        while True:
            yield answer.body_drip, again


def _chunks(data: bytes, answer: Answer) -> Iterator[tuple[float, bytes]]:
    for start in range(0, len(data), answer.chunk_bytes):
        chunk = data[start : start + answer.chunk_bytes]
        yield answer.body_drip if start else 0.0, b"%x\r\n%b\r\n" % (len(chunk), chunk)
    if answer.cut_after is None and answer.endless is None:
        yield 0.0, b"0\r\n\r\n"


def _paced(data: bytes, size: int, seconds: float) -> Iterator[tuple[float, bytes]]:
    if not seconds:
        size = BLOCK_BYTES
    if len(data) <= size:
        yield 0.0, data
        return
    for start in range(0, len(data), size):
        yield seconds if start else 0.0, data[start : start + size]
