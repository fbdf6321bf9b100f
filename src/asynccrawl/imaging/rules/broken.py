"""The error of a picture that is built against its standard."""

from __future__ import annotations


class BrokenRule(ValueError):
    """What a picture has wrong."""
