"""Screening, sink, ledger, in that order, a batch at a time."""

from .progress import Progress
from .recorder import OnOutcome, Recorder

__all__ = ["OnOutcome", "Progress", "Recorder"]
