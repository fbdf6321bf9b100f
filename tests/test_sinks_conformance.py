"""The conformance check: our sinks pass it, a sink of ten lines passes it, and every broken rule is named."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import pytest

from asynccrawl.models import Failure, Reason, Sample
from asynccrawl.sinks import DirectorySink, Linking, MemorySink, NullSink, Sink, SubsetSink, TeeSink, read_directory
from asynccrawl.testing.conformance import check_sink


class TenLines:
    """What a user writes in a lunch break."""

    def __init__(self, dest: Path) -> None:
        self.dest = dest
        dest.mkdir(exist_ok=True)

    def write(self, batch: Sequence[Sample]) -> list[Any]:
        for sample in batch:
            partial = self.dest / ".partial"
            partial.write_bytes(self.bytes_of(sample))
            partial.replace(self.dest / self.name_of(sample))
        return [self.name_of(sample) for sample in batch]

    def bytes_of(self, sample: Sample) -> bytes:
        return sample.path.read_bytes() if sample.data is None else sample.data

    def name_of(self, sample: Sample) -> str:
        return f"{sample.name}.{sample.format}"


def flat(dest: Path) -> Callable[[], Mapping[str, bytes]]:
    return lambda: {path.stem: path.read_bytes() for path in dest.glob("[!.]*")} if dest.exists() else {}


def tree(dest: Path) -> Callable[[], Mapping[str, bytes]]:
    return lambda: {each.name: each.path.read_bytes() for each in read_directory(dest)} if dest.exists() else {}


async def opened(kind: Callable[[Path], Sink], dest: Path) -> Sink:
    """A sink whose constructor looks at the disk."""
    return await asyncio.to_thread(kind, dest)


async def test_directory_sink(dest: Path):
    await check_sink(lambda: DirectorySink(dest), stored=tree(dest))
    assert not (dest / ".asynccrawl.tmp").exists()


async def test_directory_sink_without_hard_links(dest: Path, monkeypatch: pytest.MonkeyPatch):
    def no_link(*args: Any, **options: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_link)
    await check_sink(lambda: DirectorySink(dest), stored=tree(dest))


async def test_memory_sink():
    made: list[MemorySink] = []

    def make() -> MemorySink:
        made.append(MemorySink())
        return made[-1]

    def stored() -> Mapping[str, bytes]:
        return {name: each.data or each.path.read_bytes() for name, each in made[-1].samples.items()}

    await check_sink(make, stored=stored, durable=False)


async def test_null_sink():
    await check_sink(NullSink, stored=None, durable=False)


@pytest.mark.parametrize("which", [0, 1])
async def test_tee_sink(tmp_path: Path, which: int):
    one, two = tmp_path / "one", tmp_path / "two"
    await check_sink(lambda: TeeSink(DirectorySink(one), DirectorySink(two)), stored=tree([one, two][which]))


@pytest.mark.parametrize("link", ["hardlink", "symlink", "copy"])
async def test_directory_sink_in_every_manner_of_linking(dest: Path, link: Any):
    await check_sink(lambda: DirectorySink(dest, Linking(link)), stored=tree(dest))


async def test_subset_sink(dest: Path):
    groups = {"fish": {"tench": "n01440764"}}
    await check_sink(lambda: SubsetSink(groups, DirectorySink(dest)), stored=tree(dest), unlabelled=False)


async def test_a_sink_of_ten_lines(dest: Path):
    await check_sink(lambda: opened(TenLines, dest), stored=flat(dest))


class Exporter(TenLines):
    """Holds samples back until it is closed."""

    durable = False

    def __init__(self, dest: Path) -> None:
        super().__init__(dest)
        self.held: dict[str, bytes] = {}

    def write(self, batch: Sequence[Sample]) -> None:
        self.held |= {sample.name: self.bytes_of(sample) for sample in batch}

    def aclose(self) -> None:
        for name, data in self.held.items():
            (self.dest / f"{name}.jpg").write_bytes(data)


async def test_an_exporter_may_hold_samples_back(dest: Path):
    await check_sink(lambda: opened(Exporter, dest), stored=flat(dest), durable=False)


class SaysNothing(TenLines):
    durable = False


class HatesEmptyBatches(TenLines):
    def write(self, batch: Sequence[Sample]) -> list[Any]:
        assert batch[0]
        return super().write(batch)


class LosesTheLast(TenLines):
    def write(self, batch: Sequence[Sample]) -> list[Any]:
        return [*super().write(batch[:-1]), *batch[-1:]] if len(batch) < 2 else [*super().write(batch[:-1]), None]


class Scrambles(TenLines):
    def bytes_of(self, sample: Sample) -> bytes:
        return super().bytes_of(sample)[:-1]


class RefusesGoodSamples(TenLines):
    def write(self, batch: Sequence[Sample]) -> list[Any]:
        return [Failure.instead(sample, Reason.INTERNAL, "a whim") for sample in batch]


class Absolute(TenLines):
    def write(self, batch: Sequence[Sample]) -> list[Any]:
        return [self.dest / entry for entry in super().write(batch)]


class Outside(TenLines):
    def write(self, batch: Sequence[Sample]) -> list[Any]:
        return [PurePath("..", entry) for entry in super().write(batch)]


class WantsLabels(TenLines):
    def name_of(self, sample: Sample) -> str:
        (self.dest / sample.label).is_dir()
        return super().name_of(sample)


class NamesByContent(TenLines):
    def __init__(self, dest: Path) -> None:
        super().__init__(dest)
        self.seen: dict[str | None, str] = {}

    def name_of(self, sample: Sample) -> str:
        return self.seen.setdefault(sample.sha256, super().name_of(sample))


class WantsData(TenLines):
    def bytes_of(self, sample: Sample) -> bytes:
        return sample.data[:]


class MovesEveryFile(TenLines):
    def bytes_of(self, sample: Sample) -> bytes:
        data = super().bytes_of(sample)
        if sample.path:
            sample.path.unlink()
        return data


class IgnoresTemporaryFiles(TenLines):
    def write(self, batch: Sequence[Sample]) -> list[Any]:
        super().write([sample for sample in batch if not sample.temporary])
        return [None] * len(batch)


class RefusesToOverwrite(TenLines):
    def write(self, batch: Sequence[Sample]) -> list[Any]:
        for sample in {sample.name: sample for sample in batch}.values():
            with (self.dest / self.name_of(sample)).open("xb") as file:
                file.write(self.bytes_of(sample))
        return [None] * len(batch)


class NumbersCopies(TenLines):
    def write(self, batch: Sequence[Sample]) -> list[Any]:
        super().write(batch)
        names = [sample.name for sample in batch]
        for sample in batch:
            if names.count(sample.name) > 1:
                (self.dest / f"{sample.name}-2.jpeg").write_bytes(self.bytes_of(sample))
        return [None] * len(batch)


class RemovesNothing(TenLines):
    def remove(self, batch: Sequence[Sample]) -> None:
        pass


class RemovesOnce(TenLines):
    def remove(self, batch: Sequence[Sample]) -> None:
        for sample in batch:
            (self.dest / self.name_of(sample)).unlink()


class RemovesAll(TenLines):
    def remove(self, batch: Sequence[Sample]) -> None:
        for path in self.dest.iterdir():
            path.unlink()


class StartsAnew(TenLines):
    def __init__(self, dest: Path) -> None:
        super().__init__(dest)
        for path in dest.iterdir():
            path.unlink()


class ClosesOnce(TenLines):
    def aclose(self) -> None:
        self.dest = None if self.dest else 1 / 0


class SweepsAtTheEnd(Exporter):
    def aclose(self) -> None:
        super().aclose()
        (self.dest / "first.jpg").unlink(missing_ok=True)


class ClosesOnceAsExporter(Exporter):
    def aclose(self) -> None:
        super().aclose()
        self.held = None


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (SaysNothing, "`durable` says what the sink is: it says False, and True was expected"),
        (HatesEmptyBatches, "an empty batch is fine"),
        (LosesTheLast, "every sample is stored: second cannot be found"),
        (Scrambles, "every sample is stored: first, second has other bytes"),
        (RefusesGoodSamples, "every sample is stored: a good sample became"),
        (Absolute, "every sample is stored: the path .* leads out"),
        (Outside, "every sample is stored: the path .* leads out"),
        (WantsLabels, "a sample without label is stored"),
        (NamesByContent, "equal pictures under two names are both stored: other cannot be found"),
        (WantsData, "a sample on disk is stored"),
        (MovesEveryFile, "a sample on disk is stored, and its file left alone"),
        (IgnoresTemporaryFiles, "a temporary file is stored: spooled cannot be found"),
        (RefusesToOverwrite, "writing again changes nothing: it raised StorageError: .*FileExistsError"),
        (NumbersCopies, "a sample that is twice in a batch is stored once: twin-2 should not be there"),
        (RemovesNothing, "remove takes back what it is given and no more, and may be repeated: first should not"),
        (RemovesOnce, "remove takes back what it is given and no more, and may be repeated: it raised"),
        (RemovesAll, "remove takes back what it is given and no more, and may be repeated: .* cannot be found"),
        (StartsAnew, "what write has stored outlives the sink"),
        (ClosesOnce, "aclose may be called twice: it raised StorageError"),
    ],
)
async def test_a_broken_rule_is_named(broken: Callable[[Path], Sink], rule: str, dest: Path):
    with pytest.raises(AssertionError, match=rule) as caught:
        await check_sink(lambda: opened(broken, dest), stored=flat(dest))
    assert str(caught.value).startswith(f"{broken.__name__} breaks the rule that ")


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (SweepsAtTheEnd, "what was stored is there after aclose: first cannot be found"),
        (ClosesOnceAsExporter, "aclose may be called twice"),
    ],
)
async def test_a_broken_rule_of_an_exporter_is_named(broken: Callable[[Path], Sink], rule: str, dest: Path):
    with pytest.raises(AssertionError, match=rule):
        await check_sink(lambda: opened(broken, dest), stored=flat(dest), durable=False)
