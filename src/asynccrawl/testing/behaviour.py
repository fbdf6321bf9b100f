"""What the server does with a request: one Answer, honest by default, and names for the usual lies."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import Literal, get_args

Framing = Literal["length", "chunked", "none"]
"""How the end of a body is told: Content-Length, chunks, or only the end of the connection."""

Cut = Literal["fin", "rst"]
"""How a connection ends: in good order, or by a reset."""

Refusal = Literal["reset", "close", "silence"]
"""What may come in place of an answer: a reset, the end of the connection, or nothing while it stays open."""

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """Everything about one answer, good or bad; the defaults make an honest one.

    body: bytes of the body. status: 100 to 999. content_type, location, retry_after: headers of those names, left
    out when None. headers: further (name, value) pairs, sent as they are; characters outside ASCII go as UTF-8.
    keep_alive: False announces and makes the end of the connection.

    Time, in seconds. delay: before anything happens. header_drip: between two bytes of status line and headers.
    body_drip: between two pieces of the body, `chunk_bytes` each.

    Lies. framing: `length`, `chunked` (chunks of `chunk_bytes`), or `none` (no framing header, ended by closing).
    declared_length: a Content-Length that is sent whatever the framing. cut_after: how many bytes of the body are
    sent before the connection ends unannounced, in the manner of `cut`. instead: what happens in place of any
    answer. raw: sent verbatim in place of status line, headers and body; the fields about the body's time and cut
    apply to it. endless: sent verbatim after the body or raw, again and again with `body_drip` between, as fast as
    the client reads and until it hangs up.

    Raises ValueError for a value out of range.
    """

    body: bytes = b""
    status: int = 200
    _: KW_ONLY
    content_type: str | None = "image/jpeg"
    headers: Headers = ()
    location: str | None = None
    retry_after: str | None = None
    delay: float = 0.0
    header_drip: float = 0.0
    body_drip: float = 0.0
    chunk_bytes: int = 1024
    framing: Framing = "length"
    declared_length: int | None = None
    cut_after: int | None = None
    cut: Cut = "fin"
    instead: Refusal | None = None
    raw: bytes | None = None
    endless: bytes | None = None
    keep_alive: bool = True

    def __post_init__(self) -> None:
        if not 100 <= self.status <= 999:
            raise ValueError(f"status is {self.status}; it must have three digits")
        for seconds in (self.delay, self.header_drip, self.body_drip):
            if not 0 <= seconds < math.inf:
                raise ValueError(f"{seconds} is no number of seconds to wait")
        if self.chunk_bytes < 1:
            raise ValueError(f"chunk_bytes is {self.chunk_bytes}; it must be at least 1")
        for count in (self.declared_length, self.cut_after):
            if count is not None and count < 0:
                raise ValueError(f"{count} is no number of bytes")
        if self.endless is not None and (not self.endless or self.cut_after is not None):
            raise ValueError("endless needs bytes to repeat, and no cut_after")
        self._check_choices()

    def _check_choices(self) -> None:
        # A misspelt behaviour would otherwise be an honest answer, and the test that asked for it would test nothing.
        for value, choices in ((self.framing, Framing), (self.cut, Cut), (self.instead or "reset", Refusal)):
            if value not in get_args(choices):
                raise ValueError(f"{value!r} is none of {', '.join(get_args(choices))}")


def html_page(title: str = "Not found") -> bytes:
    """A small HTML page, such as sites send with status 200 where a picture used to be."""
    text = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    return text.encode()


def html_as_jpeg(title: str = "Not found") -> Answer:
    """A web page that says it is a JPEG, with status 200."""
    return Answer(html_page(title))


def status(code: int) -> Answer:
    """An answer of that status with a short page."""
    return Answer(html_page(f"Status {code}"), code, content_type="text/html")


def redirect(to: str, status: int = 302) -> Answer:
    """A redirect to `to`, a URL or a path, sent as written."""
    return Answer(status=status, content_type=None, location=to)


def too_many_requests(retry_after: str | None = None, status: int = 429) -> Answer:
    """A refusal for now. `retry_after` is the header as sent: seconds, an HTTP date, or nonsense."""
    return Answer(html_page("Slow down"), status, content_type="text/html", retry_after=retry_after)


def truncated(body: bytes, after: int | None = None, cut: Cut = "fin") -> Answer:
    """The right Content-Length, but only `after` bytes of the body (half by default) before the connection ends."""
    return Answer(body, cut_after=len(body) // 2 if after is None else after, cut=cut)


def lying_length(body: bytes, declared: int, keep_alive: bool = False) -> Answer:
    """A whole body under a wrong Content-Length.

    With `keep_alive` the connection stays open: the client waits for bytes that never come (`declared` too large),
    or finds the rest of the body in front of its next answer (too small).
    """
    return Answer(body, declared_length=declared, keep_alive=keep_alive)


def dripping(body: bytes, seconds: float, chunk_bytes: int = 1) -> Answer:
    """A body that comes `chunk_bytes` at a time with `seconds` between; never idle for long, and never done."""
    return Answer(body, body_drip=seconds, chunk_bytes=chunk_bytes)


def chunked(body: bytes, chunk_bytes: int = 1024) -> Answer:
    """A body in chunks of `chunk_bytes`, without a Content-Length."""
    return Answer(body, framing="chunked", chunk_bytes=chunk_bytes)


def unframed(body: bytes) -> Answer:
    """A body that only the end of the connection ends, so that nobody can tell whether it is whole."""
    return Answer(body, framing="none")


def raw(data: bytes, keep_alive: bool = False) -> Answer:
    """`data` verbatim as the whole response, after which the connection ends unless `keep_alive`."""
    return Answer(raw=data, keep_alive=keep_alive)


def reset() -> Answer:
    """A reset in place of an answer."""
    return Answer(instead="reset")


def hang_up() -> Answer:
    """The end of the connection in place of an answer."""
    return Answer(instead="close")


def silent() -> Answer:
    """No answer, ever; the connection stays open until the client gives up."""
    return Answer(instead="silence")
