"""Turns a list of image URLs into a dataset that trains first time.

import asyncio, asynccrawl
report = asyncio.run(asynccrawl.crawl("ilsvrc12_urls.txt", "ilsvrc12/", concurrency=100))
print(report)
"""

from . import starting as _starting  # noqa: F401 -- before the others: a signal may come while they are imported
from .api import crawl, crawl_sync, stream
from .building import ExportReport, SubsetReport, build_subset, export
from .errors import CrawlError, DestinationBusy, ListError, SettingsError, StorageError
from .models import Failure, Outcome, Placeholder, Reason, Request, Sample, Status
from .planning import Plan, plan
from .report import Report
from .reviewing import placeholders, refuse, restore
from .settings import HostLimits, ImagePolicy, Limits, ListOptions, Network, RetryPolicy, Settings
from .sinks import DirectorySink, MemorySink, NullSink, Sink, SubsetSink, TeeSink, WebDatasetSink
from .subset import Grouping

__version__ = "0.1.0"

__all__ = [
    "CrawlError",
    "DestinationBusy",
    "DirectorySink",
    "ExportReport",
    "Failure",
    "Grouping",
    "HostLimits",
    "ImagePolicy",
    "Limits",
    "ListError",
    "ListOptions",
    "MemorySink",
    "Network",
    "NullSink",
    "Outcome",
    "Placeholder",
    "Plan",
    "Reason",
    "Report",
    "Request",
    "RetryPolicy",
    "Sample",
    "Settings",
    "SettingsError",
    "Sink",
    "Status",
    "StorageError",
    "SubsetReport",
    "SubsetSink",
    "TeeSink",
    "WebDatasetSink",
    "build_subset",
    "crawl",
    "crawl_sync",
    "export",
    "placeholders",
    "plan",
    "refuse",
    "restore",
    "stream",
]
