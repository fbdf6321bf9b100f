"""Which of many hashes differ in few bits, without comparing each with each.

Multi-index hashing (Norouzi, Punjani, Fleet: "Fast Search in Hamming Space with Multi-Index Hashing", CVPR 2012): cut
the 64 bits into m pieces. Of two hashes that differ in at most d bits, some piece differs in at most d // m. So a table
of buckets is made for each piece, by its value, and each hash is compared only with those in the buckets whose values
are at most d // m bits from its own. With m chosen so that a bucket holds about one hash, that is some hundreds of
comparisons for each of a hundred thousand hashes.

Pictures are near when they are so by both hashes: candidates come from the first, and the second has to agree. Groups
are what hangs together by such pairs: the first and the last of a chain need not look alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

BITS = 64
MARGIN = 2
"""How many bits more than the first hash the second may differ in: it answers more to brightness and crops."""
_AT_ONCE = 1 << 21
"""Candidate pairs compared at once: what memory is used beyond the tables, about 100 bytes each."""
Array = Any  # numpy's types say little more


def components(first: Array, second: Array, distance: int) -> Array:
    """A number for each hash, the same for those that hang together. `first`, `second`: arrays of uint64."""
    both, back = np.unique(np.stack([first, second], axis=1), axis=0, return_inverse=True)
    first, second = np.ascontiguousarray(both[:, 0]), np.ascontiguousarray(both[:, 1])
    labels = np.arange(len(both))
    for left, right in _candidates(first, distance):
        apart = labels[left] != labels[right]
        left, right = left[apart], right[apart]
        near = np.bitwise_count(first[left] ^ first[right]) <= distance
        near &= np.bitwise_count(second[left] ^ second[right]) <= distance + MARGIN
        if near.any():
            labels = _joined(labels, left[near], right[near])
    return labels[back.reshape(-1)]


def _joined(labels: Array, left: Array, right: Array) -> Array:
    """The components when these pairs are joined, too."""
    n = len(labels)
    graph = coo_array((np.ones(len(left), dtype=bool), (labels[left], labels[right])), shape=(n, n))
    return connected_components(graph, directed=False)[1][labels]


def _candidates(hashes: Array, distance: int) -> Iterator[tuple[Array, Array]]:
    """Pairs of places whose hashes may differ in at most `distance` bits; each such pair is among them."""
    if len(hashes) < 2:
        return
    pieces = max(1, min(8, round(BITS / max(8.0, math.log2(len(hashes))))))
    bounds = [BITS * n // pieces for n in range(pieces + 1)]
    for low, high in pairwise(bounds):
        bits = high - low
        if bits > 24:  # a few hashes, or one piece: no table is worth its memory
            yield from _all_pairs(len(hashes))
            return
        values = ((hashes >> np.uint64(low)) & np.uint64((1 << bits) - 1)).astype(np.int64)
        order = np.argsort(values, kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(values, minlength=1 << bits))])
        for mask in _masks(bits, distance // pieces):
            yield from _bucket_pairs(values, order, starts, mask)


def _masks(bits: int, radius: int) -> Iterator[int]:
    """All numbers of `bits` bits with at most `radius` of them set."""
    for n in range(min(radius, bits) + 1):
        for places in combinations(range(bits), n):
            yield sum(1 << place for place in places)


def _bucket_pairs(values: Array, order: Array, starts: Array, mask: int) -> Iterator[tuple[Array, Array]]:
    """The pairs of each hash with those whose piece differs from its own by just `mask`."""
    wanted = values ^ mask
    here = np.flatnonzero(values < wanted) if mask else np.arange(len(values))
    begin = starts[wanted[here]]
    counts = starts[wanted[here] + 1] - begin
    there = counts > 0
    here, begin, counts = here[there], begin[there], counts[there]
    ends = np.cumsum(counts)
    at = 0
    while at < len(here):
        before = ends[at - 1] if at else 0
        to = max(at + 1, int(np.searchsorted(ends, before + _AT_ONCE, side="right")))
        n = counts[at:to]
        left = np.repeat(here[at:to], n)
        within = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
        right = order[np.repeat(begin[at:to], n) + within]
        if not mask:
            once = left < right
            left, right = left[once], right[once]
        yield left, right
        at = to


def _all_pairs(n: int) -> Iterator[tuple[Array, Array]]:
    for one in range(n - 1):
        yield np.full(n - one - 1, one), np.arange(one + 1, n)
