"""Runs `imaging` off the event loop: in threads, or in processes that no picture can take the crawl down with."""

from .choosing import Decoder, begin_early, open_decoder
from .early import end_all
from .processes import ProcessDecoder
from .threads import ThreadDecoder

__all__ = ["Decoder", "ProcessDecoder", "ThreadDecoder", "begin_early", "end_all", "open_decoder"]
