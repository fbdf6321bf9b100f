"""Where pictures go. One layout a file, its reader beside it; the crawl speaks to all of them through `Sink`."""

from .adapters import can_remove, close_sink, remove_from, suits_a_crawl, write_to
from .checking import Finding, check_file, put_aside, rename, surplus_files
from .directory import DirectorySink
from .directory_reader import read_directory
from .layout import TEMPORARY, directory_of, path_of
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
    "Finding",
    "Link",
    "Linking",
    "MemorySink",
    "NullSink",
    "Sink",
    "Stored",
    "SubsetSink",
    "TeeSink",
    "can_remove",
    "check_file",
    "close_sink",
    "count_pictures",
    "count_tree",
    "directory_of",
    "link_directories",
    "path_of",
    "prune_links",
    "put_aside",
    "read_directory",
    "remove_from",
    "rename",
    "suits_a_crawl",
    "surplus_files",
    "write_to",
]
