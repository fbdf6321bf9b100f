"""Progress on stderr: a live table on a terminal, elsewhere a plain line every so often."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from ..job import Job, JobSnapshot
from ..report import printable, size_of, span_of


async def show_progress(job: Job, stream: TextIO, seconds: float) -> None:
    """Show how far `job` is until cancelled. A plain line every `seconds`; a terminal is refreshed at 4 Hz."""
    if stream.isatty():
        with _live(stream) as live:
            try:
                while True:
                    live.update(_table(job.snapshot()), refresh=True)
                    await asyncio.sleep(0.25)
            finally:
                live.update(_table(job.snapshot()), refresh=True)
    while True:
        await asyncio.sleep(seconds)
        print(plain_line(job.snapshot()), file=stream, flush=True)


def plain_line(s: JobSnapshot) -> str:
    """One line that says how far a crawl is."""
    p = s.progress
    of = f"{s.listed:,}{'+' if s.reading else ''}"
    return (
        f"{s.done:,}/{of} done, {p.saved:,} saved, {p.failed:,} failed, {p.skipped:,} skipped, "
        f"{p.done / max(s.seconds, 0.001):.0f} images/s, {size_of(p.bytes / max(s.seconds, 0.001))}/s, "
        f"{s.engine.in_flight} in flight, {s.engine.waiting:,} waiting{_eta(s, ', ', ' left')}"
    )


def _eta(s: JobSnapshot, before: str = "", after: str = "") -> str:
    rate = s.progress.done / max(s.seconds, 0.001)
    if s.reading or not rate or s.listed <= s.done:
        return ""
    return f"{before}{span_of((s.listed - s.done) / rate)}{after}"


def _table(s: JobSnapshot) -> Any:
    from rich.table import Table

    p = s.progress
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", justify="right")
    table.add_column()
    share = f", yield {p.saved / (p.saved + p.failed):.1%}" if p.saved + p.failed else ""
    rate = p.done / max(s.seconds, 0.001)
    buffered = size_of(s.engine.buffered_bytes)
    rows = [
        ("done", f"{s.done:,} of {s.listed:,}{' and reading' if s.reading else ''}{_eta(s, ', about ', ' left')}"),
        ("saved", f"{p.saved:,}, failed {p.failed:,}, skipped {p.skipped:,}{share}"),
        ("speed", f"{rate:.0f} images/s, {size_of(p.bytes / max(s.seconds, 0.001))}/s, {span_of(s.seconds)} so far"),
        ("fetches", f"{s.engine.in_flight} in flight, {s.engine.waiting:,} waiting, {buffered} buffered"),
        ("hosts", ", ".join(f"{printable(h, 40)} {n}+{w:,}" for h, n, w in s.engine.busiest[:4])),
        ("failures", ", ".join(f"{reason} {n:,}" for reason, n in p.reasons.most_common(5))),
    ]
    for name, text in rows:
        if text:
            table.add_row(name, text)
    return table


@contextmanager
def _live(stream: TextIO) -> Iterator[Any]:
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(file=stream, highlight=False, markup=False), auto_refresh=False) as live:
        yield live
