"""Lists of every format, and iterables, to list entries: lazily and in constant memory."""

from .entry import MAX_LINE_BYTES, Entry
from .feeding import Urls, entries
from .fingerprint import Fingerprint, ListFile
from .inbox import BATCH
from .reading import open_list

__all__ = ["BATCH", "MAX_LINE_BYTES", "Entry", "Fingerprint", "ListFile", "Urls", "entries", "open_list"]
