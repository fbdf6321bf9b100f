"""What a data set holds, listed before anything of it is read."""

from __future__ import annotations

from typing import NamedTuple


class Listed(NamedTuple):
    """A picture of a data set: its split and label, if it has any, its name, and its path relative to the data set."""

    split: str | None
    label: str | None
    name: str
    path: str
