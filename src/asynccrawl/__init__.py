"""Turns a list of image URLs into a dataset that trains first time.

import asyncio, asynccrawl
report = asyncio.run(asynccrawl.crawl("ilsvrc12_urls.txt", "ilsvrc12/", concurrency=100))
print(report)
"""

from . import starting as _starting  # noqa: F401 -- before the others: a signal may come while they are imported

TYPE_CHECKING = False  # of type checkers; importing it from typing takes as long as all the rest
if TYPE_CHECKING:
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

_HOMES = {
    name: room
    for room, names in {
        "api": ["crawl", "crawl_sync", "stream"],
        "building": ["ExportReport", "SubsetReport", "build_subset", "export"],
        "errors": ["CrawlError", "DestinationBusy", "ListError", "SettingsError", "StorageError"],
        "models": ["Failure", "Outcome", "Placeholder", "Reason", "Request", "Sample", "Status"],
        "planning": ["Plan", "plan"],
        "report": ["Report"],
        "reviewing": ["placeholders", "refuse", "restore"],
        "settings": ["HostLimits", "ImagePolicy", "Limits", "ListOptions", "Network", "RetryPolicy", "Settings"],
        "sinks": ["DirectorySink", "MemorySink", "NullSink", "Sink", "SubsetSink", "TeeSink", "WebDatasetSink"],
        "subset": ["Grouping"],
    }.items()
    for name in names
}
"""Where each name lives. Its room is imported when the name is first asked for: most programs need few of them."""

if not TYPE_CHECKING:  # or any name would do for a type checker

    def __getattr__(name: str) -> object:
        """The name, imported now, and kept."""
        import importlib

        if name in _HOMES:
            found = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
        elif name in _HOMES.values():
            found = importlib.import_module(f".{name}", __name__)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return globals().setdefault(name, found)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
