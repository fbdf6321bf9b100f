"""What a crawl came to, and its text and JSON forms."""

from .advice import ADVICE
from .counts import Count
from .report import Report
from .text import printable, size_of, span_of

__all__ = ["ADVICE", "Count", "Report", "printable", "size_of", "span_of"]
