"""The crash-safe record of a crawl, one row a record, and the backlog that the engine refills from."""

from .lock import Lock
from .reader import manifest, reading, row_of, stored_after, stored_count, tally
from .rows import Stored
from .store import FILE_NAME, Ledger

__all__ = [
    "FILE_NAME",
    "Ledger",
    "Lock",
    "Stored",
    "manifest",
    "reading",
    "row_of",
    "stored_after",
    "stored_count",
    "tally",
]
