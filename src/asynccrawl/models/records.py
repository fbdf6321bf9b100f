"""What goes in: a list entry (Request), its place in the crawl (Record), one HTTP exchange to make (Hop)."""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

NAME_BYTES = 200
"""The longest name: leaves room for extension and suffixes below the 255 bytes that file systems allow."""


_SAFE = re.compile(rf"[A-Za-z0-9_\-][A-Za-z0-9._\-]{{0,{NAME_BYTES - 1}}}")
_UNSAFE = re.compile(r"[^A-Za-z0-9._\-]")
HEX_DIGITS = {"sha256": 64, "md5": 32}
"""The hashes that a list may demand of a picture, with the length of their hexadecimal form."""


@dataclass(frozen=True, slots=True)
class Request:
    """One list entry as its author wrote it.

    `url` is kept as written; `key` names the image (`n01440764_36`); `label` is its class; `extra` holds the
    list's other columns and travels to sinks and, nested, to the manifest. `sha256` and `md5` (hexadecimal, in any
    case) are what the bytes that are served must have, else the picture is refused (hash_mismatch). An unusable URL is
    no error here: it becomes a Failure with its reason. Raises TypeError for a value of another type, and ValueError
    for a hash that is none.
    """

    url: str
    key: str | None = None
    label: str | None = None
    extra: Mapping[str, Any] | None = None
    sha256: str | None = None
    md5: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.url, str):
            raise TypeError(f"Request.url must be a str, not {type(self.url).__name__}")
        for field in ("key", "label", "sha256", "md5"):
            if not isinstance(getattr(self, field), str | None):
                raise TypeError(f"Request.{field} must be a str or None, not {getattr(self, field)!r:.80}")
        if not isinstance(self.extra, Mapping | None):
            raise TypeError(f"Request.extra must be a mapping or None, not {type(self.extra).__name__}")
        if self.sha256 is not None or self.md5 is not None:
            for kind, text in (("sha256", self.sha256), ("md5", self.md5)):
                if text is not None and not is_hash(kind, text):
                    raise ValueError(
                        f"Request.{kind} is {text!r:.80}; it must be {HEX_DIGITS[kind]} hexadecimal digits"
                    )


def is_hash(kind: str, text: str) -> bool:
    """Whether `text` is the hexadecimal form of a hash of that kind (`sha256` or `md5`), in any case."""
    return len(text) == HEX_DIGITS[kind] and text.isascii() and all(digit in "0123456789abcdefABCDEF" for digit in text)


@dataclass(frozen=True, slots=True)
class Record:
    """A request that was admitted to the crawl.

    `ordinal` counts records from 0, `line` is 1-based, `name` is safe and, once the backlog has entered it,
    unique in the destination; `label` is safe too. `host` is the key under which politeness is kept. `tried` counts
    the attempts of an earlier pass of this run, if the record now has its second chance. `shard`: the number of the
    directory of a record without label, where that is not decided by its ordinal.
    """

    ordinal: int
    line: int
    name: str
    label: str | None
    request: Request
    host: str
    tried: int = 0
    shard: int | None = None

    def __post_init__(self) -> None:
        if self.ordinal < 0 or self.line < 1:
            raise ValueError(f"ordinal {self.ordinal} or line {self.line} is out of range")
        if not self.name or not self.host:
            raise ValueError("a Record needs a name and a host")

    def renamed(self, salt: str = "") -> Record:
        """The same record under the name it takes when its own is another's."""
        return replace(self, name=suffixed(self.name, f"{self.request.key or ''}{self.request.url}{salt}"))


def suffixed(name: str, text: str) -> str:
    """`name`, shortened as needed, with `_` and 8 hex digits of the SHA-256 of `text`."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{name[: NAME_BYTES - 9]}_{digest}"


def safe_name(text: str, digested: str) -> str:
    """`text` fit for a file name: safe text as it is, else made safe, with a digest of `digested`.

    Safe is what is made of `[A-Za-z0-9._-]`, does not begin with a dot, and has at most NAME_BYTES bytes. Empty when
    nothing safe is left.
    """
    if _SAFE.fullmatch(text):
        return text
    made = _UNSAFE.sub("_", text).lstrip(".")
    return made and suffixed(made, digested)


ROBOTS_BYTES = 512 * 1024
"""How much of a robots.txt is looked at. RFC 9309 (2.5) asks for 500 KiB at least."""


class Purpose(enum.StrEnum):
    """What a hop is for: a record's picture, or the robots.txt that its host waits for."""

    IMAGE = "image"
    ROBOTS = "robots"


@dataclass(frozen=True, slots=True)
class Hop:
    """One HTTP exchange to make for a record: its first request, a retry, or the next step of a redirect.

    `attempt` counts from 1; `hops` is the number of redirects followed in this attempt; `seconds_left` is what
    remains of the attempt's deadline, which counts fetching and never waiting; `elapsed` is what the record has
    spent fetching so far, over all attempts (seconds). `gates`: of a robots hop, the origin that it is about.
    """

    record: Record
    url: str
    host: str
    seconds_left: float
    attempt: int = 1
    hops: int = 0
    elapsed: float = 0.0
    purpose: Purpose = Purpose.IMAGE
    gates: str | None = None

    @classmethod
    def first(cls, record: Record, seconds: float, attempt: int = 1) -> Hop:
        """The hop that begins an attempt at `record` with a deadline of `seconds`."""
        return cls(record, record.request.url, record.host, seconds, attempt)

    def after(self, seconds: float) -> Hop:
        """The same hop when it has spent so many seconds of fetching."""
        return Hop(  # field by field, since `replace` takes four times as long
            self.record, self.url, self.host, self.seconds_left - seconds, self.attempt, self.hops,
            self.elapsed + seconds, self.purpose, self.gates,
        )  # fmt: skip
