"""Screening, sink, ledger, in that order, a batch at a time."""

from .closing import end_sink
from .progress import Progress
from .recorder import Recorder
from .retractions import Retractions, described

__all__ = ["Progress", "Recorder", "Retractions", "described", "end_sink"]
