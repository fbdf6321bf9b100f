"""A manifest as a list: what was saved then is fetched again, under the same names, and must be the same.

So a manifest is the lock file of a dataset. Records that failed or were skipped have no picture that could be the same:
they are left out, as if they stood not in the list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..models import Request, is_hash, safe_name
from ..settings import ListOptions
from .entry import Entry, bad
from .lines import flaw_in

_FIELDS = frozenset(
    {"ordinal", "line", "key", "name", "label", "url", "status", "reason", "path", "sha256", "extra"}
)  # fmt: skip
_SHARD = re.compile(r"([0-9]{5,})/[^/]+")
_DEFAULTS = ListOptions()


def is_manifest(row: Mapping[str, Any], options: ListOptions) -> bool:
    """Whether an object of JSON Lines is a row of a manifest: it has the fields, and no flag names other columns."""
    if not row.keys() >= _FIELDS:
        return False
    return all(getattr(options, name) == getattr(_DEFAULTS, name) for name in ("url_col", "key_col", "label_col"))


def manifest_entry(line: int, row: Mapping[str, Any]) -> Entry | None:
    """The entry of a manifest's row; None for a record that was not saved."""
    if row["status"] != "saved":
        return None
    error = _flaw(row)
    if error is not None:
        return bad(line, f"no row of a manifest: {error}", str(row["url"]))
    request = Request(row["url"], row["key"], row["label"], row["extra"] or None, sha256=_served_sha256(row))
    shard = _SHARD.fullmatch(row["path"] or "") if row["label"] is None else None
    return Entry(line, request, name=row["name"], shard=int(shard[1]) if shard else None)


def _served_sha256(row: Mapping[str, Any]) -> Any:
    """The hash of what the server sent: of a picture that was converted, not that of its file."""
    return (row.get("meta") or {}).get("served_sha256", row["sha256"])


def _flaw(row: Mapping[str, Any]) -> str | None:
    for field in ("key", "label", "path"):
        if not isinstance(row[field], str | None):
            return f"{field} is {row[field]!r:.80}"
    for field in ("url", "name"):
        if not isinstance(row[field], str) or not row[field]:
            return f"{field} is {row[field]!r:.80}"
    for field in ("name", "label"):
        if row[field] is not None and safe_name(row[field], "") != row[field]:
            return f"the {field} {row[field]!r:.80} may not stand in a path"
    if not isinstance(row["extra"], Mapping | None):
        return f"extra is {row['extra']!r:.80}"
    if not isinstance(row.get("meta"), Mapping | None):
        return f"meta is {row['meta']!r:.80}"
    sha256 = _served_sha256(row)
    if sha256 is not None and not (isinstance(sha256, str) and is_hash("sha256", sha256)):
        return f"sha256 is {sha256!r:.80}"
    return flaw_in(row["url"])
