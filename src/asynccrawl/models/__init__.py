"""The values that travel through a crawl: frozen, slotted, checked when made."""

from .noise import LabelNoise, LabelPair, Shared
from .placeholder import Placeholder
from .reason import Reason, Status
from .records import (
    HEX_DIGITS,
    NAME_BYTES,
    ROBOTS_BYTES,
    Hop,
    Purpose,
    Record,
    Request,
    is_hash,
    safe_name,
    suffixed,
)
from .results import Doubt, Failure, OnOutcome, Outcome, Response, Result, Sample
from .served import NOTE_WITHIN, Served
from .tally import Tally

__all__ = [
    "HEX_DIGITS",
    "NAME_BYTES",
    "NOTE_WITHIN",
    "ROBOTS_BYTES",
    "Doubt",
    "Failure",
    "Hop",
    "LabelNoise",
    "LabelPair",
    "OnOutcome",
    "Outcome",
    "Placeholder",
    "Purpose",
    "Reason",
    "Record",
    "Request",
    "Response",
    "Result",
    "Sample",
    "Served",
    "Shared",
    "Status",
    "Tally",
    "is_hash",
    "safe_name",
    "suffixed",
]
