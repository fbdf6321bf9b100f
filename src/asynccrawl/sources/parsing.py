"""Which parser reads a list: the format that was asked for, or what the first line shows it to be."""

from __future__ import annotations

from functools import partial

from ..errors import ListError
from ..settings import ListOptions
from .entry import Entry
from .lines import LineParser, auto, imagenet, only_urls
from .tables import DELIMITERS, Rows, header_of, json_entry


class Parser:
    """Reads the lines of one list, or the text items of an iterable, whose first one may be a table's header.

    After the first line that is not blank `rest` is what reads the others.
    """

    def __init__(self, options: ListOptions) -> None:
        self._options = options
        self.rest: LineParser | None = None

    def __call__(self, line: int, text: str) -> Entry | None:
        """The entry of a line; None for a blank one and for a header. Raises ListError for a header without URLs."""
        if self.rest is not None:
            return self.rest(line, text)
        if not text.strip():
            return None
        self.rest = self._choose(text)
        return None if isinstance(self.rest, Rows) else self.rest(line, text)

    def skip_header(self) -> None:
        """The first line could not be read. Raises ListError where it had to be a header."""
        if self.rest is None:
            if self._options.format in DELIMITERS:
                raise ListError("the header cannot be read; it is a row of column names, in UTF-8")
            self.rest = self._lines("")

    def _choose(self, text: str) -> LineParser:
        format = self._options.format
        if format in DELIMITERS:
            semicolons = format == "csv" and ";" in text and "," not in text
            return Rows(text, ";" if semicolons else DELIMITERS[format], self._options)
        table = header_of(text, self._options) if format == "auto" else None
        return table or self._lines(text)

    def _lines(self, first: str) -> LineParser:
        parsers: dict[str, LineParser] = {"imagenet": imagenet, "urls": only_urls}
        objects = partial(json_entry, options=self._options)
        column = self._options.sha256_col or self._options.md5_col
        if self._options.format != "jsonl" and column is not None and not first.lstrip().startswith("{"):
            raise ListError(f"the list is no table, and so without the column {column!r} that holds hashes")
        if self._options.format == "jsonl" or column is not None:
            return objects
        return parsers.get(self._options.format) or partial(auto, objects=objects)
