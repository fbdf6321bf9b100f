"""Groups of labels, the shipped 12-class grouping, the 1,000 synsets, splits by hash. Pure, but for reading files."""

from .grouping import Grouping
from .reading import SHIPPED, Groups, load_grouping, load_labels
from .split import Split
from .synsets import Synset, find_synsets, synsets

__all__ = [
    "SHIPPED",
    "Grouping",
    "Groups",
    "Split",
    "Synset",
    "find_synsets",
    "load_grouping",
    "load_labels",
    "synsets",
]
