"""A list entry: what one line, or one item of an iterable, says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..models import Request

MAX_LINE_BYTES = 65_536
"""The longest line that is read as an entry, in bytes of UTF-8 without its line end. It is twice the longest URL
that is ever requested (`urls.MAX_URL_CHARS`), which leaves room for a key as long as the URL itself."""

SHOWN_CHARS = 200
"""How much of a bad line goes into manifest and messages."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One record of the list, good or bad.

    `line` is the 1-based line, or the item's 1-based position in an iterable. `error` is None for a good entry.
    For a bad one it says what is wrong, and `request` holds what could be read: of a table's row its key, label and
    other columns, else the key if there was any; and as `url` the rest of the line in printable form, shortened to
    about SHOWN_CHARS characters. `name` and `shard`, of an entry of a manifest, are the file's name and the number of
    its directory, which it is to have again.
    """

    line: int
    request: Request
    error: str | None = None
    name: str | None = None
    shard: int | None = None


def bad(
    line: int,
    error: str,
    url: str,
    key: str | None = None,
    label: str | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Entry:
    """A bad entry. `url`, `key` and `label` may be any text; they are made printable and short."""
    key, label = None if key is None else shown(key), None if label is None else shown(label)
    return Entry(line, Request(shown(url), key, label, extra), error)


def shown(text: str) -> str:
    """`text` fit for a manifest: what does not print is escaped, what is long is cut and ends in three dots."""
    head = text[:SHOWN_CHARS]
    if not head.isprintable():
        head = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in head)
    return head if len(text) <= SHOWN_CHARS else f"{head}..."
