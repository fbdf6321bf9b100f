"""Datasets from datasets: reader -> label mapping -> sink, without a network."""

from .builder import build_subset
from .export_options import FORMATS, ExportOptions, Format
from .export_report import ExportReport
from .exporting import export
from .options import SubsetOptions
from .report import ClassCount, SubsetReport

__all__ = [
    "FORMATS",
    "ClassCount",
    "ExportOptions",
    "ExportReport",
    "Format",
    "SubsetOptions",
    "SubsetReport",
    "build_subset",
    "export",
]
