"""A kit for testing downloaders: a local image server that lies on request, and pictures made to order.

    from asynccrawl.testing import ImageServer, picture, truncated

    async with ImageServer(hosts=2) as server:
        server.add("/whole.jpg", picture(seed=1))
        server.add("/half.jpg", truncated(picture(seed=2)))
        ...                                                  # fetch server.url("/half.jpg")
        assert server.audit.max_in_flight("127.0.0.1") <= 8

`Answer` lists everything that can go wrong; the functions beside it name the usual cases. `serve_in_process` runs
the server in a process of its own, for measurements. Only loopback addresses are ever listened on.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .audit import Audit, Entry, Summary
    from .behaviour import (
        Answer,
        chunked,
        dripping,
        hang_up,
        html_as_jpeg,
        html_page,
        lying_length,
        raw,
        redirect,
        reset,
        silent,
        status,
        too_many_requests,
        truncated,
        unframed,
    )
    from .conformance import check_sink
    from .fakes import FakeDecoder, FakeFetcher, MemoryBacklog
    from .http_request import HttpRequest
    from .pictures import PLACEHOLDER_BYTES, PictureSet, numbered, picture, placeholder
    from .process import ServedPictures, serve_in_process
    from .server import ImageServer

__all__ = [
    "PLACEHOLDER_BYTES",
    "Answer",
    "Audit",
    "Entry",
    "FakeDecoder",
    "FakeFetcher",
    "HttpRequest",
    "ImageServer",
    "MemoryBacklog",
    "PictureSet",
    "ServedPictures",
    "Summary",
    "check_sink",
    "chunked",
    "dripping",
    "hang_up",
    "html_as_jpeg",
    "html_page",
    "lying_length",
    "numbered",
    "picture",
    "placeholder",
    "raw",
    "redirect",
    "reset",
    "serve_in_process",
    "silent",
    "status",
    "too_many_requests",
    "truncated",
    "unframed",
]

_HOMES = {
    "Audit": "audit", "Entry": "audit", "Summary": "audit",
    "FakeDecoder": "fakes", "FakeFetcher": "fakes", "MemoryBacklog": "fakes",
    "HttpRequest": "http_request",
    "PLACEHOLDER_BYTES": "pictures", "PictureSet": "pictures", "numbered": "pictures", "picture": "pictures",
    "placeholder": "pictures",
    "ServedPictures": "process", "serve_in_process": "process",
    "ImageServer": "server",
    "check_sink": "conformance",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    # Names are looked up when they are used, so that who wants the server alone needs no Pillow.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES.get(name, 'behaviour')}", __name__), name)
