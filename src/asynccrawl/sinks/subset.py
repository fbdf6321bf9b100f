"""A crawl, or any other stream of samples, straight into coarse classes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from ..models import Failure, Reason, Sample
from ..subset import Groups, load_grouping
from .adapters import can_remove, close_sink, remove_from, suits_a_crawl, write_to
from .protocol import Sink


class SubsetSink:
    """Hands samples to `inner` under the class that `groups` has for their label: `dog/`, `cat/`.

    `groups` is a Grouping, a mapping, the name of a shipped grouping (`imagenet12`) or a file; a file is read here
    and now. A sample whose label is in no class becomes a Failure (label_not_wanted). Durable, and able to `remove`,
    as far as `inner` is. Raises SettingsError for what is no grouping.
    """

    def __init__(self, groups: Groups, inner: Sink) -> None:
        self._groups = load_grouping(groups)
        self._inner = inner
        self.durable = suits_a_crawl(inner)
        self.remove: Callable[[Sequence[Sample]], Awaitable[None]] | None = None
        if can_remove(inner):
            self.remove = self._remove

    def __repr__(self) -> str:
        return f"SubsetSink({self._groups!r}, {self._inner!r})"

    async def write(self, batch: Sequence[Sample]) -> list[str | Failure | None]:
        """Store every sample that is in a class. Raises StorageError when `inner` does."""
        mapped = [self._mapped(sample) for sample in batch]
        wanted = [sample for sample in mapped if isinstance(sample, Sample)]
        stored = iter(await write_to(self._inner, wanted) if wanted else [])
        return [next(stored) if isinstance(sample, Sample) else sample for sample in mapped]

    async def aclose(self) -> None:
        """Close `inner`."""
        await close_sink(self._inner)

    async def _remove(self, batch: Sequence[Sample]) -> None:
        mapped = [self._mapped(sample) for sample in batch]
        await remove_from(self._inner, [sample for sample in mapped if isinstance(sample, Sample)])

    def _mapped(self, sample: Sample) -> Sample | Failure:
        group = self._groups.class_of(sample.label)
        if group is None:
            detail = f"{sample.label or 'no label'} is in no class of {self._groups.source}"
            return Failure.instead(sample, Reason.LABEL_NOT_WANTED, detail)
        return replace(sample, label=group)
