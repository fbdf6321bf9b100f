"""Where pictures go. One layout a file, its reader beside it; the crawl speaks to all of them through `Sink`."""

from .adapters import can_remove, close_sink, read_from, remove_from, suits_a_crawl, write_to
from .checking import (
    Finding,
    check_file,
    in_shard,
    put_aside,
    read_file,
    read_head,
    rename,
    stored_bytes,
    surplus_files,
)
from .columns import Column
from .directory import DirectorySink
from .directory_reader import read_directory
from .imagefolder import SPLITS, ImageFolderSink, list_imagefolder, read_imagefolder, sample_at, splits_of
from .layout import TEMPORARY, directory_of, path_of, shard_at
from .leftovers import count_pictures, count_tree, prune_links
from .linking import Link, Linking
from .listing import Listed
from .lmdb import LmdbSink, read_lmdb, read_mean, write_mean
from .memory import MemorySink, NullSink
from .nested import DirectoryLink, link_directories
from .parquet import PARQUET_BOUNDS, ParquetSink, read_parquet
from .protocol import Entry, Sink, Stored
from .shard import ShardBounds
from .shelf import shards_in
from .subset import SubsetSink
from .tee import TeeSink
from .webdataset import WebDatasetSink
from .webdataset_reader import list_shards, read_webdataset, sample_in

__all__ = [
    "PARQUET_BOUNDS",
    "SPLITS",
    "TEMPORARY",
    "Column",
    "DirectoryLink",
    "DirectorySink",
    "Entry",
    "Finding",
    "ImageFolderSink",
    "Link",
    "Linking",
    "Listed",
    "LmdbSink",
    "MemorySink",
    "NullSink",
    "ParquetSink",
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
    "list_imagefolder",
    "list_shards",
    "path_of",
    "prune_links",
    "put_aside",
    "read_directory",
    "read_file",
    "read_from",
    "read_head",
    "read_imagefolder",
    "read_lmdb",
    "read_mean",
    "read_parquet",
    "read_webdataset",
    "remove_from",
    "rename",
    "sample_at",
    "sample_in",
    "shard_at",
    "shards_in",
    "splits_of",
    "stored_bytes",
    "suits_a_crawl",
    "surplus_files",
    "write_mean",
    "write_to",
]
