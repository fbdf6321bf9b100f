"""Request to Record or Failure: ordinals, names, labels, and whether the URL can be fetched. Pure; no I/O.

A name or label is safe when it is made of `[A-Za-z0-9._-]`, does not begin with a dot, and has at most NAME_BYTES
bytes. Text that is safe stays as it is. Of other text every unsafe character becomes `_` and leading dots go, and what
came out gets `_` and 8 hex digits of a SHA-256: of key and URL for a name, of the label alone for a label, so that
one label is always one directory and two labels never share one.

Whether a name is still free is not known here; the ledger settles that.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from . import urls
from .models import Failure, Reason, Record, Request, safe_name
from .settings import HostLimits, ListOptions

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_to_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
_SHOWN_CHARS = 200
"""How much of a URL above MAX_URL_CHARS goes into the manifest."""


class Entry(Protocol):
    """What is needed of a list entry: where it stands, what it says, and for a bad one what is wrong with it."""

    @property
    def line(self) -> int:
        """1-based."""

    @property
    def request(self) -> Request:
        """The entry, or of a bad one what could be read."""

    @property
    def error(self) -> str | None:
        """What is wrong with a bad entry."""

    @property
    def name(self) -> str | None:
        """The safe name that it is to have, whatever its key; None for its key's."""

    @property
    def shard(self) -> int | None:
        """The number of the directory that it is to have without a label; None for its ordinal's."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A batch of the list. `before` holds what lies before the offset, `records` what is to be done; in list order."""

    before: list[Record | Failure]
    records: list[Record | Failure]


async def admit(
    entries: AsyncIterable[Sequence[Entry]], options: ListOptions, hosts: HostLimits | None = None
) -> AsyncGenerator[Admitted, None]:
    """Admit a list batch by batch. Closing this closes `entries`; what it raises comes through."""
    admission = Admission(options, hosts)
    async with AsyncExitStack() as stack:
        if isinstance(entries, AsyncGenerator):
            stack.push_async_callback(entries.aclose)
        async for batch in entries:
            yield admission.batch(batch)


class Admission:
    """Admits entries in list order. `count` is how many there were, bad ones and those before the offset included.

    `options.only_labels` is None, or the set of labels that are wanted, in the list's words or made safe. `hosts` has
    the host keys.
    """

    def __init__(self, options: ListOptions, hosts: HostLimits | None = None) -> None:
        self._host_key = (hosts or HostLimits()).key_of
        self._offset = options.offset
        self._wanted: frozenset[str] | None = options.only_labels
        self.count = 0

    def __repr__(self) -> str:
        return f"<Admission {self.count} records, offset {self._offset}>"

    def batch(self, entries: Iterable[Entry]) -> Admitted:
        """Admit the next entries."""
        before = max(0, self._offset - self.count)
        items = [self.admit(entry) for entry in entries]
        return Admitted(items[:before], items[before:])

    def admit(self, entry: Entry) -> Record | Failure:
        """Admit the next entry. The Failure's reason is bad_line, label_not_wanted, bad_url, blocked_scheme or
        bad_name, in this order.

        What is returned can be stored as UTF-8 and JSON, whatever the entry held.
        """
        ordinal = self.count
        self.count += 1
        request, flaw = _storable(entry.request)
        name, label = entry.name or _name(request, ordinal), _label(request)
        if entry.error is not None:
            flaw = _Flaw(Reason.BAD_LINE, entry.error)
        elif self._wanted is not None and not (flaw and flaw.reason is Reason.BAD_LINE):
            flaw = self._unwanted(self._wanted, request, label) or flaw
        host = flaw or _host(request.url)
        if isinstance(host, str):
            if name and label != "":
                return Record(ordinal, entry.line, name, label, request, self._host_key(host), shard=entry.shard)
            host = _nothing_safe("label", request.label or request.key) if name else _nothing_safe("key", request.key)
        return Failure(
            _shortened(request), ordinal, name or None, host.reason, detail=_text(host.detail), line=entry.line,
            label=label or None,
        )  # fmt: skip

    def _unwanted(self, wanted: frozenset[str], request: Request, label: str | None) -> _Flaw | None:
        if label in wanted or _raw_label(request) in wanted:
            return None
        return _Flaw(Reason.LABEL_NOT_WANTED, f"{label} is not among the labels asked for" if label else "no label")


