"""What one line of text says, in each format.

White space at both ends belongs to nobody. Behind a key, everything after the first run of white space is the URL, so
URLs may hold spaces and commas. Control characters stand in no URL that was written on purpose: a tab is the mark
of a table's other columns, a NUL of a binary file, so a line that holds one is bad.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from ..models import Request
from .entry import MAX_LINE_BYTES, Entry, bad

LineParser = Callable[[int, str], Entry | None]
"""(line number, text) -> its entry; None for a blank line."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NO_URL = "no URL: a line is KEY URL, or only a URL, and a URL begins with a scheme such as https://"
_NO_SECOND = "nothing follows the key: in the imagenet format a line is KEY URL"


def auto(line: int, text: str, objects: LineParser | None = None) -> Entry | None:
    """A URL, or a key and a URL; decided by where the first `://` stands. What begins with `{` is for `objects`."""
    tokens = text.split(None, 1)
    if not tokens:
        return None
    if objects is not None and tokens[0][0] == "{":
        return objects(line, text)
    if "://" in tokens[0]:
        return _entry(line, None, text.strip())
    if len(tokens) == 2 and "://" in tokens[1].split(None, 1)[0]:
        return _entry(line, tokens[0], tokens[1].rstrip())
    return bad(line, _control_in(text.strip()) or _NO_URL, text.strip())


def imagenet(line: int, text: str) -> Entry | None:
    """A key, white space, and a URL."""
    tokens = text.split(None, 1)
    if not tokens:
        return None
    if len(tokens) == 1:
        return bad(line, _control_in(tokens[0]) or _NO_SECOND, tokens[0])
    return _entry(line, tokens[0], tokens[1].rstrip())


def only_urls(line: int, text: str) -> Entry | None:
    """The whole line is a URL."""
    url = text.strip()
    return _entry(line, None, url) if url else None


def from_text(parse: LineParser, line: int, text: str) -> Entry | None:
    """The entry of a line that came as text and not from a file."""
    if line == 1:
        text = text.removeprefix("\ufeff")
    if len(text) > MAX_LINE_BYTES and len(text.strip()) > MAX_LINE_BYTES:
        return damaged("auto", line, too_long(), text.strip())
    return parse(line, text)


def from_pair(line: int, key: str | None, url: str) -> Entry:
    """The entry of a key and a URL that came apart. What is no line may have any key, and is made safe like others."""
    url = url.strip()
    error = flaw_in(url)
    return bad(line, error, url, key) if error else Entry(line, Request(url, key))


def damaged(format: str, line: int, error: str, text: str) -> Entry:
    """A bad entry for a line of which `text` could be read; its key is told apart where the format has one."""
    found = {"auto": auto, "imagenet": imagenet}.get(format, only_urls)(line, text)
    if found is None:
        return bad(line, error, "")
    if found.error is not None:
        return replace(found, error=error)
    return bad(line, error, found.request.url, found.request.key)


def too_long() -> str:
    """What is wrong with a line above MAX_LINE_BYTES."""
    return f"longer than {MAX_LINE_BYTES} bytes, which no entry is; is this file a list?"


def _entry(line: int, key: str | None, url: str) -> Entry:
    error = flaw_in(url) or (None if key is None else flaw_in(key))
    return bad(line, error, url, key) if error else Entry(line, Request(url, key))


def flaw_in(text: str) -> str | None:
    """What is wrong with a URL, or the key before it, that holds a control character; None when it holds none."""
    return None if text.isprintable() else _control_in(text)


def _control_in(text: str) -> str | None:
    found = _CONTROL.search(text)
    if found is None:
        return None
    if found[0] == "\t":
        return "a tab inside the URL: remove it, and the table's other columns with it"
    if found[0] == "\r":
        return "a carriage return inside the line: end lines with a line feed"
    return f"the control character 0x{ord(found[0]):02x} inside the line; is this file a list?"
