"""Whether a server's answer says that its picture is not meant for datasets: the header X-Robots-Tag. Pure; no I/O.

Google's form of the header (developers.google.com/search/docs/crawling-indexing/robots-meta-tag): rules between
commas, for everyone or, behind the name of a crawler and a colon, for that one. Servers also put it in quotes, and
blanks where the commas should be: where each word is a rule there is no doubt about what is meant, and a no counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

OPT_OUT = frozenset({"noai", "noimageai", "noindex", "noimageindex", "none"})
"""The rules that keep a picture out of a dataset. `none` means noindex and nofollow."""

_VALUED = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})
"""Rules with a value behind a colon. Those of others are told from crawlers by what they look like."""
_RULES = OPT_OUT | _VALUED | frozenset(
    {"all", "follow", "index", "indexifembedded", "noarchive", "nocache", "nofollow", "noodp", "nosnippet",
     "notranslate", "noydir"}
)  # fmt: skip
"""All rules that are in use: Google's, Bing's `nocache`, and two that went with their directories."""
_AGENT = re.compile(r"\*|[a-z][a-z0-9._\-]*(?:/[a-z0-9._\-]*)?")
"""The name of a crawler, and perhaps its version. No piece of a date looks so: where one has a colon, it has digits."""
_SEPARATOR = re.compile(r"[,;]")
_QUOTES = str.maketrans("\"'", "  ")
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
        for piece in _SEPARATOR.split(value.lower().translate(_QUOTES)):
            parts = [part.strip() for part in piece.split(":")]
            while len(parts) > 1 and _is_agent(parts[0]):
                ours = parts.pop(0).partition("/")[0] in ("*", product)
            if ours and (rule := _rule_in(*parts)):
                return OptOut(rule, value)
    return None


def _is_agent(word: str) -> bool:
    return word not in OPT_OUT and word not in _VALUED and _AGENT.fullmatch(word) is not None


def _rule_in(text: str, *values: str) -> str | None:
    """The rule of OPT_OUT among those between two commas. `values`: what stands behind colons."""
    words = text.split()
    if not words or not _RULES.issuperset(words):
        return None
    if words[-1] in _VALUED:  # behind its value there may be more
        words += " ".join(values).split()[1:]
    return next((word for word in words if word in OPT_OUT), None)
