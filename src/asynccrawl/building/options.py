"""How a subset is built, and where it may be."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict

from ..errors import ListError, SettingsError
from ..sinks import Link, Linking
from ..subset import Split

Layout = Literal["flat", "nested"]
_LEDGER = ".asynccrawl.sqlite3"


class SubsetKeywords(TypedDict, total=False):
    """The keywords of `build_subset`; see SubsetOptions."""

    layout: Layout
    link: Link
    absolute: bool
    val: float
    test: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SubsetOptions:
    """How a subset is built.

    layout: `flat` is `[train|val|test/]ball/n02799071_1.jpg`, a file a picture; `nested` is `ball/baseball`, a link
    a label, as the old script made it. link: `symlink`, `hardlink` or `copy` of each picture. absolute: symbolic
    links hold absolute paths; relative ones survive a move of the whole tree. val, test: percent of the pictures of
    each class that go there, decided by a hash of the name. Raises SettingsError for values that do not go together.
    """

    layout: Layout = "flat"
    link: Link = "symlink"
    absolute: bool = False
    val: float = 0.0
    test: float = 0.0

    def __post_init__(self) -> None:
        if self.layout not in ("flat", "nested"):
            raise SettingsError(f"layout is {self.layout!r}; it must be flat or nested")
        try:
            split, linking = self.split, self.linking
        except ValueError as error:
            raise SettingsError(str(error)) from error
        if self.layout == "nested" and (split.names or linking.link != "symlink"):
            raise SettingsError(
                "the nested layout links whole directories: it has no splits, and no hard links or copies; "
                "use the flat layout"
            )

    @property
    def split(self) -> Split:
        """The split that `val` and `test` make."""
        return Split(val=self.val, test=self.test)

    @property
    def linking(self) -> Linking:
        """The manner of links, as sinks know it. A stranger in a picture's place is never touched."""
        return Linking(self.link, self.absolute, set_aside=False)


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
