"""Where pictures go. One layout a file, its reader beside it; the crawl speaks to all of them through `Sink`."""

from .adapters import can_remove, close_sink, remove_from, suits_a_crawl, write_to
from .checking import Finding, check_file, in_shard, put_aside, rename, surplus_files
from .directory import DirectorySink
from .directory_reader import read_directory
from .layout import TEMPORARY, directory_of, path_of
from .leftovers import count_pictures, count_tree, prune_links
from .linking import Link, Linking
from .memory import MemorySink, NullSink
from .nested import DirectoryLink, link_directories
from .protocol import Entry, Sink, Stored
from .shard import ShardBounds
from .subset import SubsetSink
from .tee import TeeSink
from .webdataset import WebDatasetSink
from .webdataset_reader import read_webdataset

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
    "ShardBounds",
    "Sink",
    "Stored",
    "SubsetSink",
    "TeeSink",
    "WebDatasetSink",
    "can_remove",
    "check_file",
    "close_sink",
    "count_pictures",
    "count_tree",
    "directory_of",
    "in_shard",
    "link_directories",
    "path_of",
    "prune_links",
    "put_aside",
    "read_directory",
    "read_webdataset",
    "remove_from",
    "rename",
    "suits_a_crawl",
    "surplus_files",
    "write_to",
]
