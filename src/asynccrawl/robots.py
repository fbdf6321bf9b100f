"""What robots.txt files say, kept by origin (RFC 9309). No I/O, no clock: it is told what time it is.

Lines and groups are read here, since that bounds the work: only the rules of the group that is ours are kept, each
once. What a rule matches is Protego's business (the extra `robots`). Where a file is beyond what is looked at, the
answer leans towards FORBIDDEN.
"""

from __future__ import annotations

import enum
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from .errors import SettingsError
from .identity import product_token
from .models import ROBOTS_BYTES
from .urls import Parts, parse, without_dots

if TYPE_CHECKING:
    from protego import Protego

MAX_REDIRECTS = 5
"""Redirects of a robots.txt to follow, also to other hosts (RFC 9309, 2.3.1.2). Its rules hold for the first origin."""
MAX_AGE = 24 * 3600.0
"""Seconds for which an answer is used (RFC 9309, 2.4)."""
RETRY_AFTER = 3600.0
"""Seconds after which an origin that was unreachable may be asked again. Our choice: far below MAX_AGE."""
MAX_DELAY = 24 * 3600.0
"""The longest Crawl-delay, in seconds; what is above counts as this much."""
MAX_WILDCARDS = 1000
"""Rules with `*` or `$` that are matched in full. Each costs a walk along the URL, up to 70 us for one of 32 KB."""
MAX_ORIGINS = 100_000
"""Origins remembered: more than the frontier has hosts at once, or each turn of a host would ask anew."""

_KEPT_CHARS = 64 * 2**20
"""Characters of rules kept over all origins."""
_PARSED_CHARS = 2 * 2**20
"""Characters of rules kept parsed as well, which takes some 40 bytes for each. The others are parsed when asked for."""
_OLDEST = (0, 7)
"""The Protego that is known to do. Older ones differ in percent-encoding, and up to 0.6.1 can be stalled by a file
(CVE-2026-55520)."""
_INSTALL = "pip install 'asynccrawl[robots]'"

_LINE = re.compile(
    r"(user[ -]?agent|allow|dis{1,2}al{1,2}[oa]w|diasllow|crawl[ -]delay)(?=[\s:]|$)\s*:?\s*(.*)",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)
"""The lines that matter, with the misspellings that Protego and Google's parser know."""
_FIELDS = {"u": "User-agent", "a": "Allow", "d": "Disallow", "c": "Crawl-delay"}
_DOT = re.compile("%2e", re.IGNORECASE)
_DOTS = re.compile(r"^[^?]*/(?:\.|%2e){1,2}(?:[/?]|$)", re.IGNORECASE)
_SPECIAL = re.compile(r"\*|\$$")

Rule = tuple[str, str]
T = TypeVar("T")


class Verdict(enum.Enum):
    """What an origin's robots.txt means for one URL."""

    UNKNOWN = "unknown"  # not asked yet, or too long ago: fetch `robots_url`, then `learn`
    ALLOWED = "allowed"
    FORBIDDEN = "forbidden"
    UNREACHABLE = "unreachable"  # the file could not be had, so nothing may be fetched; another run may help


@dataclass(frozen=True, slots=True)
class _Answer:
    rules: str | None  # ours, in the form of a robots.txt; None: unreachable
    until: float


class _Recent(Generic[T]):
    """What was used last, bounded in entries and in weight; the newest entry always stays."""

    def __init__(self, entries: int, weight: int) -> None:
        self._most, self._heaviest = entries, weight
        self._items: OrderedDict[str, tuple[T, int]] = OrderedDict()
        self._weight = 0

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: str) -> T | None:
        """What is kept under `key`, which counts as used then; None if nothing is."""
        item = self._items.get(key)
        if item is None:
            return None
        self._items.move_to_end(key)
        return item[0]

    def put(self, key: str, value: T, weight: int) -> None:
        """Keep `value` under `key`, and drop what was used longest ago if that is too much."""
        self._weight += weight - self._items.pop(key, (None, 0))[1]
        self._items[key] = value, weight
        while len(self._items) > 1 and (len(self._items) > self._most or self._weight > self._heaviest):
            self._weight -= self._items.popitem(last=False)[1][1]


