"""Where pictures go. One layout a file, its reader beside it; the crawl speaks to all of them through `Sink`."""

from .adapters import can_remove, close_sink, remove_from, write_to
from .directory import DirectorySink
from .directory_reader import read_directory
from .layout import TEMPORARY
from .memory import MemorySink, NullSink
from .protocol import Entry, Sink, Stored
from .tee import TeeSink

__all__ = [
    "TEMPORARY",
    "DirectorySink",
    "Entry",
    "MemorySink",
    "NullSink",
    "Sink",
    "Stored",
    "TeeSink",
    "can_remove",
    "close_sink",
    "read_directory",
    "remove_from",
    "write_to",
]
