"""The command: `asynccrawl crawl LIST DEST`, and what looks at a destination afterwards."""

from .main import main

__all__ = ["main"]
