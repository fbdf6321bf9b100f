"""Groups of near-duplicates in a finished dataset (extra `near`)."""

from .grouping import DISTANCE, MOST_DISTANCE, Nearness, group_near
from .reading import Groups, read_groups

__all__ = ["DISTANCE", "MOST_DISTANCE", "Groups", "Nearness", "group_near", "read_groups"]
