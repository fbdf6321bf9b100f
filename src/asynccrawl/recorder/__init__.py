"""Screening, sink, ledger, in that order, a batch at a time."""

from .progress import Progress
from .recorder import OnOutcome, Recorder
from .retractions import Retractions, described

__all__ = ["OnOutcome", "Progress", "Recorder", "Retractions", "described"]
