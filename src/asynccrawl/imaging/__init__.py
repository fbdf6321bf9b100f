"""Bytes -> facts, or InvalidImage: what a body is, whether all of it is there, and whether it decodes."""

from .examine import examine
from .facts import EXTENSIONS, Facts

__all__ = ["EXTENSIONS", "Facts", "examine"]
