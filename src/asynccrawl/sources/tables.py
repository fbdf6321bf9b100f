"""Tables as text: CSV, TSV and JSON Lines.

A quoted field of a CSV file may hold line ends, so a record may be several lines. A quote that is never closed would
then swallow the file: a record that turns out to be none costs its first line only, and the others are read anew. One
that grows beyond MAX_LINE_BYTES is none, either: if one of its lines is a row by itself, a quote was not closed;
otherwise it is a text too long, one bad entry, and passed over to where it ends or where a row stands again.
"""

from __future__ import annotations

import csv
import json
import re
from collections import deque
from typing import Any

from ..errors import ListError
from ..settings import ListOptions
from .columns import Columns
from .entry import MAX_LINE_BYTES, Entry, bad
from .manifests import is_manifest, manifest_entry

DELIMITERS = {"csv": ",", "tsv": "\t"}


_MEANS_URLS = re.compile(r"[\w-]*(?:url|uri|link|href|src)[\w-]*\Z")
"""What people call a column of URLs, by which a header is told from a bad line."""


_BEGINS_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class Unfinished(Exception):
    """A record whose last field is quoted and not closed."""


class Rows:
    """The rows of one CSV or TSV table, a record at a time. Raises ListError for a header that names no URLs."""

    def __init__(self, header: str, delimiter: str, options: ListOptions) -> None:
        self._delimiter = delimiter
        try:
            names = [name.strip() for name in self._split(header)]
        except (Unfinished, csv.Error) as error:
            raise ListError(f"the header is no row of a table: {error or 'a quote is not closed'}") from error
        self._columns = Columns.of(names, options)

    def __call__(self, line: int, text: str) -> Entry | None:
        """The entry of a record that comes as a whole; None for a blank line."""
        if not text.strip():
            return None
        try:
            return self.entry(line, self.split(text))
        except Unfinished:
            return bad(line, "a quote is not closed", text.strip())
        except ValueError as error:
            return bad(line, str(error), text.strip())

    def split(self, text: str) -> list[str]:
        """A record's fields. Raises Unfinished, and ValueError when they are not as many as the header's."""
        if "\0" in text:
            raise ValueError("a NUL in the row; is this file a list?")
        try:
            fields = self._split(text)
        except csv.Error as error:
            raise ValueError(f"no row of a table: {error}") from error
        if len(fields) != len(self._columns.names):
            raise ValueError(f"{len(fields)} fields, where the header has {len(self._columns.names)}")
        return fields

    def entry(self, line: int, fields: list[str]) -> Entry:
        """The entry of a record's fields."""
        return self._columns.entry(line, dict(zip(self._columns.names, fields, strict=True)))

    def is_row(self, text: str) -> bool:
        """Whether a line is a record by itself, with a URL in its column."""
        if "://" not in text:
            return False
        try:
            entry = self.entry(0, self.split(text))
        except (Unfinished, ValueError):
            return False
        return entry.error is None and _BEGINS_URL.match(entry.request.url) is not None

    def _split(self, text: str) -> list[str]:
        if '"' not in text:
            return text.rstrip("\r\n").split(self._delimiter)
        try:
            rows = list(csv.reader([text], delimiter=self._delimiter, strict=True))
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                raise Unfinished from error
            raise
        return rows[0]


class Records:
    """Puts the lines of a file together to records. `feed` and `finish` return what entries that completes."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._open: deque[tuple[int, str]] = deque()
        self._size = 0
        self._passing = False  # over the rest of a record that is too long

    def feed(self, line: int, text: str) -> list[Entry]:
        """The next line, with its end."""
        if self._passing and not self._rows.is_row(text):
            self._passing = text.count('"') % 2 == 0  # an odd quote closes the field
            return []
        self._passing = False
        if not self._open and not text.strip():
            return []
        if self._open and '"' not in text and self._size + len(text) <= MAX_LINE_BYTES:
            self._keep(line, text)  # it can only be the middle of an open field
            return []
        self._keep(line, text)
        return self._try()

    def damaged(self, entry: Entry) -> list[Entry]:
        """A line that could not be read: no record goes on behind it, but for one that is passed over."""
        return [*self.finish(), entry]

    def finish(self) -> list[Entry]:
        """No more lines come."""
        found: list[Entry] = []
        while self._open:
            found += self._give_up("a quote is not closed")
        return found

    def _keep(self, line: int, text: str) -> None:
        self._open.append((line, text))
        self._size += len(text)

    def _try(self) -> list[Entry]:
        line, first = self._open[0]
        try:
            fields = self._rows.split(first if len(self._open) == 1 else "".join(text for _, text in self._open))
        except Unfinished:
            return self._overflow() if self._size > MAX_LINE_BYTES else []
        except ValueError as error:
            return self._give_up(str(error))
        self._open.clear()
        self._size = 0
        return [self._rows.entry(line, fields)]

    def _overflow(self) -> list[Entry]:
        line, first = self._open[0]
        if any(self._rows.is_row(text) for number, text in self._open if number != line):
            return self._give_up("a quote is not closed")
        self._open.clear()
        self._size = 0
        self._passing = True
        what = f"a record longer than {MAX_LINE_BYTES} bytes, which no entry is; is its quote not closed?"
        return [bad(line, what, first.strip())]

    def _give_up(self, error: str) -> list[Entry]:
        """The first line is a bad record of its own; what came after it is read anew."""
        line, first = self._open.popleft()
        again, self._open, self._size = self._open, deque(), 0
        found = [bad(line, error, first.strip())]
        for number, text in again:
            found += self.feed(number, text)
        return found


def header_of(text: str, options: ListOptions) -> Rows | None:
    """The table that `text`, the first line of a list, begins; None when it is no header.

    Raises ListError for what looks like a header and names no URL column.
    """
    if "://" in text or not text.strip():
        return None
    for delimiter in ("\t", ",", ";"):  # semicolons are what spreadsheets write where the comma is for decimals
        names = [name.strip().strip('"').casefold() for name in text.split(delimiter)]
        if options.url_col.casefold() in names or (len(names) > 1 and any(map(_MEANS_URLS.match, names))):
            return Rows(text, delimiter, options)
    return None


def json_entry(line: int, text: str, options: ListOptions) -> Entry | None:
    """The entry of a line of JSON Lines; None for a blank line, and for what a manifest does not list as saved."""
    if not text.strip():
        return None
    try:
        row = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        return bad(line, f"not JSON: {error}", text.strip())
    if not isinstance(row, dict):
        return bad(line, 'not an object such as {"url": "https://..."}', text.strip())
    if is_manifest(row, options):
        return manifest_entry(line, row)
    try:
        columns = Columns.of(list(row), options)
    except ListError as error:
        return bad(line, str(error), text.strip())
    return columns.entry(line, row)


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no JSON number")
