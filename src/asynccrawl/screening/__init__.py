"""Decides which valid pictures are kept."""

from .screening import Screening
from .signatures import Signature, known_signatures

__all__ = ["Screening", "Signature", "known_signatures"]
