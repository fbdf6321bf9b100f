"""What a list is packed in, decided by its first bytes: gzip, bzip2, xz, zstd, tar, or nothing.

Everything is read as a stream, so that a list may come through a pipe.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import sys
import tarfile
from collections.abc import Callable, Generator, Iterator
from typing import Self, cast

from ..errors import ListError

BUFFER_BYTES = 65_536
_TAR_BLOCK = 512


def _zstd(stream: io.BufferedReader) -> io.BufferedIOBase:
    """Python 3.14 brings zstd; before, it comes with an extra."""
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError as error:
        raise ListError("it is compressed with zstd, which needs an extra: pip install 'asynccrawl[zstd]'") from error
    unpacked: io.BufferedIOBase = zstd.ZstdFile(stream)
    return unpacked


_PACKERS: tuple[tuple[re.Pattern[bytes], Callable[[io.BufferedReader], io.BufferedIOBase]], ...] = (
    (re.compile(rb"\x1f\x8b\x08"), lambda stream: gzip.GzipFile(fileobj=stream)),
    (re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"), bz2.BZ2File),
    (re.compile(rb"\xfd7zXZ\x00"), lzma.LZMAFile),
    (re.compile(rb"\x28\xb5\x2f\xfd"), _zstd),
)
_FOREIGN = (
    (re.compile(rb"PAR1"), "a Parquet file, which is read only from a path, and not packed any further"),
    (re.compile(rb"PK\x03\x04"), "a zip archive, which is not read; unpack it first"),
    (re.compile(rb"7z\xbc\xaf\x27\x1c"), "a 7z archive, which is not read; unpack it first"),
    (re.compile(rb"(?:\xff\xfe[^\x00]\x00|\xfe\xff\x00)"), "UTF-16 text; convert it to UTF-8 first"),
)


class _Rewound(io.RawIOBase):
    """A stream whose first bytes were looked at, from its beginning again.

    It reads no more at once than comes at once, so damage further on takes nothing with it that was good.
    """

    def __init__(self, head: bytes, rest: io.BufferedIOBase) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # what BufferedReader hands over
        """The head first, then the rest."""
        if not self._head:
            return self._rest.readinto1(buffer)
        n = min(len(buffer), len(self._head))
        buffer[:n] = self._head[:n]
        self._head = self._head[n:]
        return n


class _Sips:
    """A stream that gives what it has instead of filling the reader's buffer.

    Else an error behind the last line, as of a checksum, would come in place of the lines before it.
    """

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none only at the end."""
        return self._stream.read1(size)


class _Member(tarfile.TarInfo):
    """A tar header that is not taken for the archive's end when it is damaged, as `tarfile` does."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        """The next header."""
        at = archive.fileobj.tell() if archive.fileobj else 0
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined] # only the base class is in the stubs
            raise
        except tarfile.HeaderError as error:
            raise ListError(f"the archive is damaged or cut short at byte {at} ({error})") from error


def unpacked(stream: io.BufferedReader) -> Generator[io.BufferedReader, None, None]:
    """The plain files in `stream`: itself, or its decompressed content, or the lists in its archive, in order.

    Each is to be read before the next is asked for. Raises ListError for what is recognised and not read, and
    whatever the decompressor at hand raises for damage.
    """
    head, stream = _peek(stream)
    for magic, open_packed in _PACKERS:
        if magic.match(head):
            head, stream = _peek(buffered(open_packed(stream)))
            break
    for magic, what in _FOREIGN:
        if magic.match(head):
            raise ListError(f"it is {what}")
    if _is_tar(head):
        yield from _members(stream)
    else:
        yield stream


def _peek(stream: io.BufferedReader) -> tuple[bytes, io.BufferedReader]:
    """The first bytes, and the stream with them still in it.

    A whole first line is enough to see that this is text; waiting for more would hold back what a slow pipe has sent.
    """
    head = b""
    while len(head) < _TAR_BLOCK and b"\n" not in head and (more := stream.read1(_TAR_BLOCK - len(head))):
        head += more
    return head, buffered(stream, head)


def buffered(stream: io.BufferedIOBase, head: bytes = b"") -> io.BufferedReader:
    """A reader over `stream` that gives `head` first, and whose closing leaves `stream` open."""
    return io.BufferedReader(_Rewound(head, stream), BUFFER_BYTES)


def _is_tar(head: bytes) -> bool:
    if len(head) < _TAR_BLOCK:
        return False
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _members(stream: io.BufferedReader) -> Iterator[io.BufferedReader]:
    found = False
    sips = cast(io.BufferedReader, _Sips(stream))  # tarfile does no more than read
    with tarfile.open(fileobj=sips, mode="r|", tarinfo=_Member, bufsize=BUFFER_BYTES) as archive:
        while member := archive.next():
            archive.members = []  # type: ignore[attr-defined] # or it would remember every member it has passed
            if member.isreg() and not _hidden(member.name) and (file := archive.extractfile(member)):
                found = True
                yield cast(io.BufferedReader, file)
    while stream.read1(BUFFER_BYTES):
        pass  # to the end of what the archive is packed in, where its checksum is
    if not found:
        raise ListError("the archive holds no list: no file in it that is not hidden")


def _hidden(name: str) -> bool:
    """Whether a member is no list: a dot file, in a dot directory, or what macOS adds to archives."""
    parts = [part for part in name.split("/") if part not in ("", ".", "..")]
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)
