"""What is known of placeholders before a crawl: signatures, the shipped ones of `data/placeholders.json` and yours."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any

from ..errors import SettingsError
from ..models import Sample


@dataclass(frozen=True, slots=True)
class Signature:
    """What gives a placeholder away: the SHA-256 of its content, or size (bytes) and SHA-1; the URL it ends at, or its
    ETag. Any one of them is enough. `source` says how it is known.
    """

    name: str
    source: str = ""
    size: int | None = None
    sha1: str | None = None
    sha256: str | None = None
    final_url: str | None = None
    etag: str | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value, kind = getattr(self, field.name), int if field.name == "size" else str
            if value is not None and not isinstance(value, kind):
                raise ValueError(f"{field.name} of the signature {self.name!r:.60} is {value!r:.60}")
        if not (self.final_url or self.etag or self.sha256 or (self.sha1 and self.size)):
            raise ValueError(f"the signature {self.name!r} has neither sha256, nor size and sha1, final_url or etag")

    @property
    def detail(self) -> str:
        """What the outcome of a record says that it matches."""
        return f"known placeholder: {self.name}"

    def matches(self, sample: Sample) -> bool:
        """Whether the sample is this placeholder."""
        if self.final_url is not None and sample.final_url == self.final_url:
            return True
        if self.etag is not None and sample.etag is not None and _opaque(sample.etag) == self.etag:
            return True
        if self.sha256 is not None and self.sha256.lower() in sample.hashes:
            return True
        if self.sha1 is None:
            return False
        if sample.served:
            return (sample.served.bytes, sample.served.sha1) == (self.size, self.sha1.lower())
        return sample.bytes == self.size and _sha1(sample) == self.sha1.lower()


def known_signatures() -> list[Signature]:
    """The shipped signatures."""
    text = resources.files("asynccrawl").joinpath("data/placeholders.json").read_text("utf-8")
    return [Signature(**row) for row in json.loads(text)["signatures"]]


def load_signatures(given: Any) -> tuple[Signature, ...]:
    """The signatures that `given` means: a JSON file in the form of the shipped one, or a collection of signatures or
    mappings of their fields; None: none. Raises SettingsError.
    """
    if given is None:
        return ()
    if not isinstance(given, str | os.PathLike):
        return _signatures(given, "signatures")
    try:
        rows = json.loads(Path(given).read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{given}: the signatures cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise SettingsError(f"{given}: the signatures are no JSON: {error}") from error
    return _signatures(rows.get("signatures") if isinstance(rows, dict) else rows, str(given))


def _signatures(rows: Any, where: str) -> tuple[Signature, ...]:
    if not isinstance(rows, Iterable) or isinstance(rows, str | bytes | Mapping):
        raise SettingsError(f'{where}: a list of signatures is wanted, or an object with one under "signatures"')
    return tuple(row if isinstance(row, Signature) else _signature(row, where) for row in rows)


def _signature(row: Any, where: str) -> Signature:
    if not isinstance(row, Mapping):
        raise SettingsError(f"{where}: {row!r:.60} is no signature; it must be an object with a name and what to match")
    known = {field.name for field in fields(Signature)}
    if "name" not in row or not set(row) <= known:
        raise SettingsError(f"{where}: a signature has a name and some of {', '.join(sorted(known - {'name'}))}, "
                            f"not {', '.join(map(str, row))[:100]}")  # fmt: skip
    try:
        return Signature(**row)
    except ValueError as error:
        raise SettingsError(f"{where}: {error}") from error


def _opaque(etag: str) -> str:
    """The tag itself, without quotes and mark of weakness (RFC 9110, 8.8.3)."""
    return etag.strip().removeprefix("W/").strip('"')


def _sha1(sample: Sample) -> str | None:
    # Known placeholders are small; a spooled body is not, and its size has ruled it out already.
    return hashlib.sha1(sample.data, usedforsecurity=False).hexdigest() if sample.data is not None else None
