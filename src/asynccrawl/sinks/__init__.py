"""Where pictures go. One layout a file, its reader beside it; the crawl speaks to all of them through `Sink`."""

from .adapters import can_remove, close_sink, remove_from, suits_a_crawl, write_to
from .directory import DirectorySink
from .directory_reader import read_directory
from .layout import TEMPORARY, path_of
from .leftovers import count_pictures, count_tree, prune_links
from .linking import Link, Linking
from .memory import MemorySink, NullSink
from .nested import DirectoryLink, link_directories
from .protocol import Entry, Sink, Stored
from .subset import SubsetSink
from .tee import TeeSink

__all__ = [
    "TEMPORARY",
    "DirectoryLink",
    "DirectorySink",
    "Entry",
    "Link",
    "Linking",
    "MemorySink",
    "NullSink",
    "Sink",
    "Stored",
    "SubsetSink",
    "TeeSink",
    "can_remove",
    "close_sink",
    "count_pictures",
    "count_tree",
    "link_directories",
    "path_of",
    "prune_links",
    "read_directory",
    "remove_from",
    "suits_a_crawl",
    "write_to",
]
