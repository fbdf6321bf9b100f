"""The flags of `crawl` and `plan`, and the Settings they make: a flag is a field of the same words."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any

import click

from ..settings import (
    FORMATS,
    LIST_FORMATS,
    HostLimits,
    ImagePolicy,
    Limits,
    ListOptions,
    Network,
    RetryPolicy,
    Settings,
)

Decorator = Callable[[Callable[..., None]], Callable[..., None]]
_UNITS = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


class Amount(click.ParamType[int]):
    """A whole number that may carry a unit: 64M, 500k; for bytes the units are powers of 1,024."""

    name = "number"

    def __init__(self, binary: bool = False) -> None:
        self._binary = binary

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number meant."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kKMG]i?)?B?", str(value))
        if not found:
            self.fail(f"{value!r} is no number such as 500, 64M or 1.5G", param, ctx)
        unit = found[2] or ""
        if self._binary and unit in ("k", "K", "M", "G"):
            unit = unit.upper() + "i"
        if len(found[1]) > 18:
            self.fail(f"{value[:20]}... is too large", param, ctx)
        return int(float(found[1]) * _UNITS[unit])


class Destination(click.Path):
    """A directory to work on. An empty word, which an unset shell variable leaves, does not mean this directory."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The directory as a Path."""
        if not value:
            self.fail("it is empty; name a directory, or . for this one", param, ctx)
        return super().convert(value, param, ctx)


def _formats(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, ...]:
    names = tuple(name.strip().lower() for name in value.split(",") if name.strip())
    return tuple({"jpg": "jpeg", "tif": "tiff"}.get(name, name) for name in names)


def _processes(ctx: click.Context, param: click.Parameter, value: str) -> int | str:
    if value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    if value != "auto":
        raise click.BadParameter(f"{value!r} is neither auto nor a number")
    return value


_DEDUP = click.option("--dedup", default="off", show_default=True, type=click.Choice(["off", "url", "content"]),
                      help="Request each URL once for all its records, or also save each content once.")  # fmt: skip
_PLAN_OPTIONS: list[Callable[[Any], Any]] = [
    click.option("-j", "--jobs", "--concurrency", "concurrency", default=100, show_default=True, metavar="N", type=int,
                 help="Fetches in flight over all hosts."),
    click.option("-s", "--sleep", default=0.0, show_default=True, metavar="SECONDS", type=float,
                 help="Seconds a slot rests after each image."),
    click.option("-o", "--offset", default=0, show_default=True, metavar="N", type=int,
                 help="Leading records of the list to pass over."),
    click.option("--per-host", default=8, show_default=True, metavar="N", type=int, help="Fetches in flight per host."),
    click.option("--rate", default=None, metavar="R", type=float, help="Requests a second per host."),
    click.option("--limit-rate", default=None, metavar="BYTES/s", type=Amount(binary=True),
                 help="Bytes a second that the whole crawl receives."),
    click.option("--format", "list_format", default="auto", show_default=True,
                 type=click.Choice(LIST_FORMATS), help="What the list is."),
    click.option("--url-col", default="url", show_default=True, metavar="C", help="A table's column of URLs."),
    click.option("--key-col", default="key", show_default=True, metavar="C", help="A table's column of keys (names)."),
    click.option("--label-col", default="label", show_default=True, metavar="C", help="A table's column of labels."),
    click.option("--sha256-col", default=None, metavar="C", help="A table's column of the SHA-256 to expect."),
    click.option("--md5-col", default=None, metavar="C", help="A table's column of the MD5 to expect."),
    click.option("--only-labels", default=None, metavar="FILE|GROUPS",
                 help="Fetch only these labels: imagenet12, a grouping, or a text file with a label a line."),
    click.option("--per-label", default=None, metavar="N", type=int, help="Save at most N images of each label."),
    _DEDUP,
]  # fmt: skip
"""What decides, before anything is fetched, how much a crawl is and how long it takes at least."""
_FETCH_OPTIONS: list[Callable[[Any], Any]] = [
    click.option("-r", "--retry", "retries", default=3, show_default=True, metavar="N", type=int,
                 help="Further tries after a failure that may pass."),
    click.option("-t", "--timeout", default=60.0, show_default=True, metavar="SECONDS", type=float,
                 help="Seconds that one attempt may spend fetching."),
    click.option("--max-bytes", default="64M", show_default=True, type=Amount(binary=True), help="Largest body."),
    click.option("--max-pixels", default="50M", show_default=True, type=Amount(), help="Largest width x height."),
    click.option("--decode", default="full", show_default=True, type=click.Choice(["full", "header", "none"]),
                 help="How much of each picture is checked."),
    click.option("--min-pixels", default=0, show_default=True, type=Amount(), help="Smallest width x height."),
    click.option("--min-side", default=0, show_default=True, metavar="PIXELS", type=int, help="Least shorter side."),
    click.option("--max-side", default=None, metavar="PIXELS", type=int, help="Most longer side."),
    click.option("--max-aspect", default=None, metavar="RATIO", type=float,
                 help="Most times that the longer side is the shorter one."),
    click.option("--min-bytes", default=0, show_default=True, type=Amount(binary=True), help="Smallest body."),
    click.option("--strict-end", is_flag=True, help="Refuse pictures with bytes behind their end."),
    click.option("--turbo", default="auto", show_default=True, type=click.Choice(["auto", "on", "off"]),
                 help="The strict JPEG decoder of the extra `turbo`: where installed, required, or not."),
    click.option("--exif", is_flag=True, help="Record what is in EXIF."),
    click.option("--formats", default=",".join(FORMATS), show_default=True, metavar="LIST", callback=_formats,
                 help="Picture formats that are kept."),
    click.option("--convert", default=None, type=click.Choice(["jpg", "png"]),
                 help="Bring pictures of all other formats into this one, for readers that ignore them."),
    click.option("--placeholders", default="auto", show_default=True, type=click.Choice(["auto", "known", "off"]),
                 help="Refuse 'no longer available' pictures: discover them, only known ones, or keep all."),
    click.option("--signatures", default=None, metavar="FILE", type=click.Path(),
                 help="Further known placeholders (JSON)."),
    click.option("--allow-net", multiple=True, metavar="CIDR", help="Open a private or loopback network (repeatable)."),
    click.option("--nameserver", multiple=True, metavar="IP:PORT", help="A name server to ask (repeatable)."),
    click.option("--ca-file", default=None, metavar="FILE", type=click.Path(), help="Certificates to trust instead."),
    click.option("--insecure", is_flag=True, help="Accept any certificate."),
    click.option("--user-agent", default=Network().user_agent, show_default=True, metavar="UA",
                 help="How we introduce ourselves."),
    click.option("--robots", is_flag=True, help="Ask each site's robots.txt first, and obey."),
    click.option("--durability", default="checkpoint", show_default=True,
                 type=click.Choice(["checkpoint", "process", "file"]),
                 help="What a power cut may cost: the last 5 seconds, what the system likes, or nothing."),
    click.option("--sink", default="directory", show_default=True, type=click.Choice(["directory", "webdataset"]),
                 help="How pictures are stored: a directory a class, or tar shards."),
    click.option("--processes", default="auto", show_default=True, metavar="auto|N", callback=_processes,
                 help="Decoder processes, which no picture can take the crawl down with; 0 decodes in threads."),
    click.option("--ignore-opt-out", is_flag=True, help="Keep pictures marked noai or noindex by their server."),
]  # fmt: skip


