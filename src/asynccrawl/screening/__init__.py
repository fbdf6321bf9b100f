"""Decides which valid pictures are kept."""

from .rule import NAMES
from .screening import Judged, Screening
from .signatures import Signature, known_signatures, load_signatures

__all__ = ["NAMES", "Judged", "Screening", "Signature", "known_signatures", "load_signatures"]
