"""A plan as text, for a person who is about to start a crawl."""

from __future__ import annotations

import textwrap

from ..models import Reason
from ..report import printable, size_of, span_of
from .figures import PICTURE_BYTES, REQUEST_SECONDS, Bound, Disk, Figures

_WIDTH = 100
_INDENT = " " * 11


def text_of(plan: Figures) -> str:
    """The lines that the command prints."""
    parts = [_headline(plan), _left_out(plan), _repeats(plan), _hosts(plan), _labels(plan), _pace(plan)]
    return "\n\n".join(part for part in (*parts, _disk(plan.disk)) if part)


def _headline(plan: Figures) -> str:
    hosts = f" from {_many(plan.hosts, 'host')}" if plan.fetches else ""
    passed = f" {_many(plan.passed_over, 'record')} before --offset left aside." if plan.passed_over else ""
    return f"{_many(plan.records, 'record')}, {plan.fetches:,} to fetch{hosts}.{passed} Nothing was fetched now."


def _left_out(plan: Figures) -> str:
    if not plan.left_out:
        return ""
    lines = [f"{'records':>9}  not fetched"]
    for reason, left in plan.left_out.items():
        lines.append(f"{left.records:>9,}  {reason}")
        lines.append(_wrapped(left.detail))
        lines.append(f"{_INDENT}first at line {left.line:,}: {printable(left.text, _WIDTH - 33)}")
    return "\n".join(lines)


def _repeats(plan: Figures) -> str:
    lines = []
    left = plan.left_out.get(Reason.DUPLICATE)
    if plan.dedup != "off":
        if left:
            lines.append(f"Records that another's fetch serves: {left.records:,} (--dedup {plan.dedup}).")
    elif plan.repeated_urls:
        alike = f"; {left.records:,} of them have its key too and are left out" if left else ""
        lines.append(f"URLs that an earlier record has already: {plan.repeated_urls:,}{alike}.")
        if not left or left.records < plan.repeated_urls:
            lines.append(f"{'The others' if left else 'They'} are fetched and kept again, under their own names.")
    if plan.repeated_keys:
        lines.append(f"Keys that an earlier record has with another URL: {plan.repeated_keys:,}; names get a suffix.")
    return "\n".join(lines)


def _hosts(plan: Figures) -> str:
    if not plan.hosts:
        return ""
    lines = [f"{'records':>9}  {'share':>6}  host ({plan.hosts:,} in all)"]
    rest = plan.distinct - sum(plan.top_hosts.values())
    rows = [(printable(host, 60), n) for host, n in plan.top_hosts.items()]
    if rest:
        rows.append((f"({plan.hosts - len(rows):,} others)", rest))
    lines += [f"{n:>9,}  {n / plan.distinct:>6.1%}  {name}" for name, n in rows]
    lone = f"{_many(plan.lone_hosts, 'host')} with a single record. " if plan.lone_hosts else ""
    return "\n".join([*lines, f"{lone}{plan.https / plan.distinct:.1%} of the URLs are https."])


def _labels(plan: Figures) -> str:
    counts = plan.label_counts
    if counts is None:
        return "No record has a label: pictures go into numbered directories." if plan.fetches else ""
    (poorest, least), (middle, median), (richest, most) = (
        (printable(label, 40), n) for label, n in (counts.least, counts.median, counts.most)
    )
    text = (
        f"{plan.labels:,} labels: {least:,} ({poorest}) to {most:,} ({richest}) records, median {median:,} ({middle})."
    )
    if plan.labels == 1:
        text = f"1 label: {richest}, with {_many(most, 'record')}."
    if plan.unlabelled:
        text += f" {_many(plan.unlabelled, 'record')} without one."
    if plan.per_label is not None:
        text += f"\n--per-label {plan.per_label:,} leaves {plan.fetches:,} of {plan.distinct:,} records to fetch"
        text += f"; labels with fewer than that: {counts.below:,}."
        text += "\nFor each of them that fails, a further one of its label is fetched."
    return text


def _pace(plan: Figures) -> str:
    if not plan.bounds:
        return ""
    lines = [f"It takes at least {span_of(plan.least_seconds)} by these limits:"]
    lines += [f"{span_of(bound.seconds):>14}  {_bound(bound)}" for bound in plan.bounds]
    assumed = (
        f"Assumed: {REQUEST_SECONDS:g} s from a request to its whole picture. Slow servers, dead hosts and retries"
    )
    return "\n".join([*lines, f"{assumed} come on top."])


def _bound(bound: Bound) -> str:
    host = "all hosts" if bound.host is None else printable(bound.host, 60)
    return f"{host}: {_many(bound.requests, 'request')}, {bound.rule} ({bound.setting})"


def _disk(disk: Disk) -> str:
    if not disk.files:
        return ""
    places = "1 directory" if disk.directories == 1 else f"{disk.directories:,} directories"
    size = f"{size_of(disk.bytes)} of disk ({size_of(disk.least)} to {size_of(disk.most)})"
    lines = [
        f"It takes about {size}, in {_many(disk.files, 'file')} and {places}.",
        f"Assumed: {size_of(PICTURE_BYTES)} a picture, the average of the ImageNet list, and every record saved.",
        *_free(disk),
    ]
    return "\n".join(lines)


def _free(disk: Disk) -> list[str]:
    path = printable(disk.path, 60)
    if disk.free_bytes is None:
        return [f"How much is free in {path} is not known."]
    inodes = "" if disk.free_inodes is None else f", and room for {disk.free_inodes:,} files"
    lines = [f"Free in {path}: {size_of(disk.free_bytes)}{inodes}."]
    if disk.free_bytes < disk.bytes:
        lines.append("WARNING: that is too little. Take another DEST, or fewer records (--per-label, --only-labels).")
    elif disk.free_bytes < disk.most:
        lines.append("That may be too little if the pictures are larger than assumed.")
    if disk.free_inodes is not None and disk.free_inodes < disk.files + disk.directories:
        lines.append("WARNING: the file system has too few inodes for so many files (df -i). Take another DEST.")
    return lines


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT, break_on_hyphens=False)


def _many(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
