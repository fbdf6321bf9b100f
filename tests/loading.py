"""The real readers that results are opened with."""

from __future__ import annotations

import gc
import warnings
from pathlib import Path
from typing import Any

import webdataset


def read_shards(dest: Path, pattern: str = "*.tar") -> list[dict[str, Any]]:
    """What the webdataset package reads, in order."""
    urls = [str(path) for path in sorted(dest.glob(pattern))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves the closing of files to the collector
        found = list(webdataset.WebDataset(urls, shardshuffle=False)) if urls else []
        gc.collect()
    return found
