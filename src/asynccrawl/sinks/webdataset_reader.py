"""The reader of shards: samples in their order, or one picture where the manifest says it is."""

from __future__ import annotations

import functools
import json
import os
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..errors import ListError
from ..models import Request, Sample
from .layout import format_of
from .listing import Listed
from .shard import part_of
from .shelf import SHARD, shards_in
from .tar import content, facts_of, held_in, mapped


def read_webdataset(path: str | os.PathLike[str]) -> Iterator[Sample]:
    """The samples of a directory's shards, in their order, with their bytes in `data`. Raises ListError.

    Shards of others are read too: `.cls` is a line of `labels.txt` where there is one, and what `.json` does not tell
    stays None.
    """
    root = Path(path)
    try:
        for ordinal, (shard, members) in enumerate(_grouped(shards_in(root))):
            sample = _sample(ordinal, shard, members)
            if sample is not None:
                yield sample
    except (OSError, tarfile.TarError) as error:
        raise ListError(f"{root}: its shards cannot be read: {error}") from error


def _grouped(shards: Sequence[Path]) -> Iterator[tuple[Path, dict[str, bytes]]]:
    for shard in shards:
        key, members = "", dict[str, bytes]()
        with tarfile.open(shard) as archive:
            for info in archive:
                if not info.isreg():
                    continue
                own, _, extension = info.name.partition(".")
                if own != key and members:
                    yield shard, members
                    members = {}
                key = own
                file = archive.extractfile(info)
                members |= {"__key__": own.encode(), extension: file.read() if file else b""}
        if members:
            yield shard, members


def _sample(ordinal: int, shard: Path, members: dict[str, bytes]) -> Sample | None:
    key = members.pop("__key__").decode()
    facts = json.loads(members.pop("json", b"{}"))
    found = next(((f[1], data) for ext, data in members.items() if (f := format_of(f"{key}.{ext}"))), None)
    if found is None:
        return None
    format_, data = found
    match, label = SHARD.fullmatch(shard.name), facts.get("label")
    request = Request(facts.get("url") or "", facts.get("key"), label, facts.get("extra"))
    return Sample(
        request, ordinal, facts.get("name", key), label, format_, data=data, split=match["split"] if match else None,
        width=facts.get("width"), height=facts.get("height"), mode=facts.get("mode"), bytes=len(data),
        sha256=facts.get("sha256"), final_url=facts.get("final_url"),
    )  # fmt: skip


def list_shards(root: Path) -> Iterator[Listed]:
    """The pictures of a directory's shards, in their order, as far as their `.json` names them. Raises ListError."""
    try:
        for shard in shards_in(root):
            match = SHARD.fullmatch(shard.name)
            with mapped(shard) as data:
                for held in held_in(data):
                    facts, picture = facts_of(data, held), held.picture
                    if picture is not None:
                        path = f"{shard.name}/{held.key}.{picture[0]}"
                        split = match["split"] if match else None
                        yield Listed(split, facts.get("label"), facts.get("name", held.key), path)
    except (OSError, ValueError) as error:
        raise ListError(f"{root}: its shards cannot be read: {error}") from error


def sample_in(root: Path, listed: Listed, ordinal: int) -> Sample:
    """A listed picture as a sample with its bytes. Raises ListError when it is no longer there."""
    place = place_in(root, listed.path)
    if place is None:
        raise ListError(f"{root / listed.path}: it is no longer there; is somebody changing the data set?")
    shard, offset, size = place
    key, _, extension = listed.path.partition("/")[2].partition(".")
    facts = place_in(root, f"{shard.name}/{key}.json")
    with mapped(shard) as data:
        members = {
            "__key__": key.encode(),
            extension: content(data, offset, size),
        }
        if facts is not None:
            members["json"] = content(data, *facts[1:])
    sample = _sample(ordinal, shard, members)
    assert sample is not None
    return sample


def place_in(root: Path, path: str) -> tuple[Path, int, int] | None:
    """The file, offset and size of the picture `000003.tar/key.jpg`, in a shard that is published or in the making.

    None when it is not there. Raises OSError.
    """
    name, _, member = path.partition("/")
    for shard in (root / name, part_of(root / name)):
        if shard.is_file():
            about = shard.stat()
            place = _places(shard, about.st_mtime_ns, about.st_size).get(member)
            return place and (shard, *place)
    return None


@functools.lru_cache(maxsize=8)
def _places(shard: Path, changed: int, size: int) -> Mapping[str, tuple[int, int]]:
    """Offset and size of each file in a shard that was last changed at `changed`."""
    with mapped(shard) as data:
        return {f"{held.key}.{ext}": place for held in held_in(data) for ext, place in held.members.items()}
