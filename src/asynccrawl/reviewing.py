"""What a person decides about placeholders: look at them, have their copies back, or refuse what the rule has kept."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import SettingsError, StorageError
from .ledger import FILE_NAME, REPEATED, Contents, Ledger, Lock, content_of, reading
from .ledger import placeholders as _placeholders
from .ledger import repeated as _repeated
from .models import Placeholder
from .recorder import Recorder, described
from .screening import Screening
from .settings import ImagePolicy
from .sinks import DirectorySink, Sink, WebDatasetSink, close_sink, in_shard, read_from
from .threads import obtained

LEAST_DIGITS = 4
"""Hex digits of a hash that have to be given at least; as many as tell it from others."""
Dest = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Repeated:
    """A content that many saved pictures have, and that is not told for a placeholder. `url` is an example."""

    sha256: str
    copies: int
    url: str
    path: str | None


def placeholders(dest: Dest) -> list[Placeholder]:
    """The placeholders of `dest`, those with the most copies first; also while a crawl runs.

    Those that a person wants kept (`good`) are among them. Raises StorageError where there is no ledger.
    """
    with reading(Path(dest) / FILE_NAME) as connection:
        return _placeholders(connection)


def repeated(dest: Dest, least: int = REPEATED, most: int = 20) -> list[Repeated]:
    """The `most` contents that are saved most often, `least` times or more, and that nobody has judged.

    Raises StorageError where there is no ledger.
    """
    with reading(Path(dest) / FILE_NAME) as connection:
        found = []
        for sha256, copies in _repeated(connection, least)[:most]:
            sql = "SELECT url, path FROM records WHERE sha256=? ORDER BY id LIMIT 1"
            found.append(Repeated(sha256, copies, *connection.execute(sql, (sha256,)).fetchone()))
        return found


def copy_of(dest: Dest, sha256: str) -> bytes:
    """The bytes of a placeholder; `sha256` may be cut short. Raises SettingsError for one that is not there."""
    one = _chosen(placeholders(dest), sha256)
    with reading(Path(dest) / FILE_NAME) as connection:
        data = content_of(connection, one.sha256)
    if not data:
        raise StorageError(f"{dest}: the ledger has no copy of {one.sha256}")
    return data


async def restore(dest: Dest, sha256: str, *, sink: Sink | None = None) -> int:
    """Write all copies of a placeholder again, each under its own name; returns how many.

    The verdict is remembered: neither this nor a later run takes that content for a placeholder again. `sha256` may be
    cut short. sink: where the crawl's pictures went, if not to class directories; it is closed. Stopped half way, the
    next crawl goes on with it. Raises SettingsError for a placeholder that is not there, StorageError, DestinationBusy.
    """
    async with _opened(dest, sink) as (contents, recorder, _):
        one = _chosen(await contents.placeholders(), sha256)
        await contents.acquit(one.sha256)
        return await recorder.retractions.restore()


async def refuse(dest: Dest, sha256: str, *, sink: Sink | None = None) -> int:
    """Take a saved content for a placeholder: its copies are taken back; returns in how many records it came.

    One copy stays in the ledger, for `restore`. Later runs refuse the content, unless placeholders are `off`.
    Arguments and errors are those of `restore`.
    """
    async with _opened(dest, sink) as (contents, recorder, store):
        chosen = await _saved(contents, dest, sha256)
        example = await contents.example(chosen)
        assert example is not None
        data = await contents.content_of(chosen)
        if data is None and example.path is not None:
            data = await read_from(store, example.path, chosen)
        if data is None:
            raise StorageError(f"{dest}: no copy of {chosen} can be read back, so it could not be restored either")
        one = described(Placeholder(chosen, "person", "refused by a person", example.url), example)
        await recorder.retractions.recognise(one, data)
        counted = {one.sha256: one.copies + one.suspect for one in await contents.placeholders()}
        return counted[chosen]


@asynccontextmanager
async def _opened(dest: Dest, sink: Sink | None) -> AsyncIterator[tuple[Contents, Recorder, Sink]]:
    """The ledger and the sink of a crawl that is not running. What it had begun to take back is finished first."""
    root = Path(dest).absolute()
    if not await asyncio.to_thread((root / FILE_NAME).is_file):
        raise StorageError(f"{dest}: there is no ledger here ({FILE_NAME}); has a crawl written to it?")
    async with AsyncExitStack() as stack:
        lock = await obtained(Lock, root, give_back=Lock.release)
        stack.callback(lock.release)
        ledger = await Ledger.open(root / FILE_NAME, None, durability="file")
        stack.push_async_callback(ledger.aclose)
        store = sink if sink is not None else _own_sink(root, await ledger.saved_path())
        stack.push_async_callback(close_sink, store)
        recorder = Recorder(Screening(ImagePolicy(), ()), store, ledger)
        await recorder.retractions.carry_out(again=True)
        yield Contents(ledger), recorder, store


def _own_sink(root: Path, path: str | None) -> Sink:
    """What wrote the pictures of a crawl, by the path of one."""
    return WebDatasetSink(root, sync=True) if path is not None and in_shard(path) else DirectorySink(root, sync=True)


def _chosen(known: list[Placeholder], sha256: str) -> Placeholder:
    """The one placeholder whose hash begins like that. Raises SettingsError."""
    found = [one for one in known if one.sha256.startswith(_checked(sha256))]
    if len(found) != 1:
        what = "no placeholder has" if not found else f"{len(found)} placeholders have"
        raise SettingsError(f"{what} a SHA-256 that begins with {sha256}; `asynccrawl placeholders DEST` lists them")
    return found[0]


async def _saved(contents: Contents, dest: Dest, sha256: str) -> str:
    """The one saved content whose hash begins like that. Raises SettingsError."""
    found = await contents.beginning(_checked(sha256), 2)
    if len(found) != 1:
        what = "no saved picture has" if not found else "more than one content has"
        raise SettingsError(f"{dest}: {what} a SHA-256 that begins with {sha256}")
    return found[0]


def _checked(sha256: str) -> str:
    digits = sha256.strip().lower()
    if not LEAST_DIGITS <= len(digits) <= 64 or not set(digits) <= set("0123456789abcdef"):
        raise SettingsError(f"{sha256!r:.80} is no SHA-256; give its first {LEAST_DIGITS} hex digits, or more")
    return digits
