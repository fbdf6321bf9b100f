"""The crash-safe record of a crawl, one row a record, and the backlog that the engine refills from."""

from .describing import kinds_of_extra, outcomes_of, suspects
from .lock import Lock
from .nearness import Member, Near, Unseen, near_groups
from .reader import manifest, reading, row_of, stored_after, stored_count, tally
from .rows import Stored
from .sharing import First
from .store import FILE_NAME, Ledger

__all__ = [
    "FILE_NAME",
    "First",
    "Ledger",
    "Lock",
    "Member",
    "Near",
    "Stored",
    "Unseen",
    "kinds_of_extra",
    "manifest",
    "near_groups",
    "outcomes_of",
    "reading",
    "row_of",
    "stored_after",
    "stored_count",
    "suspects",
    "tally",
]
