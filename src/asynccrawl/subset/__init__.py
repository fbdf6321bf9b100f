"""Groups of labels, the shipped 12-class grouping, the 1,000 synsets, splits by hash. Pure, but for reading files."""

from .digits import DigitsSplit, digits_counts
from .grouping import Grouping
from .reading import SHIPPED, Groups, load_grouping, load_labels
from .split import NearGroups, Split, Splitter, point_of
from .synsets import Synset, find_synsets, synsets

__all__ = [
    "SHIPPED",
    "DigitsSplit",
    "Grouping",
    "Groups",
    "NearGroups",
    "Split",
    "Splitter",
    "Synset",
    "digits_counts",
    "find_synsets",
    "load_grouping",
    "load_labels",
    "point_of",
    "synsets",
]
