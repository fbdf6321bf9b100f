"""All shards of a directory: which holds what, and where the next sample goes."""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path

from .labels import Labels
from .shard import Keys, OpenShard, ShardBounds, drop_from, hash_of, keys_in
from .tar import content, facts_of, held_in, mapped

SHARD = re.compile(r"(?:(?P<split>[^/]+)-)?(?P<number>\d{6,})\.tar")
"""The name of a shard."""


class Shelf:
    """All shards of a directory: the published ones, and one in the making for each split. Raises OSError."""

    def __init__(self, directory: Path, labels: Labels, bounds: ShardBounds, *, sync: bool) -> None:
        self.labels = labels
        self._directory = directory
        self._bounds = bounds
        self._sync = sync
        self._published: dict[str, Keys] = {path.name: keys_in(path) for path in shards_in(directory)}
        self._open: dict[str | None, OpenShard] = {}
        self._looked_at: tuple[str, dict[str, str]] = ("", {})

    def standing(self, key: str, sha256: str) -> str | None:
        """The shard that holds the picture `sha256` under `key`; another picture under that key is taken out."""
        for name in self._holders(key):
            held = self._hashes(name).get(key)
            if held == sha256:
                return name
            if held is not None:
                self.drop({key})
                return None
        return None

    def append(self, split: str | None, key: str, data: bytes) -> str:
        """Append a sample to the shard in the making, or to a new one when that is full; returns the shard's name."""
        shard = self._open.get(split)
        if shard is not None and not shard.has_room(len(data), self._bounds):
            self._end(split)
            shard = None
        if shard is None:
            shard = self._open[split] = OpenShard(self._directory, self._next(split), sync=self._sync)
        shard.append(key, data)
        return shard.path.name

    def drop(self, keys: set[str]) -> None:
        """Take samples out of whatever shards they are in."""
        touched: dict[str, set[str]] = {}
        for key in keys:
            for name in self._holders(key):
                touched.setdefault(name, set()).add(key)
        self._looked_at = ("", {})
        for shard in self._open.values():
            if shard.path.name in touched:
                shard.drop(touched.pop(shard.path.name))
        for name, some in touched.items():
            left = drop_from(self._directory / name, some)
            self._published.pop(name)
            if left is not None:
                self._published[name] = left

    def flush(self) -> None:
        """Bring everything to the disk itself, if that is wanted."""
        for shard in self._open.values():
            shard.flush()

    def abandon(self) -> None:
        """Close all shards in the making as they are."""
        for shard in self._open.values():
            shard.abandon()
        self._open = {}

    def publish(self) -> None:
        """End all shards in the making."""
        for split in list(self._open):
            self._end(split)

    def _end(self, split: str | None) -> None:
        shard = self._open.pop(split)
        keys = shard.publish()
        if keys is not None:
            self._published[shard.path.name] = keys

    def _holders(self, key: str) -> list[str]:
        """The shards that may hold `key`."""
        wanted = hash_of(key)
        making = [shard.path.name for shard in self._open.values() if wanted in shard.hashes]
        return making + [name for name, keys in self._published.items() if wanted in keys]

    def _hashes(self, name: str) -> dict[str, str]:
        """Key -> SHA-256 of its picture, of one shard; a published one is kept in mind, since many are asked of it."""
        if self._looked_at[0] == name:
            return self._looked_at[1]
        making = next((shard for shard in self._open.values() if shard.path.name == name), None)
        with mapped(making.reading if making else self._directory / name) as data:
            found = {
                held.key: hashlib.sha256(content(data, *held.picture[1:])).hexdigest()
                for held in held_in(data)
                if held.picture and (making is None or held.end <= making.end)
            }
        if making is None:
            self._looked_at = (name, found)
        return found

    def _next(self, split: str | None) -> str:
        """The name after the highest one that is taken."""
        taken = [match for name in self._published if (match := SHARD.fullmatch(name))]
        numbers = [int(match["number"]) for match in taken if match["split"] == split]
        number = max(numbers, default=-1) + 1
        return f"{number:06d}.tar" if split is None else f"{split}-{number:06d}.tar"


def names_in(path: Path) -> dict[str, str]:
    """The samples in a shard: `000003.tar/key.jpg`, and the name that it was stored under. Raises OSError."""
    found = {}
    with mapped(path) as data:
        for held in held_in(data):
            with suppress(ValueError, KeyError, TypeError):  # none of ours
                if held.picture:
                    found[f"{path.name}/{held.key}.{held.picture[0]}"] = str(facts_of(data, held)["name"])
    return found


def shards_in(directory: Path) -> list[Path]:
    """The published shards of a directory, in order. Raises OSError."""
    with os.scandir(directory) as entries:
        return sorted(Path(entry.path) for entry in entries if SHARD.fullmatch(entry.name))
