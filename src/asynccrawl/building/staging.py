"""Where an export is made, and how it takes the place of an earlier one: only when it is whole."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from ..errors import SettingsError, StorageError
from ..sinks import TEMPORARY

_SPLIT = "(train|val|test)"
_RESULTS = {
    "webdataset": re.compile(rf"labels\.txt|({_SPLIT}-)?\d{{6,}}\.tar"),
    "parquet": re.compile(rf"{_SPLIT}-\d{{5}}-of-\d{{5}}\.parquet"),
    "lmdb": re.compile(rf"(labels|train|val|test)\.txt|{_SPLIT}_db|mean\.(binaryproto|jpg)"),
}
_DATABASE = {"data.mdb", "lock.mdb"}


class Stage:
    """A directory inside `out` in which an export is made; `publish` moves what is in it to `out`.

    An export that was broken off leaves nothing but this directory, which the next one removes (`interrupted`): it
    starts anew. An earlier result in `out` stays until the new one is whole. Blocks.
    """

    def __init__(self, out: Path, format_: str) -> None:
        """Raises SettingsError where `out` holds anything else than a result of the same format, and StorageError."""
        self._out, self._results = out, _RESULTS[format_]
        self.directory = out / TEMPORARY
        strangers = [path.name for path in out.iterdir() if path != self.directory and not self._is_ours(path)]
        if strangers:
            more = f" and {len(strangers) - 1} more" if len(strangers) > 1 else ""
            text = f"{out} holds {sorted(strangers)[0]}{more}, which is no earlier export to {format_}"
            raise SettingsError(f"{text}; name another directory")
        self.interrupted = self.directory.exists()
        self.discard()
        self._checked(lambda: self.directory.mkdir())

    def publish(self) -> None:
        """Put what was made in place of an earlier result. Raises StorageError."""
        self._checked(self._publish)

    def discard(self) -> None:
        """Remove what was made. Raises StorageError."""
        if self.directory.exists():
            self._checked(lambda: shutil.rmtree(self.directory))

    def _publish(self) -> None:
        made = {path.name for path in self.directory.iterdir()}
        for path in list(self._out.iterdir()):
            if path != self.directory and (path.is_dir() or path.name not in made):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name in sorted(made):
            (self.directory / name).replace(self._out / name)
        self.directory.rmdir()

    def _is_ours(self, path: Path) -> bool:
        if path.is_symlink() or not self._results.fullmatch(path.name):
            return False
        return not path.is_dir() or {inner.name for inner in path.iterdir()} <= _DATABASE

    def _checked(self, work: Callable[[], object]) -> None:
        try:
            work()
        except OSError as error:
            raise StorageError(
                f"{self._out}: the export cannot be put there: {error}; mend it, then run again"
            ) from error
