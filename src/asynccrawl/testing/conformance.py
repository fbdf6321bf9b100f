"""One check of what every sink promises, for ours and for yours.

async def test_my_sink(tmp_path):
    def stored():
        return {path.stem: path.read_bytes() for path in tmp_path.rglob("*.*")}

    await check_sink(lambda: MySink(tmp_path), stored=stored)
"""

from __future__ import annotations

import hashlib
import tempfile
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ..models import Failure, Request, Sample
from ..sinks import Sink, can_remove, close_sink, remove_from, write_to
from ..threads import in_thread
from .pictures import picture

Contents = Callable[[], Mapping[str, bytes]]
"""What a destination holds now, by sample name."""


MakeSink = Callable[[], Sink | Awaitable[Sink]]
"""Opens a sink, plainly or as an async function."""


async def check_sink(
    make_sink: MakeSink, *, stored: Contents | None, durable: bool = True, unlabelled: bool = True
) -> None:
    """Hold a sink to its promises. Raises AssertionError, which names the rule that is broken.

    make_sink: opens the sink on its destination, which is empty at first; called again, it re-opens the same one.
    stored: what the destination holds, read past the sink, called in a thread; None for a sink that stores nothing,
    which is checked from outside only. durable: what the sink's attribute of that name has to say. A sink that is not
    durable may hold samples back until it is closed, and is not re-opened. unlabelled: whether the sink takes samples
    without a label. (The others' label is n01440764.)
    """
    async with _folder() as folder:
        check = _Check(make_sink, stored, durable, folder)
        await check.open()
        try:
            for rule, examine in check.rules(unlabelled):
                async with check.naming(rule):
                    await examine()
        finally:
            # When a rule is broken, that is the news; when none is, the sink is closed already.
            with suppress(Exception):
                await close_sink(check.sink)


