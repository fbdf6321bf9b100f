"""The values that travel through a crawl: frozen, slotted, checked when made."""

from .reason import Reason, Status
from .records import NAME_BYTES, Hop, Purpose, Record, Request, safe_name, suffixed
from .results import Failure, Outcome, Response, Result, Sample
from .tally import Tally

__all__ = [
    "NAME_BYTES",
    "Failure",
    "Hop",
    "Outcome",
    "Purpose",
    "Reason",
    "Record",
    "Request",
    "Response",
    "Result",
    "Sample",
    "Status",
    "Tally",
    "safe_name",
    "suffixed",
]
