"""Which decoder a crawl gets."""

from __future__ import annotations

import os

from ..settings import Settings
from .early import start_early
from .processes import ProcessDecoder
from .threads import ThreadDecoder

MOST = 8
"""Most processes that are started unasked: five keep up with all that a loop can fetch of 50 kB each."""
Decoder = ThreadDecoder | ProcessDecoder
"""Both have `prepare`, `begin`, `examine`, `story` and `aclose`."""


def open_decoder(settings: Settings) -> Decoder:
    """The decoder that `settings.processes` asks for. Nothing is started before `begin`, or the first picture."""
    count = _processes(settings)
    return ProcessDecoder(settings.image, count) if count else ThreadDecoder(settings.image)


def begin_early(settings: Settings) -> None:
    """Start the processes of the decoder that will be opened with these settings (see `early`)."""
    start_early(settings.image, _processes(settings))


def _processes(settings: Settings) -> int:
    return _automatic(settings) if settings.processes == "auto" else int(settings.processes)


def _automatic(settings: Settings) -> int:
    """As many as there are cores, but no more than one event loop can feed; none where nothing is decoded.
    ARCHITECTURE.md has the figures.
    """
    return 0 if settings.image.decode == "none" else min(_cores(), MOST)


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # macOS has none
    return len(affinity(0)) if affinity else os.cpu_count() or 1
