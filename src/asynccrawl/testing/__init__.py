"""A kit for testing downloaders: a local image server that lies on request, and pictures made to order.

    from asynccrawl.testing import ImageServer, picture, truncated

    async with ImageServer(hosts=2) as server:
        server.add("/whole.jpg", picture(seed=1))
        server.add("/half.jpg", truncated(picture(seed=2)))
        ...                                                  # fetch server.url("/half.jpg")
        assert server.audit.max_in_flight("127.0.0.1") <= 8

`Answer` lists everything that can go wrong; the functions beside it name the usual cases. `Tls` makes it a server of
https, with good and bad certificates, `Link` a slow one. `identifying` serves pictures that show their own URL.
`DnsServer` answers a resolver's questions from a script. `serve_in_process` runs the image server in a process of
its own, for measurements. Only loopback addresses are ever listened on. docs/testing.md has a table of all faults.
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
    from .dns import DnsServer
    from .dns_answers import DnsAnswer, DnsAudit, DnsQuery
    from .extras import MissingExtra
    from .fakes import FakeDecoder, FakeFetcher, MemoryBacklog
    from .faults import (
        after_interims,
        bad_chunk_size,
        cut_unframed,
        endless_body,
        endless_header_line,
        false_encoding,
        gzip_bomb,
        gzipped,
        header_flood,
        interim_flood,
        no_last_chunk,
        partial_chunk,
        partial_content,
        pushed_response,
        several_lengths,
    )
    from .http_request import HttpRequest
    from .identity import identified, identifying, identifying_picture
    from .link import Link
    from .pictures import PLACEHOLDER_BYTES, PictureSet, numbered, picture, placeholder
    from .process import ServedPictures, serve_in_process
    from .server import ImageServer
    from .tls import Tls

__all__ = [
    "PLACEHOLDER_BYTES",
    "Answer",
    "Audit",
    "DnsAnswer",
    "DnsAudit",
    "DnsQuery",
    "DnsServer",
    "Entry",
    "FakeDecoder",
    "FakeFetcher",
    "HttpRequest",
    "ImageServer",
    "Link",
    "MemoryBacklog",
    "MissingExtra",
    "PictureSet",
    "ServedPictures",
    "Summary",
    "Tls",
    "after_interims",
    "bad_chunk_size",
    "check_sink",
    "chunked",
    "cut_unframed",
    "dripping",
    "endless_body",
    "endless_header_line",
    "false_encoding",
    "gzip_bomb",
    "gzipped",
    "hang_up",
    "header_flood",
    "html_as_jpeg",
    "html_page",
    "identified",
    "identifying",
    "identifying_picture",
    "interim_flood",
    "lying_length",
    "no_last_chunk",
    "numbered",
    "partial_chunk",
    "partial_content",
    "picture",
    "placeholder",
    "pushed_response",
    "raw",
    "redirect",
    "reset",
    "serve_in_process",
    "several_lengths",
    "silent",
    "status",
    "too_many_requests",
    "truncated",
    "unframed",
]

_HOMES = {
    "Audit": "audit", "Entry": "audit", "Summary": "audit",
    "check_sink": "conformance",
    "DnsServer": "dns",
    "DnsAnswer": "dns_answers", "DnsAudit": "dns_answers", "DnsQuery": "dns_answers",
    "MissingExtra": "extras",
    "FakeDecoder": "fakes", "FakeFetcher": "fakes", "MemoryBacklog": "fakes",
    "after_interims": "faults", "bad_chunk_size": "faults", "cut_unframed": "faults", "endless_body": "faults",
    "endless_header_line": "faults", "false_encoding": "faults", "gzip_bomb": "faults", "gzipped": "faults",
    "header_flood": "faults", "interim_flood": "faults", "no_last_chunk": "faults", "partial_chunk": "faults",
    "partial_content": "faults", "pushed_response": "faults", "several_lengths": "faults",
    "HttpRequest": "http_request",
    "identified": "identity", "identifying": "identity", "identifying_picture": "identity",
    "Link": "link",
    "PLACEHOLDER_BYTES": "pictures", "PictureSet": "pictures", "numbered": "pictures", "picture": "pictures",
    "placeholder": "pictures",
    "ServedPictures": "process", "serve_in_process": "process",
    "ImageServer": "server",
    "Tls": "tls",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    # Names are looked up when they are used, so that who wants a server alone needs neither Pillow nor cryptography.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES.get(name, 'behaviour')}", __name__), name)
