"""Near-duplicates of a finished dataset: every saved picture is looked at, on all cores, and those that look alike are
grouped. What was found stays in the ledger: the next time only new pictures are looked at.
"""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from multiprocessing import get_context
from pathlib import Path

from ..errors import SettingsError
from ..imaging import looks, need_hashes
from ..ledger import Near, Unseen
from ..sinks import in_shard, stored_bytes

DISTANCE = 10
"""Bits of 64 in which pictures that look alike may differ. benchmarks/near.py says how many are found, and how many are
found wrongly, by distance."""
MOST_DISTANCE = 20
PAGE = 1_024
"""Pictures between two transactions."""
_FEW = 64
_CHUNK = 16


@dataclass(frozen=True, slots=True)
class Nearness:
    """What was found: `pictures` saved, of which `alike` are in `groups`, `across` of these with several labels.

    `flat` were not compared: nothing but noise would tell them apart, or they could not be decoded. They are grouped
    only with what is the same byte for byte.
    """

    pictures: int
    flat: int
    groups: int
    alike: int
    across: int


def group_near(
    root: Path, distance: int = DISTANCE, advance: Callable[[int], None] = lambda n: None, processes: int | None = None
) -> Nearness:
    """Find the groups of near-duplicates in the dataset at `root`, and put them into its ledger.

    distance: bits of 64 that may differ, from 0 to MOST_DISTANCE. advance: told how many more pictures were looked at.
    processes: default, as many as cores. Raises SettingsError where the extra `near` is missing or the distance is out
    of range, DestinationBusy while a crawl runs there, and StorageError.
    """
    need_hashes()
    if not 0 <= distance <= MOST_DISTANCE:
        raise SettingsError(f"the distance is {distance}; it must be from 0 to {MOST_DISTANCE} bits")
    with Near.of(root) as near:
        pictures = near.forget_others()
        _look(near, root, advance, processes or os.cpu_count() or 1)
        flat = _group(near, distance)
        groups = alike = across = 0
        for group in near.groups():
            groups += 1
            alike += len(group)
            across += len({member.label for member in group}) > 1
    return Nearness(pictures, flat, groups, alike, across)


def _look(near: Near, root: Path, advance: Callable[[int], None], processes: int) -> None:
    page = near.unseen(0, PAGE)
    with _pool(processes if len(page) > _FEW else 1) as pool:
        while page:
            found = _looks(pool, root, page)
            following = near.unseen(page[-1].id, PAGE)
            near.remember(list(zip(page, found, strict=True)))
            advance(len(page))
            page = following


def _looks(pool: Executor | None, root: Path, page: Sequence[Unseen]) -> Iterator[str | None]:
    look, paths = partial(_look_at, root), [one.path for one in page]
    return map(look, paths) if pool is None else pool.map(look, paths, chunksize=_CHUNK)


def _look_at(root: Path, path: str) -> str | None:
    """What the picture `path` looks like, which may be in a shard. Runs in a process of its own."""
    if not in_shard(path):
        return looks(root / path)
    with suppress(OSError):  # a picture that cannot be read counts as flat, as a file of its own does
        data = stored_bytes(root, path)
        return None if data is None else looks(data)
    return None


@contextmanager
def _pool(processes: int) -> Iterator[Executor | None]:
    """Processes, or None where they are not worth their start."""
    if processes == 1:
        yield None
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield pool


def _group(near: Near, distance: int) -> int:
    """Put the groups into the ledger; returns how many pictures could not be compared."""
    import numpy as np

    from .neighbours import components

    rows, first, second = array("q"), array("Q"), array("Q")
    flat: list[tuple[int, int]] = []
    same: dict[str, int] = {}
    for row, sha256, look in near.looks():
        if look is None:
            flat.append((row, same.setdefault(sha256, row)))
        else:
            rows.append(row)
            first.append(int(look[:16], 16))
            second.append(int(look[16:], 16))
    numbers = components(np.array(first), np.array(second), distance)
    _, place, back, counts = np.unique(numbers, return_index=True, return_inverse=True, return_counts=True)
    least, alone = np.array(rows)[place][back], counts[back] == 1
    clusters = ((row, int(least[n])) for n, row in enumerate(rows) if not alone[n])
    sizes = Counter(first_one for _, first_one in flat)
    near.put_clusters(chain(clusters, (pair for pair in flat if sizes[pair[1]] > 1)))
    return len(flat)
