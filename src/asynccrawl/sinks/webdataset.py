"""Shards of a WebDataset: tar archives of `key.jpg`, `key.cls`, `key.json`. Its reader is `webdataset_reader`."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..models import Failure, Reason, Sample
from ..threads import in_thread
from .checking import stored_bytes
from .labels import Labels
from .layout import Refused, check_part, extension_of
from .shard import ShardBounds, drop_from, recover
from .shelf import Shelf, names_in, shards_in
from .tar import key_of, packed
from .trouble import patiently, storage_error


class WebDatasetSink:
    """Stores samples in `000000.tar`, `000001.tar` ... under `dest`; those with a split in `train-000000.tar` ...

    Each sample is `key.jpg` (its bytes, under its format's extension), `key.cls` (its label's line in `labels.txt`,
    from 0; none without a label) and `key.json` (name, label, URL, size, SHA-256, and `extra`, the list's other
    columns). The key is the name; dots in it become `_`, and a digest is added then. Equal samples in equal order
    give equal bytes.

    labels: the labels in their order; a sample with another one is refused then (label_not_wanted). Without them each
    gets the next number when it is first met, and keeps it. known: labels that are numbered first, but need not be
    all. bounds: how large a shard may become.

    A crash loses nothing that `write` has stored: the shard in the making, a hidden file, is published by the next
    sink on `dest`, which goes on in a new one. `sync`: whether each batch is brought to the disk itself before `write`
    returns, so that a power cut loses none either. What is stored already is not stored twice; under a name that is
    taken by another picture it replaces that one. `remove` writes the shards anew that held what it takes back.

    In memory are eight bytes a sample, hashes of the keys. Only one sink at a time may write to `dest`.
    """

    durable = True

    def __init__(
        self,
        dest: str | os.PathLike[str],
        labels: Sequence[str] | None = None,
        *,
        known: Sequence[str] | None = None,
        bounds: ShardBounds = ShardBounds(),  # noqa: B008 -- frozen
        sync: bool = False,
    ) -> None:
        self._dest = Path(dest).absolute()
        self._wanted = (labels, known)
        self._bounds = bounds
        self._sync = sync
        self._lock = threading.Lock()
        self._shelf: Shelf | None = None
        self._settled = False
        self._broken: OSError | None = None

    def __repr__(self) -> str:
        return f"WebDatasetSink({str(self._dest)!r})"

    async def write(self, batch: Sequence[Sample]) -> list[str | Failure]:
        """Store every sample; returns `000000.tar/key.jpg` for each, or its Failure. Raises StorageError."""
        return await in_thread(self._guarded, self._write, batch)

    async def remove(self, batch: Sequence[Sample]) -> None:
        """Take `batch` out of the shards. Idempotent. Raises StorageError."""
        await in_thread(self._guarded, self._remove, batch)

    async def read(self, path: str) -> bytes | None:
        """The content of the picture `path` (`000000.tar/key.jpg`) in a shard that is whole; None where there is none.

        Raises StorageError.
        """
        return await in_thread(self._read, path)

    async def last_stored(self) -> dict[str, str]:
        """What was stored last before this sink was made, and maybe not told: `000000.tar/key.jpg` and its name.

        Called before the first write. Raises StorageError.
        """
        return await in_thread(self._guarded, self._last_stored, ())

    async def take_out(self, paths: Sequence[str]) -> None:
        """Take single pictures out, by the paths of `last_stored`; before the first write. Raises StorageError."""
        await in_thread(self._guarded, self._take_out, paths)

    async def aclose(self) -> None:
        """Publish the shards in the making, also those of an earlier process. May be called twice."""
        await in_thread(self._guarded, self._close, ())

    def _guarded(self, work: Any, batch: Sequence[Any]) -> Any:
        with self._lock:
            if self._broken is not None:
                if work == self._close:
                    return None
                raise storage_error(self._dest, self._broken)
            try:
                return patiently(lambda: work(batch))
            except OSError as error:
                raise storage_error(Path(error.filename or self._dest), error) from error

    def _read(self, path: str) -> bytes | None:
        try:
            return stored_bytes(self._dest, path)
        except OSError as error:
            raise storage_error(self._dest / path, error) from error

    def _write(self, batch: Sequence[Sample]) -> list[str | Failure]:
        if not batch:
            return []
        shelf = self._opened()
        try:
            return [self._store(shelf, sample) for sample in batch]
        finally:
            self._flush(shelf)

    def _flush(self, shelf: Shelf) -> None:
        """Never tried again once it has failed: the kernel may have dropped what it could not write.

        What is in the making stays so; the next sink looks at each of its samples before it publishes them.
        """
        try:
            shelf.flush()
        except OSError as error:
            self._broken, self._shelf = error, None
            shelf.abandon()
            raise

    def _opened(self) -> Shelf:
        """The shards, made ready by the first write: only then has a crawl locked the destination."""
        if self._shelf is None:
            self._dest.mkdir(parents=True, exist_ok=True)
            self._settle()
            labels, known = self._wanted
            numbers = Labels(self._dest, known if labels is None else labels, fixed=labels is not None)
            self._shelf = Shelf(self._dest, numbers, self._bounds, sync=self._sync)
        return self._shelf

    def _store(self, shelf: Shelf, sample: Sample) -> str | Failure:
        try:
            data = sample.path.read_bytes() if sample.data is None and sample.path else sample.data or b""
        except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
            text = f"{sample.path} is no file that can be read: {error.strerror}"
            return Failure.instead(sample, Reason.INTERNAL, text, retryable=sample.temporary)
        try:
            for part in (sample.name, *([] if sample.split is None else [sample.split])):
                check_part(part)
        except Refused as refused:
            return Failure.instead(sample, refused.reason, refused.detail)
        number = None if sample.label is None else shelf.labels.number(sample.label)
        if sample.label is not None and number is None:
            return Failure.instead(sample, Reason.LABEL_NOT_WANTED, f"{sample.label} is none of the labels")
        key, sha256 = key_of(sample.name), hashlib.sha256(data).hexdigest()
        shard = shelf.standing(key, sha256)
        if shard is None:
            members = [(extension_of(sample.format), data), ("json", _dumped(_facts(sample, len(data), sha256)))]
            if number is not None:
                members.insert(1, ("cls", str(number).encode()))
            shard = shelf.append(sample.split, key, packed(key, members))
        return f"{shard}/{key}.{extension_of(sample.format)}"

    def _remove(self, batch: Sequence[Sample]) -> None:
        if batch and self._dest.is_dir():
            self._opened().drop({key_of(sample.name) for sample in batch})

    def _close(self, _: Sequence[Sample]) -> None:
        if self._shelf is not None:
            self._shelf.publish()
            self._shelf = None
        elif self._dest.is_dir():
            self._settle()

    def _last_stored(self, _: Sequence[Sample]) -> dict[str, str]:
        if not self._dest.is_dir():
            return {}
        before = set(shards_in(self._dest)[:-1])  # a batch is smaller than a shard: what is further back was told
        self._settle()
        found: dict[str, str] = {}
        for path in shards_in(self._dest):
            if path not in before:
                found |= names_in(path)
        return found

    def _take_out(self, paths: Sequence[str]) -> None:
        keys: dict[str, set[str]] = {}
        for shard, _, file in (path.partition("/") for path in paths):
            keys.setdefault(shard, set()).add(file.partition(".")[0])
        for shard, some in keys.items():
            drop_from(self._dest / shard, some)

    def _settle(self) -> None:
        if not self._settled:
            recover(self._dest)
            self._settled = True


def _dumped(facts: dict[str, Any]) -> bytes:
    try:
        return json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(facts, separators=(",", ":")).encode()  # half a character needs an escape


def _facts(sample: Sample, size: int, sha256: str) -> dict[str, Any]:
    request = sample.request
    return {
        "name": sample.name, "key": request.key, "label": sample.label, "url": request.url,
        "width": sample.width, "height": sample.height, "mode": sample.mode, "format": sample.format,
        "bytes": size, "sha256": sha256, "extra": dict(request.extra) if request.extra else None,
    }  # fmt: skip
