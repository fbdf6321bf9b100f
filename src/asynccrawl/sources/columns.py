"""Which column of a table is what: URL, key, label and hashes by name, everything else travels as `extra`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ListError
from ..models import HEX_DIGITS, Request, is_hash
from ..settings import ListOptions
from .entry import Entry, bad
from .lines import flaw_in

_DEFAULTS = ListOptions()


@dataclass(frozen=True, slots=True)
class Columns:
    """A table's columns by their names; `key` and `label` are None where the table has none of them, `sha256` and `md5`
    where none was named.
    """

    names: tuple[str, ...]
    url: str
    key: str | None
    label: str | None
    sha256: str | None = None
    md5: str | None = None

    @classmethod
    def of(cls, names: Sequence[str], options: ListOptions) -> Columns:
        """The columns that `options` names, exactly or but for case. Raises ListError when they are not there."""
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ListError(f"two columns are called {twice[:80]!r}; rename one")
        url = _find(names, options.url_col)
        if url is None:
            raise ListError(f"no column is called {options.url_col!r}, {_offer(names)}; name the URLs' one (--url-col)")
        found = []
        for flag, wanted, default in (
            ("--key-col", options.key_col, _DEFAULTS.key_col),
            ("--label-col", options.label_col, _DEFAULTS.label_col),
            ("--sha256-col", options.sha256_col, None),
            ("--md5-col", options.md5_col, None),
        ):
            column = None if wanted is None else _find(names, wanted)
            if column is None and wanted != default:
                raise ListError(f"no column is called {wanted!r} ({flag}), {_offer(names)}")
            found.append(column)
        return cls(tuple(names), url, *found)

    def entry(self, line: int, row: Mapping[str, Any]) -> Entry:
        """The entry of a row; a bad one, with what the row says besides, when its URL, key, label or hash is none."""
        url, key, label = row.get(self.url), self._text(row, self.key), self._text(row, self.label)
        taken = (self.url, self.key, self.label, self.sha256, self.md5)
        extra = {name: row[name] for name in row if name not in taken} or None
        hashes = self._hashes(row)
        error = self._url_flaw(url)
        for column, text in ((self.key, key), (self.label, label)):
            if text == "":  # what is there and no text
                error = error or f"the column {column!r} holds no text: {row.get(column or '')!r:.80}"
        error = error or hashes.pop("error", None)
        if error is not None or not isinstance(url, str):
            text = url.strip() if isinstance(url, str) else "" if url is None else f"{url!r:.200}"
            return bad(line, error or "no URL", text, key or None, label or None, extra)
        return Entry(line, Request(url.strip(), key, label, extra, **hashes))

    def _url_flaw(self, url: Any) -> str | None:
        """Why a cell holds no URL that anybody wrote; None for one that may be one."""
        if isinstance(url, str) and url.strip():
            return flaw_in(url.strip())
        empty = url is None or isinstance(url, str)
        return f"no URL in the column {self.url!r}" + ("" if empty else f": {url!r:.80} is no text")

    def _hashes(self, row: Mapping[str, Any]) -> dict[str, str]:
        """What the picture's bytes must have, by kind; an empty cell demands nothing. `error`: a hash is none."""
        found: dict[str, str] = {}
        for kind, column in (("sha256", self.sha256), ("md5", self.md5)):
            value = None if column is None else row.get(column)
            text = value.strip() if isinstance(value, str) else value
            if isinstance(text, str) and is_hash(kind, text):
                found[kind] = text.lower()
            elif text not in (None, ""):
                what = f"{HEX_DIGITS[kind]} hexadecimal digits"
                found["error"] = f"the column {column!r} holds {value!r:.80}, and a hash there is {what} ({kind})"
        return found

    @staticmethod
    def _text(row: Mapping[str, Any], column: str | None) -> str | None:
        """A cell as text; None for an empty one, "" for what is no text."""
        value = None if column is None else row.get(column)
        if isinstance(value, str):
            return value.strip() or None
        if value is None:
            return None
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _find(names: Sequence[str], wanted: str) -> str | None:
    if wanted in names:
        return wanted
    folded = [name for name in names if name.casefold() == wanted.casefold()]
    return folded[0] if len(folded) == 1 else None


def _offer(names: Sequence[str]) -> str:
    shown = ", ".join(f"{name[:40]!r}" for name in names[:8])
    return f"but {shown}{' and more' if len(names) > 8 else ''}"
