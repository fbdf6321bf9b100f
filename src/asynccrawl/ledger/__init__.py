"""The crash-safe record of a crawl, one row a record, and the backlog that the engine refills from."""

from .contents import Contents
from .describing import kinds_of_extra, outcomes_of, suspects
from .judged import REPEATED, content_of, placeholders, repeated
from .lock import Lock
from .nearness import Member, Near, Unseen, near_groups
from .reader import last_deciding, manifest, reading, row_of, stored_after, stored_count, tally
from .retracting import Restored, Retraction
from .rows import Stored
from .sharing import First
from .store import FILE_NAME, Ledger

__all__ = [
    "FILE_NAME",
    "REPEATED",
    "Contents",
    "First",
    "Ledger",
    "Lock",
    "Member",
    "Near",
    "Restored",
    "Retraction",
    "Stored",
    "Unseen",
    "content_of",
    "kinds_of_extra",
    "last_deciding",
    "manifest",
    "near_groups",
    "outcomes_of",
    "placeholders",
    "reading",
    "repeated",
    "row_of",
    "stored_after",
    "stored_count",
    "suspects",
    "tally",
]