class _Check:
    """A sink under examination, and what has to be in it by now."""

    sink: Sink

    def __init__(self, make_sink: MakeSink, stored: Contents | None, durable: bool, folder: Path) -> None:
        self._make_sink = make_sink
        self._stored = stored
        self._durable = durable
        self._folder = folder
        self._samples: dict[str, Sample] = {}
        self._pictures: dict[str, bytes | None] = {}

    async def open(self) -> None:
        """Have the sink made, the first time or again."""
        made = self._make_sink()
        self.sink = await made if isinstance(made, Awaitable) else made

    def rules(self, unlabelled: bool) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        """The rules in the order of their examination, each with what examines it."""
        rules = [
            ("`durable` says what the sink is", self.tells_durability),
            ("an empty batch is fine", self.takes_nothing),
            ("every sample is stored", self.stores),
            *([("a sample without label is stored", self.stores_unlabelled)] if unlabelled else []),
            ("equal pictures under two names are both stored", self.stores_equals),
            ("a sample on disk is stored, and its file left alone", self.stores_file),
            ("a temporary file is stored", self.stores_temporary_file),
            ("writing again changes nothing", self.writes_again),
            ("a sample that is twice in a batch is stored once", self.takes_repeats),
            ("remove takes back what it is given and no more, and may be repeated", self.removes),
        ]
        if self._durable:
            rules.append(("what write has stored outlives the sink, which can be re-opened", self.reopens))
        rules.append(("aclose may be called twice", self.closes))
        return [*rules, ("what was stored is there after aclose", self.compare)]

    @asynccontextmanager
    async def naming(self, rule: str) -> AsyncIterator[None]:
        """Whatever goes wrong inside breaks `rule`."""
        broken = f"{type(self.sink).__name__} breaks the rule that {rule}"
        try:
            yield
        except AssertionError as error:
            raise AssertionError(f"{broken}: {error}") from error
        except Exception as error:
            raise AssertionError(f"{broken}: it raised {type(error).__name__}: {error}") from error

    async def tells_durability(self) -> None:
        """The attribute, True when it is missing, says what was expected."""
        told = getattr(self.sink, "durable", True)
        _require(told is self._durable, f"it says {told!r}, and {self._durable} was expected")

    async def takes_nothing(self) -> None:
        """An empty batch raises nothing and stores nothing."""
        await self.write()

    async def stores(self) -> None:
        """Pictures in memory."""
        await self.write(self.sample("first"), self.sample("second"))

    async def stores_unlabelled(self) -> None:
        """No class: the sink finds a place of its own."""
        await self.write(self.sample("000000007", label=None))

    async def stores_equals(self) -> None:
        """The name is what tells samples apart, not the bytes."""
        await self.write(self.sample("one", looks="equal"), self.sample("other", looks="equal"))

    async def stores_file(self) -> None:
        """A picture in a file that is not the sink's to move or change."""
        whole = self.sample("on_disk")
        sample = await self.in_file(whole, temporary=False)
        await self.write(sample)
        _require(await sample.read() == whole.data, "the file has changed")

    async def stores_temporary_file(self) -> None:
        """A picture in a file that the sink may move."""
        await self.write(await self.in_file(self.sample("spooled"), temporary=True))

    async def writes_again(self) -> None:
        """The same samples, fetched once more after a crash."""
        await self.write(*(await self.all_again()))

    async def takes_repeats(self) -> None:
        """A new sample twice in one batch, which happens when a list is sloppy."""
        sample = self.sample("twin")
        await self.write(sample, sample)

    async def removes(self) -> None:
        """Two samples, one of which was never there, twice; then the other may come back."""
        if not can_remove(self.sink):
            return
        first, unknown = self.sample("first"), self.sample("never_written")
        self._pictures.pop(first.name)
        for _ in range(2):
            await remove_from(self.sink, (first, unknown))
            await self.compare_if_visible()
        await self.write(first)

    async def reopens(self) -> None:
        """A new sink finds the samples, takes them again and takes others."""
        await close_sink(self.sink)
        await self.open()
        await self.compare()
        await self.write(*(await self.all_again()), self.sample("after_reopening"))

    async def closes(self) -> None:
        """Closing what is closed raises nothing."""
        await close_sink(self.sink)
        await close_sink(self.sink)

    async def write(self, *batch: Sample) -> None:
        """Have the sink write `batch`, and look at what it returns and at what is stored then."""
        for entry in await write_to(self.sink, batch):
            _require(not isinstance(entry, Failure), f"a good sample became {entry!r}")
            path = PurePosixPath(str(entry or "."))
            _require(not path.is_absolute() and ".." not in path.parts, f"the path {entry!r} leads out of it")
        self._pictures.update({sample.name: self._samples[sample.name].data for sample in batch})
        await self.compare_if_visible()

    async def compare_if_visible(self) -> None:
        """Compare, if what was written has to be readable already."""
        if self._durable:
            await self.compare()

    async def compare(self) -> None:
        """The destination holds exactly what it should."""
        if self._stored is None:
            return
        found = dict(await in_thread(self._stored))
        missing = sorted(self._pictures.keys() - found)
        surplus = sorted(found.keys() - self._pictures)
        changed = sorted(name for name, data in self._pictures.items() if name in found and found[name] != data)
        _require(not missing, f"{', '.join(missing)} cannot be found")
        _require(not surplus, f"{', '.join(surplus)} should not be there")
        _require(not changed, f"{', '.join(changed)} has other bytes than were written")

    def sample(self, name: str, *, label: str | None = "n01440764", looks: str | None = None) -> Sample:
        """The sample of that name, the same every time; its picture is drawn after `looks`, by default its name."""
        if name not in self._samples:
            data = picture(size=(16, 16), seed=zlib.crc32((looks or name).encode()))
            ordinal = len(self._samples)
            self._samples[name] = Sample(
                Request(f"http://images.example/{name}.jpg", name, label), ordinal, name, label, "jpeg",
                data=data, width=16, height=16, mode="RGB", bytes=len(data), sha256=hashlib.sha256(data).hexdigest(),
            )  # fmt: skip
        return self._samples[name]

    async def in_file(self, sample: Sample, *, temporary: bool) -> Sample:
        """`sample` with its bytes in a file of our own."""
        assert sample.data is not None
        path = self._folder / f"{sample.name}-{temporary}"
        await in_thread(path.write_bytes, sample.data)
        return replace(sample, data=None, path=path, temporary=temporary)

    async def all_again(self) -> list[Sample]:
        """Everything that was written so far, in the form it had then."""
        forms = {"on_disk": False, "spooled": True}
        samples = [self._samples[name] for name in self._pictures]
        return [
            await self.in_file(sample, temporary=forms[sample.name]) if sample.name in forms else sample
            for sample in samples
        ]


@asynccontextmanager
async def _folder() -> AsyncIterator[Path]:
    made = await in_thread(tempfile.TemporaryDirectory)
    try:
        yield Path(made.name)
    finally:
        await in_thread(made.cleanup)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)
