"""Whether a server's answer says that its picture is not meant for datasets: the header X-Robots-Tag. Pure; no I/O.

Google's form of the header (developers.google.com/search/docs/crawling-indexing/robots-meta-tag): rules between
commas, for everyone or, behind the name of a crawler and a colon, for that one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

OPT_OUT = frozenset({"noai", "noimageai", "noindex", "noimageindex", "none"})
"""The rules that keep a picture out of a dataset. `none` means noindex and nofollow."""

_VALUED = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})
"""Rules with a value behind a colon. Those of others are told from crawlers by what they look like."""
_AGENT = re.compile(r"\*|[a-z][a-z0-9._\-]*(?:/[a-z0-9._\-]*)?")
"""The name of a crawler, and perhaps its version. No piece of a date looks so: where one has a colon, it has digits."""
_SEPARATOR = re.compile(r"[,;]")
_SHOWN_CHARS = 200


class OptOut(NamedTuple):
    """The rule by which a server opts out, one of OPT_OUT, and the value of the header that holds it."""

    rule: str
    value: str

    @property
    def header(self) -> str:
        """The header as it was sent, for the record: at most _SHOWN_CHARS characters of it, in what UTF-8 can hold."""
        value = self.value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        shown = value if len(value) <= _SHOWN_CHARS else f"{value[:_SHOWN_CHARS]}..."
        return f"X-Robots-Tag: {shown}"


def opt_out(values: Iterable[str], product: str) -> OptOut | None:
    """How a server opts out, or None. `values`: its X-Robots-Tag headers; `product`: our name.

    The name of a crawler holds for the rest of its header, until another name. Upper and lower case are the same.
    """
    product = product.lower()
    for value in values:
        ours = True
        for rule in _SEPARATOR.split(value.lower()):
            *agents, last = (part.strip() for part in rule.split(":"))
            for agent in agents:
                if agent in OPT_OUT or agent in _VALUED or not _AGENT.fullmatch(agent):
                    last = agent  # what follows the colon is its value
                    break
                ours = agent.partition("/")[0] in ("*", product)
            if ours and last in OPT_OUT:
                return OptOut(last, value)
    return None
