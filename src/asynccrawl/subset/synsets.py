"""The 1,000 synsets of ILSVRC 2012: their identifiers and words.

`data/ilsvrc12_synset_words.txt` is the file of that name which Caffe's `get_ilsvrc_aux.sh` brings. Words are no keys:
"crane" is a bird and a machine, "maillot" is two garments.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Synset:
    """A WordNet synset: `id` such as n01484850, and the words that name it, the usual one first."""

    id: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.id} {', '.join(self.words)}"


@functools.cache
def synsets() -> Mapping[str, Synset]:
    """The 1,000 synsets by their id, in the order of the file, which is that of the ids."""
    text = resources.files(__package__.rpartition(".")[0]).joinpath("data/ilsvrc12_synset_words.txt").read_text("utf-8")
    found = {}
    for line in text.splitlines():
        id, _, words = line.partition(" ")
        found[id] = Synset(id, tuple(word.strip() for word in words.split(",")))
    return MappingProxyType(found)


def find_synsets(text: str) -> list[Synset]:
    """The synsets meant by an id or by words, case folded: those with exactly this word first, then those that have
    it among their words, then, when there are none, those that hold it anywhere. Empty when nothing fits."""
    wanted = " ".join(text.casefold().replace("_", " ").split())
    if not wanted:
        return []
    known = synsets()
    if wanted in known:
        return [known[wanted]]
    whole = re.compile(rf"\b{re.escape(wanted)}\b")
    exact = [s for s in known.values() if wanted in map(str.casefold, s.words)]
    among = [s for s in known.values() if s not in exact and any(whole.search(w.casefold()) for w in s.words)]
    return exact + among or [s for s in known.values() if any(wanted in w.casefold() for w in s.words)]
