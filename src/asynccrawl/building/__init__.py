"""Datasets from datasets: reader -> label mapping -> sink, without a network."""

from .builder import build_subset
from .options import SubsetOptions
from .report import ClassCount, SubsetReport

__all__ = ["ClassCount", "SubsetOptions", "SubsetReport", "build_subset"]
