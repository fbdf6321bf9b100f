"""The report as text: what was saved, then a table of causes that a person can act on."""

from __future__ import annotations

import textwrap

from ..models import Reason
from ..urls import redacted
from .advice import ADVICE
from .counts import Counts

_WIDTH = 100
_INDENT = " " * 23


def text_of(report: Counts) -> str:
    """The lines that the command prints at its end."""
    parts = [
        _headline(report),
        _reasons(report),
        _placeholders(report),
        _hosts(report),
        _labels(report),
        _noise(report),
    ]
    return "\n\n".join(part for part in parts if part)


def size_of(n: float) -> str:
    """A number of bytes as people write it, in powers of 1,000."""
    for unit in ("B", "kB", "MB", "GB"):
        if n < 1000:
            return f"{n:.0f} {unit}" if unit == "B" else f"{n:.1f} {unit}"
        n /= 1000
    return f"{n:.1f} TB"


def span_of(seconds: float) -> str:
    """A duration as people write it."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def _headline(report: Counts) -> str:
    share = "" if report.yield_ is None else f" (yield {report.yield_:.1%})"
    ends = f"{report.failed:,} failed, {report.skipped:,} skipped"
    lines = [f"{report.saved:,} of {report.total:,} records saved{share}, {ends}."]
    if report.pending:
        lines.append(f"{report.pending:,} still wait: the same command goes on with them.")
    if report.seconds:
        rate = f", {size_of(report.bytes / report.seconds)}/s" if report.bytes else ""
        lines.append(f"This run: {size_of(report.bytes)} of pictures in {span_of(report.seconds)}{rate}.")
    if again := sum(report.retryable.values()):
        lines.append(f"{again:,} failed for causes that may pass: the same command tries just these again.")
    lines += [textwrap.fill(note, _WIDTH) for note in report.notes]
    return "\n".join(lines)


def _reasons(report: Counts) -> str:
    if not report.by_reason:
        return ""
    lines = [f"{'records':>9}  {'retryable':>9}  reason"]
    for reason, n in sorted(report.by_reason.items(), key=lambda pair: (-pair[1], pair[0])):
        lines.append(f"{n:>9,}  {report.retryable.get(reason, 0):>9,}  {reason}")
        lines.append(textwrap.fill(ADVICE[Reason(reason)], _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT))
        lines.append(_INDENT + "e.g. " + printable(report.examples.get(reason, ""), _WIDTH - 28))
    return "\n".join(lines)


def _placeholders(report: Counts, most: int = 5) -> str:
    lines = []
    shown = [one for one in report.placeholders if not one.good]
    if shown:
        lines.append(f"{'copies':>9}  placeholder (`asynccrawl placeholders DEST` shows and restores them)")
    for one in shown[:most]:
        left = f"; {one.suspect:,} could not be taken back" if one.suspect else ""
        lines.append(f"{one.copies + one.suspect:>9,}  {one.sha256[:16]}: {one.detail}{left}")
        lines.append(f"{'':11}e.g. {printable(redacted(one.url), _WIDTH - 16)}")
    if len(shown) > most:
        lines.append(f"{sum(one.copies + one.suspect for one in shown[most:]):>9,}  ({len(shown) - most:,} others)")
    if report.repeated:
        often = f"{len(report.repeated):,} content(s) saved {min(report.repeated):,} to {max(report.repeated):,} times"
        lines.append(f"{often}, not told for placeholders: `asynccrawl placeholders DEST` lists them.")
    return "\n".join(lines)


def _hosts(report: Counts, most: int = 10) -> str:
    if not report.by_host:
        return ""
    lines = [f"{'saved':>9}  {'failed':>9}  {'skipped':>9}  host ({report.hosts:,} in all)"]
    # Those with the most failures first: they are what a person may act on.
    ranked = sorted(report.by_host.items(), key=lambda pair: (-pair[1].failed, -pair[1].total, pair[0]))
    shown, rest = ranked[:most], [count for _, count in ranked[most:]] + [report.other_hosts]
    lines += [_row(count, printable(host, 60)) for host, count in shown]
    if len(shown) < report.hosts:
        lines.append(_row(tuple(map(sum, zip(*rest, strict=True))), f"({report.hosts - len(shown):,} others)"))
    return "\n".join(lines)


def _labels(report: Counts) -> str:
    if not report.by_label:
        return ""
    counts = sorted((count.saved, label) for label, count in report.by_label.items())
    (least, poorest), (most, richest), middle = counts[0], counts[-1], counts[len(counts) // 2][0]
    text = f"{len(counts):,} labels: {least:,} ({poorest}) to {most:,} ({richest}) images saved, median {middle:,}."
    empty = sum(saved == 0 for saved, _ in counts)
    return text + (f" {empty:,} have none." if empty else "")


def _noise(report: Counts, most: int = 5) -> str:
    noise = report.label_noise
    if not noise.pictures:
        return ""
    what = "1 picture stands" if noise.pictures == 1 else f"{noise.pictures:,} pictures stand"
    lines = [f"Label noise: {what} under several labels, in {noise.records:,} records."]
    lines += [f"{n:>9,}  {printable(a, 40)} and {printable(b, 40)}" for a, b, n in noise.pairs[:most]]
    example = noise.examples[0]
    names = " and ".join(printable(name, 60) for name in example.names[:2])
    return "\n".join([*lines, f"{_INDENT}e.g. {names} ({example.labels:,} labels)"])


def _row(count: tuple[int, ...], name: str) -> str:
    return f"{count[0]:>9,}  {count[1]:>9,}  {count[2]:>9,}  {name}"


def printable(text: str, most: int) -> str:
    """`text` from a list or a server, safe for a terminal: one line, no control characters, at most `most` long."""
    safe = "".join(c if c.isprintable() else "\ufffd" for c in text)
    return safe if len(safe) <= most else safe[: most - 1] + "\u2026"
