"""The nested layout: a link a label."""

from __future__ import annotations

from pathlib import Path

from ..sinks import DirectoryLink, count_pictures, link_directories
from ..subset import Grouping
from .options import SubsetOptions
from .report import Counting, SubsetReport, label_directories


def build_nested(root: Path, grouping: Grouping, out: Path, options: SubsetOptions) -> SubsetReport:
    """Link the directory of every label that the data set has. Blocks. Raises ListError and StorageError."""
    found = label_directories(root, grouping)
    counting = Counting(grouping, found)
    links = [
        DirectoryLink(group, name, root / found[label]) for group, name, label in grouping.members() if label in found
    ]
    for link, trouble in link_directories(out, links, options.linking):
        if trouble is None:
            counting.add(link.source.name, None, count_pictures(link.source))
        else:
            counting.refuse(trouble)
    return counting.report(options, str(out))
