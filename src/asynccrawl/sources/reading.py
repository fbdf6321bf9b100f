"""From a file, or standard input, to entries."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import cast

from ..errors import ListError
from ..settings import ListOptions
from .entry import MAX_LINE_BYTES, Entry
from .lines import LineParser, damaged, too_long
from .packing import BUFFER_BYTES, buffered, unpacked
from .parquet import MAGIC, parquet_entries
from .parsing import Parser
from .tables import Records, Rows

BOM = b"\xef\xbb\xbf"
ListPath = str | os.PathLike[str]
"""Where a list is: a path, or the str `-` for standard input."""


def open_list(path: ListPath, options: ListOptions) -> Iterator[Entry]:
    """The entries of the list at `path`, one at a time; `-` is standard input. Blocks while it reads.

    The file may be plain, or packed with gzip, bzip2, xz or zstd, or a tar archive, packed or not, whose regular
    members that are not hidden are read in order, each a table of its own if it is one. Line numbers run on from one
    member to the next, as in what `tar -xO` prints. A Parquet file is read by rows. Raises ListError when there is no
    such file, or it cannot be read or unpacked, or is a table without a column of URLs; what comes before damage is
    yielded first. A list without entries is legal.
    """
    return _Reading(path, options).entries()


class _Reading:
    """How far one list has been read. `line` is the last line that was read whole."""

    def __init__(self, path: ListPath, options: ListOptions) -> None:
        self._path = path
        self._name = "standard input" if path == "-" else os.fsdecode(path)
        self._options = options
        self._line = 0

    def entries(self) -> Iterator[Entry]:
        """All entries of the list. Raises ListError."""
        with self._opened() as file:
            try:
                if self._is_parquet(file):
                    yield from self._rows()
                    return
                with closing(unpacked(file)) as texts:
                    for text in texts:
                        yield from self._lines(text)
            except ListError as error:
                raise ListError(f"{self._where()}: {error}") from error
            except Exception as error:
                # Damaged archives and streams raise almost anything (zlib.error, EOFError, ValueError, ...).
                raise ListError(
                    f"{self._where()}: the file cannot be read further ({error or type(error).__name__}); it is "
                    "damaged or was cut short: fetch it again, or check the disk it is on"
                ) from error

    def _opened(self) -> io.BufferedReader:
        try:
            if self._path == "-":
                return _standard_input()
            return io.BufferedReader(io.FileIO(self._path), BUFFER_BYTES)
        except FileNotFoundError:
            hint = "; a str is always a path, give URLs as a list: [url]" if "://" in self._name else ""
            raise ListError(f"{self._name}: no such file; check the path{hint}") from None
        except IsADirectoryError:
            raise ListError(f"{self._name}: a directory; name the list file in it") from None
        except PermissionError:
            raise ListError(f"{self._name}: no permission to read it; check who owns it (ls -l)") from None
        except (OSError, ValueError) as error:
            raise ListError(f"{self._name}: it cannot be opened ({error}); check the path") from error

    def _where(self) -> str:
        return f"{self._name}, line {self._line + 1}" if self._line else self._name

    def _is_parquet(self, file: io.BufferedReader) -> bool:
        if self._options.format == "parquet":
            return True
        # Looking ahead would wait for a slow pipe; and from a pipe Parquet cannot be read anyway.
        return self._options.format == "auto" and file.seekable() and file.peek(4)[:4] == MAGIC

    def _rows(self) -> Iterator[Entry]:
        if self._path == "-":
            raise ListError("Parquet is read from its end, which a pipe does not allow; give a file's path")
        for entry in parquet_entries(Path(os.fsdecode(self._path)), self._options):
            self._line = entry.line
            yield entry

    def _lines(self, text: io.BufferedReader) -> Iterator[Entry]:
        read, parser = text.readline, Parser(self._options)
        parse: LineParser = parser
        number, first = self._line, True
        while line := read(MAX_LINE_BYTES + 1):
            if first:
                line, first = line.removeprefix(BOM), False
            number += 1
            if len(line) > MAX_LINE_BYTES and line[-1:] != b"\n":
                entry = self._too_long(number, line, text)
                parser.skip_header()
            else:
                try:
                    entry = parse(number, line.decode())
                except UnicodeDecodeError as error:
                    entry = self._undecodable(number, line, error)
                    parser.skip_header()
            self._line = number
            if entry is not None:
                yield entry
            if parse is parser and parser.rest is not None:
                if isinstance(parser.rest, Rows):
                    yield from self._table(text, parser.rest)
                    return
                parse = parser.rest

    def _table(self, text: io.BufferedReader, rows: Rows) -> Iterator[Entry]:
        records = Records(rows)
        while line := text.readline(MAX_LINE_BYTES + 1):
            number = self._line + 1
            if len(line) > MAX_LINE_BYTES and line[-1:] != b"\n":
                too_long = self._too_long(number, line, text)
                found = records.damaged(too_long) if too_long else []
            else:
                try:
                    found = records.feed(number, line.decode())
                except UnicodeDecodeError as error:
                    found = records.damaged(self._undecodable(number, line, error))
            self._line = number
            yield from found
        yield from records.finish()

    def _too_long(self, number: int, head: bytes, text: io.BufferedReader) -> Entry | None:
        """Pass over the rest of the line without keeping it."""
        blank, more = head.isspace(), head
        while more and not more.endswith(b"\n"):
            more = text.readline(BUFFER_BYTES)
            blank = blank and (more.isspace() or not more)
        read = head.decode(errors="backslashreplace")
        return None if blank else damaged(self._options.format, number, too_long(), read)

    def _undecodable(self, number: int, line: bytes, error: UnicodeDecodeError) -> Entry:
        what = f"byte {error.start + 1} (0x{line[error.start]:02x}) is not UTF-8; convert the list to UTF-8"
        return damaged(self._options.format, number, what, line.decode(errors="backslashreplace"))


def _standard_input() -> io.BufferedReader:
    """Standard input's bytes.

    Through a reader of our own, since Python, when it exits, cannot close `sys.stdin` while a thread is still
    blocked in it, and aborts.
    """
    if sys.stdin is None:
        raise OSError("there is no standard input")
    try:
        descriptor = sys.stdin.fileno()
    except (OSError, ValueError):
        return buffered(cast(io.BufferedIOBase, sys.stdin.buffer))  # a stand-in for it, without a descriptor
    return io.BufferedReader(io.FileIO(descriptor, closefd=False), BUFFER_BYTES)
