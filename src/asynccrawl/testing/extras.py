"""The error of a package that only some need, and that is not installed."""

from __future__ import annotations


class MissingExtra(ImportError):
    """A package of an extra is not installed; the message names the extra."""
