"""Settings in groups, each with its defaults beside it. A flag of the command is a field here, in the same words."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from .checks import ENDLESS, at_least, host_of, name_servers, networks, one_of, whole
from .errors import SettingsError
from .identity import check_headers, encodes, proxy_of
from .models import Reason

FORMATS = ("jpeg", "png", "gif", "webp", "bmp", "tiff", "avif")
"""The picture formats that are decoded. The list is also the main guard against decoder bombs."""
LIST_FORMATS = ("auto", "imagenet", "urls", "csv", "tsv", "jsonl", "parquet")
"""The formats of lists; `auto` tells them apart."""

_MOST_PROCESSES = 1_024
_SLOWEST = 1e-5
"""The lowest rate: about one request a day."""


def _digest(labels: Iterable[str] | None) -> str | None:
    """A short text that differs when the labels do."""
    return None if labels is None else hashlib.sha256("\0".join(sorted(labels)).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLimits:
    """How one host is treated. `overrides` gives named hosts limits of their own.

    per_host: requests in flight at once. adaptive: stay below `per_host` while a host shows that it is too much.
    rate: requests a second, or None for no limit. gap: least seconds between the starts of two requests. max_hold:
    longest Retry-After (seconds) that is waited for; beyond it the host gets no more requests in this run. breaker:
    attempts in a row that end without any answer, after which the host rests; probes: further attempts, one at a time
    and ever later, before it counts as down. window: how many of a host's records are kept in memory; the rest wait
    in the ledger. host_key: from a host name (lower case, without port) to the name under which all these limits are
    kept; None takes the host name itself.
    """

    per_host: int = 8
    adaptive: bool = True
    rate: float | None = None
    gap: float = 0.0
    max_hold: float = 300.0
    breaker: int = 8
    probes: int = 3
    window: int = 64
    host_key: Callable[[str], str] | None = None
    overrides: Mapping[str, HostLimits] = field(default_factory=dict)

    def __post_init__(self) -> None:
        whole(self, 1, "per_host", "window", "breaker", "probes")
        at_least(self, 0, "gap", "max_hold")
        for host, limits in self.overrides.items():
            if not isinstance(limits, HostLimits):
                raise ValueError(f"overrides has {limits!r:.60} for {host!r:.60}; it must be HostLimits")
            if self.host_key is None and host != host_of(host):
                raise ValueError(
                    f"overrides names {host!r:.80}; hosts are named in lower case, without scheme and port"
                )
        if self.rate is not None and not _SLOWEST <= self.rate < ENDLESS:
            raise ValueError(
                f"rate is {self.rate}; it must be at least {_SLOWEST} requests a second, or None for no limit"
            )

    def of(self, host: str) -> HostLimits:
        """The limits that hold for `host`, which is a host key."""
        return self.overrides.get(host, self)

    def key_of(self, host: str) -> str:
        """The host key of a host name. Raises SettingsError when `host_key` fails or gives no text."""
        if self.host_key is None:
            return host
        try:
            key = self.host_key(host)
        except Exception as error:
            raise SettingsError(f"host_key raised {error!r} for the host {host!r}") from error
        if not isinstance(key, str) or not key or not encodes(key):
            raise SettingsError(f"host_key gave {key!r} for the host {host!r}; it must give a text that is not empty")
        return key

    @property
    def spacing(self) -> float:
        """Least seconds between the starts of two requests to a host, from `rate` and `gap`."""
        return max(self.gap, 1.0 / self.rate if self.rate else 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how late a failed attempt is repeated.

    retries: further attempts after the first. base, cap: seconds of the exponential back-off, of which full jitter
    takes a random part. budget: retries that a host may cost for each record of it, in the long run; beyond it a
    failed record waits for its second chance. second_chance: whether records that failed for a cause that passes are
    tried once more, as often, when everything else is done (only if `retries` is not 0).
    """

    retries: int = 3
    base: float = 1.0
    cap: float = 60.0
    budget: float = 1.0
    second_chance: bool = True

    def __post_init__(self) -> None:
        whole(self, 0, "retries")
        at_least(self, 0, "base", "cap", "budget")

    def backoff(self, n: int) -> float:
        """The longest delay after `n` failures in a row (from 1), in seconds: base x 2^(n-1), up to the cap."""
        return float(min(self.cap, self.base * 2.0 ** min(n - 1, 62)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one fetch, and of what is held in memory.

    timeout: seconds an attempt may spend fetching, redirects included. connect_timeout: seconds for look-up, connection
    and TLS handshake together. min_rate: least bytes a second of a body, on average after its first `grace` seconds;
    0 for no such bound. limit_rate: most bytes a second that the whole crawl receives, or None for no limit.
    max_bytes: largest body. spool_above: bodies larger than this (bytes) go to a temporary file. buffer_bytes: fetched
    bytes that may wait for decoder and sink before fetching pauses. sleep: seconds a slot rests after each image.
    """

    timeout: float = 60.0
    connect_timeout: float = 10.0
    min_rate: int = 1000
    grace: float = 10.0
    limit_rate: int | None = None
    max_bytes: int = 64 * 2**20
    spool_above: int = 2**20
    buffer_bytes: int = 64 * 2**20
    sleep: float = 0.0

    def __post_init__(self) -> None:
        at_least(self, 1, "max_bytes", "spool_above", "buffer_bytes")
        at_least(self, 0, "sleep", "min_rate", "grace")
        if self.limit_rate is not None:
            at_least(self, 1, "limit_rate")
        for name in ("timeout", "connect_timeout"):
            if not 0 < getattr(self, name) < ENDLESS:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0 seconds, and finite")


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Who we are and where we may connect.

    allow_net: networks (CIDR) opened although they are not public. nameserver: name servers (`IP:PORT`, `[IPv6]:PORT`,
    or an address alone for port 53) asked instead of the system's. user_agent: the header sent. headers: further
    headers of every request; every host gets them, an Authorization or a Cookie too. max_redirects: hops followed in
    one attempt. proxy: URL of an HTTP proxy; it resolves the names, so only addresses written in URLs can be guarded
    then. user_info: send user name and password that a URL holds to its own origin (else they are left out).
    ca_file: certificates to trust instead of the system's. insecure: accept any certificate. robots: ask each site's
    robots.txt first, and obey. ignore_opt_out: keep pictures that their server wants in no dataset.
    """

    allow_net: tuple[str, ...] = ()
    nameserver: tuple[str, ...] = ()
    user_agent: str = "asynccrawl/0.1 (image dataset crawler)"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    max_redirects: int = 5
    proxy: str | None = field(default=None, repr=False)
    user_info: bool = False
    ca_file: str | None = None
    insecure: bool = False
    robots: bool = False
    ignore_opt_out: bool = False

    def __post_init__(self) -> None:
        whole(self, 0, "max_redirects")
        networks(self.allow_net)
        name_servers(self.nameserver)
        check_headers(self.headers)
        if self.proxy is not None:
            proxy_of(self.proxy)
        if not self.user_agent or not self.user_agent.isprintable() or not self.user_agent.isascii():
            raise ValueError(f"user_agent is {self.user_agent!r}; it must be printable ASCII text")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePolicy:
    """Which bodies count as pictures worth keeping.

    decode: `full` decodes the first frame, `header` only opens the file, `none` only looks at its first bytes.
    formats: those kept. max_pixels, min_pixels: largest and smallest width x height, checked before decoding.
    min_side, max_side: least of the shorter and most of the longer side, in pixels. max_aspect: most times that the
    longer side may be the shorter one. min_bytes: smallest body. strict_end: refuse pictures with bytes behind their
    end. turbo: the strict JPEG decoder of the extra `turbo`: `auto` uses it where it is installed, `on` demands it,
    `off` does without. exif: record what is in EXIF. placeholders: `known` refuses pictures that have a signature,
    `auto` also discovers others, `off` keeps all. signatures: further ones, a JSON file or mappings.
    max_decode_seconds, max_decode_bytes: most time, and most further memory, that a decode may take in a decoder
    process. dedup: `off` keeps them all; `url` requests the same URL once, for all its records; `content` also saves
    the first of equal pictures only. convert: the format (`jpg`, `png`) into which pictures of all others are brought,
    once they are found good as they were served; None keeps every picture as it was served.
    """

    decode: str = "full"
    formats: tuple[str, ...] = FORMATS
    max_pixels: int = 50_000_000
    min_pixels: int = 0
    min_side: int = 0
    max_side: int | None = None
    max_aspect: float | None = None
    min_bytes: int = 0
    strict_end: bool = False
    turbo: str = "auto"
    exif: bool = False
    placeholders: str = "auto"
    signatures: Any = None
    max_decode_seconds: float = 30.0
    max_decode_bytes: int = 2**30
    dedup: str = "off"
    convert: str | None = None

    def __post_init__(self) -> None:
        at_least(self, 1, "max_pixels")
        at_least(self, 0.01, "max_decode_seconds")
        at_least(self, 2**20, "max_decode_bytes")
        at_least(self, 0, "min_pixels", "min_side", "min_bytes")
        for name in ("max_side", "max_aspect"):
            if getattr(self, name) is not None:
                at_least(self, 1, name)
        one_of(self, "decode", ("full", "header", "none"))
        one_of(self, "turbo", ("auto", "on", "off"))
        sized = self.min_pixels or self.min_side or self.max_side or self.max_aspect
        if self.decode == "none" and sized:
            raise ValueError("decode is 'none', so no size is known: bounds on sides, area or aspect need 'header'")
        one_of(self, "placeholders", ("auto", "known", "off"))
        one_of(self, "dedup", ("off", "url", "content"))
        if self.convert is not None:
            one_of(self, "convert", ("jpg", "png"))
            if self.decode != "full":
                raise ValueError(f"convert is {self.convert!r} and decode is {self.decode!r}; converting needs 'full'")
        for name in self.formats:
            if name not in FORMATS:
                raise ValueError(f"formats names {name!r}; known are {', '.join(FORMATS)}")
        if not self.formats:
            raise ValueError(f"formats is empty; known are {', '.join(FORMATS)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions:
    """How the list is read, and what of it is wanted.

    format: `auto` decides line by line, and by its header whether a list is a table. url_col, key_col, label_col: the
    columns of a table that hold URL, key and label; key and label may be missing under their default names.
    sha256_col, md5_col: the columns with the hashes that the pictures must have, or None. offset: leading records to
    pass over. only_labels: the labels that are fetched, or None for all: a collection of labels, a grouping
    (`imagenet12`, a file, a mapping), or a text file with a label a line. per_label: pictures saved of each
    label, or None for no limit.
    """

    format: str = "auto"
    url_col: str = "url"
    key_col: str = "key"
    label_col: str = "label"
    sha256_col: str | None = None
    md5_col: str | None = None
    offset: int = 0
    only_labels: Any = None
    per_label: int | None = None

    def __post_init__(self) -> None:
        one_of(self, "format", LIST_FORMATS)
        for column in ("url_col", "key_col", "label_col"):
            if not isinstance(getattr(self, column), str) or not getattr(self, column):
                raise ValueError(f"{column} is {getattr(self, column)!r}; it must be the name of a column")
        for column in ("sha256_col", "md5_col"):
            if not isinstance(getattr(self, column), str | None) or getattr(self, column) == "":
                raise ValueError(f"{column} is {getattr(self, column)!r}; it must be the name of a column, or None")
        whole(self, 0, "offset")
        if self.per_label is not None:
            whole(self, 1, "per_label")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of a crawl. concurrency: fetches in flight over all hosts.

    durability: what a power cut may cost. `checkpoint`: pictures of the last 5 seconds, 1,000 at most, are fetched
    again; `file`: nothing, but each file is waited for; `process`: nothing is promised but for a crash of the process.
    sink: how pictures are stored. `directory`: a directory a class, a file a picture; `webdataset`: tar shards.
    processes: decoder processes that run at once; 0 decodes in threads of this process, `auto` decides by what the
    machine has.
    """

    concurrency: int = 100
    durability: str = "checkpoint"
    sink: str = "directory"
    processes: int | str = 0
    hosts: HostLimits = HostLimits()
    retry: RetryPolicy = RetryPolicy()
    limits: Limits = Limits()
    network: Network = Network()
    image: ImagePolicy = ImagePolicy()
    list: ListOptions = ListOptions()

    def __post_init__(self) -> None:
        whole(self, 1, "concurrency")
        one_of(self, "durability", ("checkpoint", "process", "file"))
        one_of(self, "sink", ("directory", "webdataset"))
        if self.processes != "auto" and not (type(self.processes) is int and 0 <= self.processes <= _MOST_PROCESSES):
            raise ValueError(f"processes is {self.processes!r:.40}; it must be auto, or 0 to {_MOST_PROCESSES}")
        for f in fields(self)[4:]:
            if type(getattr(self, f.name)) is not type(f.default):
                raise TypeError(f"Settings.{f.name} must be a {type(f.default).__name__}")

    @staticmethod
    def recorded_convert(deciding: Mapping[str, Any]) -> str | None:
        """The `image.convert` of settings, from what `deciding` said of them."""
        match deciding.get(Reason.UNSUPPORTED_FORMAT):
            case [list(), str(convert)]:
                return convert
        return None

    def deciding(self) -> dict[Reason, Any]:
        """The value of the setting that decides each Reason; when it has changed, the outcome is open again."""
        image = self.image
        bounds = (image.max_decode_seconds, image.max_decode_bytes)
        kept = sorted(image.formats)
        return {
            Reason.TOO_LARGE: self.limits.max_bytes,
            Reason.TOO_MANY_PIXELS: [image.max_pixels, image.max_side],
            Reason.UNSUPPORTED_FORMAT: [kept, image.convert] if image.convert else kept,
            Reason.CORRUPT: [image.decode, image.strict_end, image.turbo, *bounds],
            Reason.TOO_SMALL: [image.min_side, image.min_pixels, image.max_aspect, image.min_bytes],
            Reason.PLACEHOLDER: [image.placeholders, _digest(map(repr, image.signatures or ()))],
            Reason.DUPLICATE: image.dedup,
            Reason.BLOCKED_ADDRESS: sorted(self.network.allow_net),
            Reason.REDIRECT_LOOP: self.network.max_redirects,
            Reason.TLS: [self.network.insecure, self.network.ca_file],
            Reason.LABEL_NOT_WANTED: _digest(self.list.only_labels),
            Reason.LABEL_FULL: self.list.per_label,
            Reason.ROBOTS: self.network.robots,
            Reason.OPT_OUT: self.network.ignore_opt_out,
        }
