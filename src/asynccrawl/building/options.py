"""How a subset is built, and where it may be."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict

from ..errors import ListError, SettingsError
from ..sinks import Link, Linking
from ..subset import DigitsSplit, NearGroups, Split, Splitter

Layout = Literal["flat", "nested"]
_LEDGER = ".asynccrawl.sqlite3"


class SubsetKeywords(TypedDict, total=False):
    """The keywords of `build_subset`; see SubsetOptions."""

    layout: Layout
    link: Link
    absolute: bool
    val: float
    test: float
    split: Literal["hash", "digits"]
    seed: int
    near: NearGroups | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubsetOptions:
    """How a subset is built.

    layout: `flat` is `[train|val|test/]ball/n02799071_1.jpg`, a file a picture; `nested` is `ball/baseball`, a link
    a label, as the old script made it. link: `symlink`, `hardlink` or `copy` of each picture. absolute: symbolic
    links hold absolute paths; relative ones survive a move of the whole tree. val, test: percent of the pictures of
    each class that go there. split: `hash` decides by a hash of the name, `digits` by DIGITS's own rule, shuffled by
    `seed`. near: groups of pictures that look alike, which are kept on one side (with `hash`). Raises SettingsError for
    values that do not go together.
    """

    layout: Layout = "flat"
    link: Link = "symlink"
    absolute: bool = False
    val: float = 0.0
    test: float = 0.0
    split: Literal["hash", "digits"] = "hash"
    seed: int = 0
    near: NearGroups | None = None

    def __post_init__(self) -> None:
        if self.layout not in ("flat", "nested"):
            raise SettingsError(f"layout is {self.layout!r}; it must be flat or nested")
        try:
            splitter, linking = self.splitter, self.linking
        except ValueError as error:
            raise SettingsError(str(error)) from error
        if self.layout == "nested" and (splitter.names or linking.link != "symlink"):
            raise SettingsError(
                "the nested layout links whole directories: it has no splits, and no hard links or copies; "
                "use the flat layout"
            )

    @property
    def splitter(self) -> Splitter:
        """The rule that divides each class."""
        return splitter_of(self.split, self.val, self.test, self.seed, self.near)

    @property
    def linking(self) -> Linking:
        """The manner of links, as sinks know it. A stranger in a picture's place is never touched."""
        return Linking(self.link, self.absolute, set_aside=False)


def splitter_of(rule: str, val: float, test: float, seed: int, near: NearGroups | None) -> Splitter:
    """The rule called `hash` or `digits`. Raises ValueError for shares, and SettingsError for what does not fit."""
    if rule not in ("hash", "digits"):
        raise SettingsError(f"split is {rule!r}; it must be one of hash, digits")
    if rule == "hash":
        return Split(val=val, test=test, near=near)
    if near is not None:
        raise SettingsError("DIGITS's rule knows no pictures that look alike; use split hash")
    return DigitsSplit(val=val, test=test, seed=seed)


def dataset_root(dataset: str | os.PathLike[str]) -> Path:
    """The data set's directory, as links should name it: its last part as given, what lies above as it really is.

    A data set that is itself reached through a link keeps being reached through it. Raises ListError when there is
    no such directory.
    """
    path = Path(dataset)
    if not path.is_dir():
        raise ListError(f"{path}: no such directory; name a data set with a directory for each label")
    return path.resolve() if path.name in ("", "..") else path.absolute().parent.resolve() / path.name


def check_places(dataset: Path, out: Path) -> None:
    """Raise SettingsError unless `out` and `dataset` lie apart and `out` is no crawl's destination."""
    source, target = dataset.resolve(), out.resolve()
    if target == source or source in target.parents:
        raise SettingsError(
            f"{out} lies in {dataset}, where it would be taken for a class; name a directory beside the data set"
        )
    if target in source.parents:
        raise SettingsError(f"{out} holds the data set itself, which would become a class; name a directory beside it")
    if (target / _LEDGER).exists():
        raise SettingsError(f"{out} is the destination of a crawl; name another directory")
