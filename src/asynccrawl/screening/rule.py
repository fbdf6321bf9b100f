"""When is a content that keeps coming a placeholder, and when is it only a popular picture? Pure; no I/O.

A placeholder ("this photo is no longer available") stands in for pictures that had nothing to do with each other. So
it comes under many URLs of the same servers, and under labels that have nothing to do with each other. An honest
duplicate is the same picture for a reason: its label, its site, or its popularity explain where it is found. Each
condition below takes one such reason away. A content is a placeholder when all of these hold:

1.  *Many names.* At least 12 different names, a name being the last part of a URL's path with its query. Copies of
    one file keep its name wherever they lie (`logo.png`, `facebook.png`); what replaces others has theirs.
2.  *Labels that do not belong together.* Effectively more than 2.5 labels, the effective number being the inverse
    Simpson index (sum n)^2 / sum n^2 over the names of each label [Simpson 1949; Hill 1973]: a class with its own
    picture many times and a stray elsewhere counts for one. And names x effective labels make 120: ten labels need
    12 copies, three need 40. A photograph of a harbour may be under boat, dock and lighthouse; it is not there forty
    times.
3.  *More than one site that repeats itself.* At least two hosts that each show it under three names or more: a
    site's own logo has one host, and a photograph that went round has many hosts which show it once or twice. Or, for
    pages that all point to the same provider, 16 hosts, however often each. Or *redirects that converge*: at least
    half of the names were redirected to one URL, which is the server's own word that it serves one thing for all of
    them; then a single host is enough.

4.  *It stands out.* There are other pictures, a different one for every nine copies at least. Where a few contents
    answer everything, as on a test server or behind a login page, none of them stands in for the others. (The report
    names contents that were saved often.)

A list without labels cannot meet 2. There the others have to be stronger, and the picture small:

1.  at least 24 names;
3.  at least three hosts that each show it under three names or more, or redirects that converge;
4.  as above;
5.  at most 32 KiB, since a placeholder is drawn, not photographed. (Flickr's has 2,051 bytes.)

Where labels exist, they decide, also if all copies have the same one: the same picture under many keys of one label
is left alone, however many, since that may be what the list's author wants. Hosts count with their port, and without a
leading `www.`.

These numbers come from the reasons above and from the ImageNet list (108,034 copies, 1,000 labels, a few hosts of
Flickr). They were written down before any data set was looked at for false positives; docs/placeholders.md has what
was found there. What the rule cannot tell, a person can: `asynccrawl placeholders`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from ..urls import BadURL, parse

NAMES, NAMES_UNLABELLED = 12, 24
LABELS = 2.5
NAMES_TIMES_LABELS = 120.0
REPEATS = 3
"""Names under which a host has to show a content so that it counts as repeating it."""
HOSTS, HOSTS_UNLABELLED = 2, 3
MANY_HOSTS = 16
CONVERGED = 0.5
SMALL_BYTES = 32 * 1024
COPIES_AN_OTHER = 9

_MOST = 256
"""Names that are counted of each label, host and redirect target. More could change no verdict but take memory."""
_MOST_TARGETS = 1_024


class Figures(NamedTuple):
    """What the rule looks at. `labels` is the effective number, 0 without labels; `repeating`: hosts that repeat the
    content; `converged`: share of the names that were redirected to the most common target.
    """

    names: int
    labels: float
    hosts: int
    repeating: int
    converged: float

    def __str__(self) -> str:
        labels = f", about {self.labels:.0f} labels" if self.labels else ""
        redirects = f", {self.converged:.0%} redirected to one URL" if self.converged >= CONVERGED else ""
        return f"{self.names} names{labels} and {self.hosts} hosts{redirects}"


class Evidence:
    """Gathers where one content was found. Holds at most 256 names a label, a host and a redirect target."""

    def __init__(self) -> None:
        self._by_label: defaultdict[str | None, set[str]] = defaultdict(set)
        self._by_host: defaultdict[str, set[str]] = defaultdict(set)
        self._by_target: defaultdict[str, set[str]] = defaultdict(set)

    def __repr__(self) -> str:
        return f"<Evidence {self.figures()}>"

    def add(self, url: str, label: str | None, final_url: str | None) -> None:
        """One copy came for `url`, in a record of `label`, from `final_url`."""
        host, name = place_of(url)
        _count(self._by_label[label], name)
        _count(self._by_host[host], name)
        if final_url and final_url != url and (final_url in self._by_target or len(self._by_target) < _MOST_TARGETS):
            _count(self._by_target[final_url], name)

    def figures(self) -> Figures:
        """The evidence in numbers."""
        names = set[str]().union(*self._by_label.values())
        counts = [len(found) for label, found in self._by_label.items() if label is not None]
        targets = [len(found) for found in self._by_target.values()]
        return Figures(
            names=len(names),
            labels=effective_number(counts),
            hosts=len(self._by_host),
            repeating=sum(len(found) >= REPEATS for found in self._by_host.values()),
            converged=max(targets, default=0) / min(len(names), _MOST) if names else 0.0,
        )


def others_wanted(figures: Figures) -> int:
    """How many other contents there have to be so that this one stands out."""
    return math.ceil(figures.names / COPIES_AN_OTHER)


def is_placeholder(figures: Figures, bytes: int) -> bool:
    """Whether a content of so many bytes, found like that, is a placeholder, if it stands out (`others_wanted`)."""
    converges = figures.converged >= CONVERGED
    if figures.labels:
        sites = figures.repeating >= HOSTS or figures.hosts >= MANY_HOSTS
        spread = figures.labels > LABELS and figures.names * figures.labels >= NAMES_TIMES_LABELS
        return figures.names >= NAMES and spread and (sites or converges)
    sites = figures.repeating >= HOSTS_UNLABELLED
    return figures.names >= NAMES_UNLABELLED and bytes <= SMALL_BYTES and (sites or converges)


def effective_number(counts: Iterable[int]) -> float:
    """How many equal groups are as diverse as groups of these sizes: the inverse Simpson index; 0 for none."""
    sizes = [n for n in counts if n]
    return sum(sizes) ** 2 / sum(n * n for n in sizes) if sizes else 0.0


def place_of(url: str) -> tuple[str, str]:
    """The host (with its port) and the name that a URL gives its picture."""
    try:
        parts = parse(url)
    except BadURL:
        return "", url
    path, mark, query = parts.target.partition("?")
    return parts.authority.removeprefix("www."), path.rstrip("/").rpartition("/")[2] + mark + query


def _count(names: set[str], name: str) -> None:
    if len(names) < _MOST:
        names.add(name)