def crawl_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add every flag that becomes a setting."""
    return _with(_PLAN_OPTIONS + _FETCH_OPTIONS, function)


def retry_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the flags that become a setting and are not about a list."""
    return _with([*_PLAN_OPTIONS[:2], *_PLAN_OPTIONS[3:6], _DEDUP, *_FETCH_OPTIONS], function)


def plan_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the flags that become a setting. Those that do not change what a plan says are taken, and not shown: so the
    line of a crawl need not be made shorter for its plan.
    """
    return _with(_PLAN_OPTIONS, hidden(partial(_with, _FETCH_OPTIONS))(function))


def hidden(add: Decorator, but: Collection[str] = ()) -> Decorator:
    """`add`, with the flags that it adds left out of the command's help, but those of these names."""

    def _decorated(function: Callable[..., None]) -> Callable[..., None]:
        before = list(getattr(function, "__click_params__", ()))
        function = add(function)
        for option in getattr(function, "__click_params__", ()):
            option.hidden |= option not in before and option.name not in but
        return function

    return _decorated


def _with(options: list[Callable[[Any], Any]], function: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(options):
        function = option(function)
    return function


_IMAGE = (
    "decode", "formats", "max_pixels", "min_pixels", "min_side", "max_side", "max_aspect", "min_bytes", "strict_end",
    "turbo", "exif", "convert", "placeholders", "dedup", "signatures",
)  # fmt: skip
_LIST = (
    "url_col", "key_col", "label_col", "sha256_col", "md5_col", "offset", "only_labels", "per_label",
)  # fmt: skip
"""Flags of one group of settings, by the names of its fields."""


def settings_of(o: dict[str, Any]) -> Settings:
    """The settings that the flags `o` mean; what a command has no flag for keeps its default.

    Raises click.UsageError naming the flag's trouble.
    """
    try:
        return Settings(
            concurrency=o["concurrency"],
            **_given(o, "durability", "sink", "processes"),
            hosts=HostLimits(**_given(o, "per_host", "rate")),
            retry=RetryPolicy(**_given(o, "retries")),
            limits=Limits(**_given(o, "timeout", "sleep", "max_bytes", "limit_rate")),
            network=Network(
                **_given(o, "allow_net", "nameserver", "user_agent", "ca_file", "insecure", "robots", "ignore_opt_out")
            ),
            image=ImagePolicy(**_given(o, *_IMAGE)),
            list=ListOptions(format=o.get("list_format", "auto"), **_given(o, *_LIST)),
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _given(o: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: o[name] for name in names if name in o}