class Robots:
    """What every origin's robots.txt says to us. Make it where a crawl begins: it looks for Protego then.

    user_agent: the header that is sent; its product token, the part before the first `/` or blank, finds our group.
    max_origins: how many origins are remembered; those asked for longest ago are forgotten. Raises SettingsError when
    Protego is missing or too old. The methods that take a URL raise BadURL for one that cannot be fetched.
    """

    def __init__(self, user_agent: str, max_origins: int = MAX_ORIGINS) -> None:
        self._parser = _protego()
        self._token = product_token(user_agent)
        self._answers: _Recent[_Answer] = _Recent(max_origins, _KEPT_CHARS)
        self._parsed: _Recent[Protego] = _Recent(max_origins, _PARSED_CHARS)

    def __repr__(self) -> str:
        return f"<Robots for {self._token!r}, {len(self._answers)} origins>"

    def origin_of(self, url: str) -> str:
        """Scheme, host and port (unless it is the scheme's own) of `url`: what one robots.txt holds for."""
        return _origin(parse(url))

    def robots_url(self, url: str) -> str:
        """Where the robots.txt for `url` is."""
        return self.origin_of(url) + "/robots.txt"

    def verdict(self, url: str, now: float) -> Verdict:
        """Whether `url` may be fetched at `now`, in seconds of the clock that `learn` is told."""
        parts = parse(url)
        answer = self._answers.get(_origin(parts))
        if answer is None or now >= answer.until:
            return Verdict.UNKNOWN
        if answer.rules is None:
            return Verdict.UNREACHABLE
        if not answer.rules:
            return Verdict.ALLOWED
        rules = self._rules(answer.rules)
        # The host does not matter to the rules, so a plain one stands in for what Protego might fail to take apart.
        allowed = all(rules.can_fetch("http://origin" + target, "*") for target in _meanings(parts.target))
        return Verdict.ALLOWED if allowed else Verdict.FORBIDDEN

    def learn(self, origin: str, body: bytes | None, status: int | None, now: float) -> None:
        """What asking `origin` for its robots.txt came to, after redirects.

        status: of the last answer; None for no answer at all (DNS, network, TLS). body: its first ROBOTS_BYTES at
        least, with content codings undone; None if it did not arrive.

        2xx: its rules hold. 4xx, and 3xx after MAX_REDIRECTS: there is no file, everything is allowed (RFC 9309,
        2.3.1.3), also for 401 and 403; but 429 says that the server is busy, not that there is no file, so it counts
        with everything else (5xx, no answer) as unreachable, which forbids everything. Rules that are known already
        then go on being used, which RFC 9309 (2.4) allows.
        """
        if status is not None and 200 <= status < 300 and body is not None:
            rules = _written(_ours(_decoded(body), self._token))
            answer = _Answer(rules, now + MAX_AGE)
        elif status is not None and 300 <= status < 500 and status != 429:
            answer = _Answer("", now + MAX_AGE)
        else:
            before = self._answers.get(origin) or _Answer(None, now)
            answer = replace(before, until=max(before.until, now + RETRY_AFTER))
        self._answers.put(origin, answer, len(answer.rules or ""))

    def crawl_delay(self, url: str) -> float | None:
        """Seconds that the origin of `url` wants between two requests, at most MAX_DELAY; None if it does not say.

        A delay that is negative, infinite or no number is none.
        """
        answer = self._answers.get(self.origin_of(url))
        if answer is None or not answer.rules:
            return None
        delay = self._rules(answer.rules).crawl_delay("*")
        return None if delay is None else min(delay, MAX_DELAY)

    def _rules(self, rules: str) -> Protego:
        """Parsed rules; sites with the same rules, of which there are many, share them."""
        parsed = self._parsed.get(rules)
        if parsed is None:
            parsed = self._parser.parse(rules)
            self._parsed.put(rules, parsed, len(rules))
        return parsed


def _protego() -> type[Protego]:
    from importlib import metadata  # heavy

    try:
        from protego import Protego
    except ImportError as error:
        raise SettingsError(f"robots is set, and Protego is not installed: {_INSTALL}") from error
    version = metadata.version("protego")
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < _OLDEST:
        raise SettingsError(f"robots is set, and Protego {version} is too old for it: {_INSTALL}")
    return Protego


def _meanings(target: str) -> set[str]:
    """The target as it is sent and, where it has dot segments, as servers resolve it: `/a/../b` is `/b` to them."""
    if _DOTS.search(target) is None:
        return {target}
    path, mark, query = target.partition("?")
    return {target, without_dots(_DOT.sub(".", path)) + mark + query}


def _origin(parts: Parts) -> str:
    return replace(parts, target="").wire


def _decoded(body: bytes) -> str:
    """The text of a robots.txt: UTF-8, or UTF-16 if it begins by saying so; without a last line that was cut."""
    text = body[:ROBOTS_BYTES]
    encoding = "utf-16" if text.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    lines = text.decode(encoding, "replace").splitlines(keepends=True)
    if len(body) >= ROBOTS_BYTES and lines and not lines[-1].endswith(("\n", "\r")):
        lines.pop()
    return "".join(lines)


def _lines(text: str) -> Iterator[Rule]:
    for line in text.splitlines():
        found = _LINE.match(line.partition("#")[0].strip())
        if found is not None:
            yield _FIELDS[found[1][0].lower()], found[2]


def _ours(text: str, token: str) -> Iterable[Rule]:
    """The rules of all groups that name us best (RFC 9309, 2.2.1), each once."""
    best, score, naming = 0, 0, False
    rules: dict[Rule, None] = {}
    for field, value in _lines(text):
        if field == "User-agent":
            score = max(_score(value, token), score if naming else 0)
            naming = True
            if score > best:
                best = score
                rules.clear()
            continue
        naming = False
        if score and score == best and value:
            rules[field, value] = None
    return rules


def _score(value: str, token: str) -> int:
    """How well the name of a group fits us: 0 not at all, 1 as `*`, else the longer the better.

    A name also fits if it is ours up to where a part of ours ends: `somebot` is told to `somebot-images` too.
    """
    name = product_token(value)
    if name == "*":
        return 1
    name = name.replace("*", "")
    fits = name and token.startswith(name) and (token == name or not token[len(name)].isalnum())
    return 1 + len(name) if fits else 0


def _written(rules: Iterable[Rule]) -> str:
    """The rules as a robots.txt for everyone, empty for none; what goes beyond MAX_WILDCARDS is made simpler.

    A Disallow is then cut at its first wildcard, and an Allow is left out. The stars behind a cut one match anything,
    at no cost, and keep its rank among the rules, which goes by length (percent-encoding makes that three times as
    much at most).
    """
    lines, special = [], 0
    for field, value in rules:
        if field != "Crawl-delay" and _SPECIAL.search(value):
            special += 1
            if special > MAX_WILDCARDS:
                if field == "Allow":
                    continue
                value = _SPECIAL.split(value, maxsplit=1)[0] + "*" * (3 * len(value.encode()))
        lines.append(f"{field}: {value}\n")
    return "User-agent: *\n" + "".join(lines) if lines else ""