class _Flaw(NamedTuple):
    reason: Reason
    detail: str


def _name(request: Request, ordinal: int) -> str:
    """The name to prefer, digested as `Record.renamed` does; empty when nothing safe is left of the key."""
    key = request.key
    return safe_name(key, key + request.url) if key else f"{ordinal:09d}"


def _label(request: Request) -> str | None:
    """The safe label; None for a request without one, empty when nothing safe is left of it."""
    text = _raw_label(request)
    return safe_name(text, text) if text else None


def _raw_label(request: Request) -> str | None:
    """The label in the list's words."""
    if request.label or not request.key:
        return request.label
    prefix, mark, _ = request.key.partition("_")
    return prefix if mark else None


def _host(url: str) -> str | _Flaw:
    try:
        return urls.parse(url).host
    except urls.BadURL as error:
        return _Flaw(Reason.BLOCKED_SCHEME if error.scheme else Reason.BAD_URL, str(error))


def _nothing_safe(what: str, text: str | None) -> _Flaw:
    detail = f"nothing of the {what} {text!r:.80} may stand in a file name; give it letters or digits"
    return _Flaw(Reason.BAD_NAME, detail)


def _shortened(request: Request) -> Request:
    """A failed request without megabytes of URL, such as a picture in a `data:` URL, for the manifest's sake."""
    too_long = len(request.url) > urls.MAX_URL_CHARS
    return replace(request, url=f"{request.url[:_SHOWN_CHARS]}...") if too_long else request


def _storable(request: Request) -> tuple[Request, _Flaw | None]:
    """The request with nothing in it that UTF-8 or JSON refuses, and what is wrong with it if it cannot be used."""
    url, key, label = _text(request.url), request.key and _text(request.key), request.label and _text(request.label)
    extra, flaw = _plain(request.extra) if request.extra is not None else (None, None)
    if url is request.url and key is request.key and label is request.label and extra is request.extra:
        return request, None
    if url is not request.url:
        flaw = flaw or _Flaw(Reason.BAD_URL, "it holds half a surrogate pair, which no encoding can send")
    return replace(request, url=url, key=key, label=label, extra=extra), flaw


def _text(text: str) -> str:
    """The text itself if UTF-8 can hold it, else with `\\udXXX` written out in place of lone surrogates."""
    return text if text.isascii() or not _SURROGATE.search(text) else _SURROGATE.sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _plain(extra: Mapping[str, Any]) -> tuple[Mapping[str, Any], _Flaw | None]:
    """Extra columns as JSON can hold them: themselves, or mended, or without those that are no JSON."""
    try:
        text = _to_json(dict(extra))
        return (extra if text.isascii() or not _SURROGATE.search(text) else _mended(text)), None
    except (TypeError, ValueError, RecursionError):
        return _without_bad_columns(extra)


def _without_bad_columns(extra: Mapping[str, Any]) -> tuple[Mapping[str, Any], _Flaw]:
    good: dict[str, Any] = {}
    bad = []
    for column, value in extra.items():
        try:
            good |= _mended(_to_json({column: value}))
        except (TypeError, ValueError, RecursionError) as error:
            bad.append(f"{column!r:.80} ({error})")
    detail = f"extra columns that are no JSON: {', '.join(bad[:3])}; give them as text, or leave them out"
    return good, _Flaw(Reason.BAD_LINE, detail)


def _mended(text: str) -> dict[str, Any]:
    """What the JSON `text` holds, with lone surrogates written out. They stand only inside strings, where a
    backslash is written as two."""
    mended: dict[str, Any] = json.loads(_SURROGATE.sub(lambda found: "\\" + _written_out(found), text))
    return mended
