"""Sample -> keep it, or a Placeholder: pictures that are valid and yet not what was asked for.

A person's word comes first, then signatures, then what was recognised before, then the rule. What the rule looks at is
in the ledger: a batch costs one query by index, and only a content that many saved rows have is looked at further.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from ..models import Placeholder, Sample
from ..settings import ImagePolicy
from .rule import NAMES, Evidence, is_placeholder, others_wanted
from .signatures import Signature, known_signatures

MOST_JUDGED = 1_000
"""Contents that signatures may add to the ledger, each with one copy. Further ones are refused all the same."""
_EXACT = 64
"""Copies up to which the rule is asked with every batch; beyond, whenever there are a sixteenth more."""
_MOST_TRACKED = 1_024


class Contents(Protocol):
    """What is needed of the ledger."""

    async def placeholders(self) -> list[Placeholder]:
        """All contents that were judged."""

    async def copies(self, hashes: Sequence[str]) -> dict[str, int]:
        """How many saved rows have each content; those of none are left out."""

    async def repeated(self, least: int) -> list[tuple[str, int]]:
        """The contents of at least `least` saved rows that nobody has judged, and how many rows those are."""

    async def others(self, sha256: str, most: int) -> int:
        """How many contents saved rows have besides this one; counted up to `most`."""

    async def sightings(self, sha256: str, add: Callable[[str, str | None, str | None], None]) -> int | None:
        """Tell `add` URL, label and final URL of all saved rows with a content; returns its size in bytes."""


class Judged(NamedTuple):
    """A sample's content is a placeholder. `new`: the ledger does not know that yet, and has to."""

    placeholder: Placeholder
    new: bool


