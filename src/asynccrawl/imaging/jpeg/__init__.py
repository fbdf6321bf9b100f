"""JPEG: its segments, its scans, and whether all of their data are there."""

from .decode import check, decodes, prepare
from .structure import jpeg_extent

__all__ = ["check", "decodes", "jpeg_extent", "prepare"]
