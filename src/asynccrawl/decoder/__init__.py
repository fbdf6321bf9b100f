"""Runs `imaging` off the event loop: in threads, or in processes that no picture can take the crawl down with."""

from .choosing import Decoder, open_decoder
from .processes import ProcessDecoder
from .threads import ThreadDecoder

__all__ = ["Decoder", "ProcessDecoder", "ThreadDecoder", "open_decoder"]
