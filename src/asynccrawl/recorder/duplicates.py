"""Which pictures of a batch somebody has already: by content, as the ledger's index has it."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace
from typing import NamedTuple

from ..ledger import First
from ..models import Failure, Reason, Result, Sample


class Apart(NamedTuple):
    """A batch taken apart. `now` can be recorded at once; `copies` are those of it, by ordinal, that are duplicates."""

    now: list[Result]
    copies: dict[int, Failure]
    later: list[Result]


def hashes_of(batch: Sequence[Result], refused: Container[int]) -> list[str]:
    """The contents of a batch that are to be compared: as they are stored, and as they were served."""
    samples = (one for one in batch if isinstance(one, Sample) and one.ordinal not in refused)
    return list(dict.fromkeys(sha256 for sample in samples for sha256 in sample.hashes))


def take_apart(batch: Sequence[Result], refused: Container[int], known: dict[str, First]) -> Apart:
    """Tell duplicates of saved pictures (`known`, by content), and put off those of pictures of this very batch.

    Whether the first picture of a batch is stored is known only afterwards: then its copies are looked at again.
    """
    apart, seen = Apart([], {}, []), set()
    for result in batch:
        sha256 = result.sha256 if isinstance(result, Sample) and result.ordinal not in refused else None
        if sha256 in seen:
            apart.later.append(result)
            continue
        apart.now.append(result)
        if isinstance(result, Sample) and sha256 is not None:
            seen.add(sha256)
            if same := next((one for one in result.hashes if one in known), None):
                seen.discard(sha256)
                apart.copies[result.ordinal] = _copy(result, known[same], same)
    return apart


def _copy(sample: Sample, first: First, sha256: str) -> Failure:
    failure = Failure.instead(sample, Reason.DUPLICATE, f"same content as record {first.ordinal}, {first.path}")
    return replace(failure, sha256=sha256, copy_of=first.id)
