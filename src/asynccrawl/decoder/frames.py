"""What parent and decoder process say to each other, over a stream socket.

    parent -> child   order    head (flags, lengths), the Content-Type, then the body, or the path of a spooled one
    child -> parent   answer   head (verdict, lengths), a text in JSON, then a blob (bytes that the facts hold, if any)

Answers come in the order of the orders, each as soon as it is known, so that the first order without an answer is what
a child that died was at. Nothing is pickled: a decoder that a picture has taken over can lie about that picture, and
say nothing that runs here. What it says is bounded in length and checked, field by field.
"""

from __future__ import annotations

import json
import os
import struct
import types
import typing
from pathlib import Path
from typing import Any

from ..errors import InvalidImage, Undecodable
from ..imaging.facts import EXTENSIONS, Facts
from ..models import Reason, Served
from ..settings import FORMATS
from .job import Answer

READY = b"asynccrawl decoder 1\n"
"""What a child says first, once it can decode."""
ORDER = struct.Struct("<BHI")
"""Head of an order: flags, bytes of the Content-Type, bytes of body or path."""
ANSWER = struct.Struct("<BII")
"""Head of an answer: verdict, bytes of the text, bytes of the blob."""
WHOLE, SPOOLED = 1, 2
"""Flags of an order: decode it in full; what follows is a path."""
FACTS, REFUSED, EXHAUSTED, UNREADABLE = 0, 1, 2, 3
"""Verdicts: facts; no picture that may be kept; it took more memory than is allowed; a spooled body cannot be read."""
_MAX_TEXT = 2**20
_MAX_TYPE = 1_000


def order_of(body: bytes | Path, content_type: str | None, whole: bool) -> list[bytes]:
    """An order, in pieces, so that the body need not be copied."""
    said = (content_type or "").encode("utf-8", "surrogateescape")[:_MAX_TYPE]
    if isinstance(body, bytes):
        flags, rest = 0, body
    else:
        flags, rest = SPOOLED, os.fsencode(body.absolute())
    return [ORDER.pack(flags | WHOLE * whole, len(said), len(rest)) + said, rest]


def answer_of(answer: Answer) -> list[bytes]:
    """An answer, in pieces."""
    if not isinstance(answer, Facts | InvalidImage):
        return _framed(UNREADABLE, [], b"")
    if isinstance(answer, InvalidImage):
        verdict = EXHAUSTED if isinstance(answer, Undecodable) else REFUSED
        return _framed(verdict, [answer.reason.value, answer.detail], b"")
    values = {name: getattr(answer, name) for name in _ALLOWED}
    blob = next((name for name in _BLOBS if values[name] is not None), None)
    return _framed(FACTS, [values, blob], b"" if blob is None else values.pop(blob))


def _framed(verdict: int, said: Any, blob: bytes) -> list[bytes]:
    text = json.dumps(said, ensure_ascii=False).encode("utf-8", "replace")
    return [ANSWER.pack(verdict, len(text), len(blob)) + text, blob]


class Unreadable(Exception):
    """A child says that it could not read a spooled body. It may lie: whoever asked has to look."""


class Answers:
    """Cuts what a child says into answers. `max_blob`: most bytes that may come along with facts."""

    def __init__(self, max_blob: int) -> None:
        self._max_blob = max_blob
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """More has come."""
        self._buffer += data

    def greeted(self) -> bool:
        """Whether the child has said that it is ready. Raises ValueError with what it has said instead."""
        if len(self._buffer) >= len(READY) and self._buffer.startswith(READY):
            del self._buffer[: len(READY)]
            return True
        if not READY.startswith(self._buffer):
            raise ValueError(self._buffer[:300].decode("utf-8", "replace").strip())
        return False

    def next(self) -> Facts | InvalidImage | Unreadable | None:
        """The next answer that is complete, if there is one. Raises ValueError for what is no answer."""
        if len(self._buffer) < ANSWER.size:
            return None
        verdict, text, blob = ANSWER.unpack_from(self._buffer)
        if verdict > UNREADABLE or text > _MAX_TEXT or blob > self._max_blob:
            raise ValueError("its answer has an impossible head")
        end = ANSWER.size + text + blob
        if len(self._buffer) < end:
            return None
        said, rest = bytes(self._buffer[ANSWER.size : end - blob]), bytes(self._buffer[end - blob : end])
        del self._buffer[:end]
        try:
            return _facts(_parsed(said), rest) if verdict == FACTS else _refusal(verdict, _parsed(said))
        except (TypeError, AttributeError, KeyError, IndexError, RecursionError) as error:
            raise ValueError(f"its answer has another form than answers have: {error!r:.200}") from error


def _parsed(text: bytes) -> Any:
    said = json.loads(text.decode())
    if b"\\u" in text:  # lone surrogates, which JSON can spell and UTF-8 cannot, end here
        json.dumps(said, ensure_ascii=False).encode()
    return said


def _refusal(verdict: int, said: Any) -> InvalidImage | Unreadable:
    if verdict == UNREADABLE:
        return Unreadable()
    reason, detail = said
    if not isinstance(detail, str):
        raise TypeError("a detail is text")
    return Undecodable(detail) if verdict == EXHAUSTED else InvalidImage(Reason(reason), detail)


def _classes(hint: Any) -> tuple[type, ...]:
    """The classes that an annotation allows: `int | None` -> (int, NoneType)."""
    union = isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union
    return tuple(typing.get_origin(part) or part for part in (typing.get_args(hint) if union else (hint,)))


_ALLOWED = {name: _classes(hint) for name, hint in typing.get_type_hints(Facts).items()}
_BLOBS = tuple(name for name, allowed in _ALLOWED.items() if bytes in allowed)
_SERVED = {name: _classes(hint) for name, hint in typing.get_type_hints(Served).items()}


def _check(values: dict[str, Any], classes: dict[str, tuple[type, ...]]) -> None:
    for name, allowed in classes.items():
        if isinstance(values[name], list) and tuple in allowed:
            values[name] = tuple(values[name])
        if object not in allowed and not isinstance(values[name], allowed):
            raise TypeError(f"{name} is {values[name]!r:.100}")


def _facts(said: Any, blob: bytes) -> Facts:
    values, holder = said
    if holder is not None:
        values[holder] = blob
    if values["served"] is not None:
        values["served"] = Served(*values["served"])
        _check(values["served"]._asdict(), _SERVED)
    _check(values, _ALLOWED)
    facts = Facts(**values)
    # Format and extension become part of a file's name.
    if facts.format not in FORMATS or facts.extension not in EXTENSIONS.values():
        raise ValueError(f"its answer names the format {facts.format!r:.100}")
    return facts
