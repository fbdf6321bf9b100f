"""The exceptions of asynccrawl.

CrawlError              what a caller of crawl() may see
 |- ListError           the list cannot be read (exit 2)
 |- StorageError        the destination or the sink failed; what is recorded stays (exit 3)
 '- DestinationBusy     another run holds the destination (exit 4)
SettingsError           a setting that proves wrong when it is used (exit 2)
FetchError              one hop failed; the engine turns it into a retry or a Failure
 '- OutOfDescriptors    it could not even begin; the engine lowers the fetches in flight
InvalidImage            a body is no picture that may be kept; the engine turns it into a Failure
 '- Undecodable         decoding it broke a bound, or its decoder
"""

from __future__ import annotations

import errno

from .models import Doubt, Reason

NO_DESCRIPTOR = frozenset({errno.EMFILE, errno.ENFILE})
"""What the system says when a process, or all of them together, may open no more files. It passes."""
_HOW_TO_GO_ON = {
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room in the quota",
    errno.EROFS: "make the file system writable",
    errno.EIO: "see to the disk",
    errno.EACCES: "give the right to work there",
    errno.EPERM: "give the right to work there",
    errno.ENOENT: "bring the directory back",
    errno.ENOTDIR: "remove what is in its place, which is no directory",
    errno.ELOOP: "remove the link that is in its place",
    errno.EEXIST: "remove what is in its place",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "raise the limit of open files (sysctl fs.file-max)",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f)",
    errno.ESTALE: "mount the file system again",
}


class SettingsError(ValueError):
    """A setting that only proves wrong when it is used, such as a file of certificates without any."""


class CrawlError(Exception):
    """Base of the errors that end a crawl."""


class ListError(CrawlError):
    """The list cannot be opened or read. The message says which file, where, and what to do."""


class StorageError(CrawlError):
    """Writing failed for a cause that is not one record's: a full disk, a failing device, a sink that raised."""


class DestinationBusy(CrawlError):
    """Another run is writing to the destination."""


class FetchError(Exception):
    """One hop failed.

    `reason` and `detail` say why, `retryable` whether a later attempt may succeed. `http_status` is the answer's
    status if there was one; `retry_after` the seconds its server asked to be left alone. `doubt` is set when it is not
    certain yet whether the server was answering this request.
    """

    def __init__(self, reason: Reason, retryable: bool, detail: str, *, http_status: int | None = None,
                 retry_after: float | None = None) -> None:  # fmt: skip
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.retryable = retryable
        self.detail = detail
        self.http_status = http_status
        self.retry_after = retry_after
        self.doubt: Doubt | None = None

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.reason, self.retryable, self.detail)


class OutOfDescriptors(FetchError):
    """There was no file descriptor left for a fetch: not the server's fault, and no attempt at it."""

    def __init__(self) -> None:
        super().__init__(Reason.CONNECT, True, "no file descriptor is left; raise the limit (ulimit -n)")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), ()


class InvalidImage(Exception):
    """A body that may not be kept, with its Reason. Crosses threads and processes, so it pickles whole."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


class Undecodable(InvalidImage):
    """A body that took more time or memory than is allowed, or with which its decoder died: `corrupt`.

    `retryable`: it may have been somebody else's doing, as when the system ended the decoder.
    """

    def __init__(self, detail: str, *, retryable: bool = False) -> None:
        super().__init__(Reason.CORRUPT, detail)
        self.retryable = retryable

    def __reduce__(self) -> tuple[object, ...]:
        return _undecodable, (self.detail, self.retryable)


def _undecodable(detail: str, retryable: bool) -> Undecodable:
    return Undecodable(detail, retryable=retryable)


def storage_error(where: object, what: str, error: OSError) -> StorageError:
    """One line for whoever has to mend it: where, what could not be done and why, and how to go on."""
    how = _HOW_TO_GO_ON.get(error.errno or 0, "mend it")
    return StorageError(f"{where}: {what}: {error.strerror or error}; {how}, then run again to go on")


def unreadable_spool(path: object, error: OSError) -> StorageError:
    """The error of a large body that was kept in a temporary file and cannot be read back."""
    return storage_error(path, "what was kept there for now cannot be read", error)