class _Tracked:
    """A content with many copies: how many there are, and at how many to ask the rule again."""

    __slots__ = ("copies", "due")

    def __init__(self, copies: int) -> None:
        self.copies = copies
        self.due = copies + (1 if copies <= _EXACT else copies // 16)


class Screening:
    """Decides what is kept of the valid pictures.

    `signatures`: the shipped ones and the policy's unless given. `contents`: the ledger; without one only signatures
    are looked at.
    """

    def __init__(
        self, policy: ImagePolicy, signatures: Iterable[Signature] | None = None, contents: Contents | None = None
    ) -> None:
        known = [*known_signatures(), *policy.signatures] if signatures is None else list(signatures)
        self._mode = policy.placeholders
        self._signatures = known if self._mode != "off" else []
        self._details = {signature.detail for signature in self._signatures}
        self._contents = contents
        self._judged: dict[str, Placeholder] = {}
        self._tracked: OrderedDict[str, _Tracked] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Screening {self._mode}, {len(self._signatures)} signatures, {len(self._judged)} contents judged>"

    async def load(self) -> None:
        """Take up what earlier runs and persons have decided. Raises StorageError."""
        if self._contents is not None:
            self._judged = {one.sha256: one for one in await self._contents.placeholders()}

    def remember(self, placeholder: Placeholder) -> None:
        """The ledger knows this one now."""
        self._judged[placeholder.sha256] = placeholder
        self._tracked.pop(placeholder.sha256, None)

    def in_force(self) -> list[Placeholder]:
        """The recorded placeholders that are refused under these settings."""
        return [one for one in self._judged.values() if self._holds(one)]

    async def judge(self, samples: Sequence[Sample]) -> list[Judged | None]:
        """Which of the samples of a batch are placeholders. Raises StorageError."""
        verdicts = [self._known(sample) for sample in samples]
        if self._mode == "auto" and self._contents is not None:
            open_ = [s for s, verdict in zip(samples, verdicts, strict=True) if verdict is None and self._is_open(s)]
            found = await self._discovered(self._contents, open_) if open_ else {}
            if found:
                pairs = zip(samples, verdicts, strict=True)
                verdicts = [verdict or found.get(sample.sha256 or "") for sample, verdict in pairs]
        return verdicts

    async def sweep(self) -> list[Placeholder]:
        """The contents of the whole ledger that the rule tells for placeholders and nobody has judged."""
        if self._mode != "auto" or self._contents is None:
            return []
        found = []
        for sha256, _ in await self._contents.repeated(NAMES):
            if placeholder := await self._by_rule(self._contents, sha256, [], 0):
                found.append(placeholder)
        return found

    def _known(self, sample: Sample) -> Judged | None:
        """What is known of a sample's content without looking into the ledger."""
        judged = self._judgement(sample)
        if judged is not None and judged.good:
            return None
        for signature in self._signatures:
            if signature.matches(sample):
                if judged is not None:
                    return Judged(judged, False)
                placeholder = _placeholder(sample, "signature", signature.detail)
                return Judged(placeholder, sample.sha256 is not None and len(self._judged) < MOST_JUDGED)
        return Judged(judged, False) if judged is not None and self._holds(judged) else None

    def _judgement(self, sample: Sample) -> Placeholder | None:
        """What was decided about a sample's content, or about what it was converted from."""
        found = (self._judged.get(sha256) for sha256 in sample.hashes)
        return next((one for one in found if one is not None), None)

    def _holds(self, one: Placeholder) -> bool:
        if one.good or self._mode == "off":
            return False
        if one.found == "signature":
            return one.detail in self._details
        return self._mode == "auto" or one.found == "person"

    def _is_open(self, sample: Sample) -> bool:
        """Whether the rule has a say: not where a person has spoken."""
        judged = self._judgement(sample)
        return sample.sha256 is not None and not (judged and judged.good)

    async def _discovered(self, contents: Contents, samples: Sequence[Sample]) -> dict[str, Judged]:
        """Those contents of a batch that are placeholders, now that this batch has come too."""
        batch: dict[str, list[Sample]] = {}
        for sample in samples:
            batch.setdefault(sample.sha256 or "", []).append(sample)
        unknown = [sha256 for sha256 in batch if sha256 not in self._tracked]
        copies = await contents.copies(unknown) if unknown else {}
        found = {}
        for sha256, here in batch.items():
            if self._is_due(sha256, copies.get(sha256, 0), len(here)):
                placeholder = await self._by_rule(contents, sha256, here, len(batch) - 1)
                if placeholder is not None:
                    found[sha256] = Judged(placeholder, True)
        return found

    def _is_due(self, sha256: str, copies: int, here: int) -> bool:
        """Whether the rule has to be asked about a content of so many saved rows and so many samples here."""
        tracked = self._tracked.get(sha256)
        if tracked is not None:
            tracked.copies += here
            if tracked.copies < tracked.due:
                return False
            copies, here = tracked.copies, 0
        if copies + here < NAMES:
            return False
        self._tracked[sha256] = _Tracked(copies + here)
        self._tracked.move_to_end(sha256)
        if len(self._tracked) > _MOST_TRACKED:
            self._tracked.popitem(last=False)
        return True

    async def _by_rule(
        self, contents: Contents, sha256: str, here: Sequence[Sample], others: int
    ) -> Placeholder | None:
        """The content as a placeholder, if it is one by its saved rows and the samples `here`, which came together
        with so many other contents.
        """
        evidence = Evidence()
        example = here[0] if here else None
        size = await contents.sightings(sha256, evidence.add)
        for sample in here:
            evidence.add(sample.request.url, sample.label, sample.final_url)
        size = example.bytes if example else size or 0
        figures = evidence.figures()
        if not is_placeholder(figures, size):
            return None
        wanted = others_wanted(figures)
        # Not their sum: the others of this batch may be those that are saved already.
        if others < wanted and await contents.others(sha256, wanted) < wanted:
            return None
        detail = f"one content of {size:,} bytes under {figures}"
        if example is None:
            return Placeholder(sha256, "rule", detail, "", bytes=size)
        return _placeholder(example, "rule", detail)


def _placeholder(sample: Sample, found: str, detail: str) -> Placeholder:
    s = sample
    return Placeholder(
        s.sha256 or "", found, detail, s.request.url, s.format, s.width, s.height, s.mode, s.bytes
    )  # fmt: skip
