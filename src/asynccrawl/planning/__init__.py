"""What a crawl of a list would be, told without fetching anything."""

from .figures import Bound, Disk, Figures, LabelCounts, LeftOut
from .planner import Plan, Planner, plan

__all__ = ["Bound", "Disk", "Figures", "LabelCounts", "LeftOut", "Plan", "Planner", "plan"]
