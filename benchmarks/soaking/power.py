"""The power cut, on an ext4 of its own in a loop-mounted image, at random instants of a crawl.

A cut is the shutdown call of ext4 (EXT4_IOC_SHUTDOWN without flushing the log), by which file systems are tested: from
that instant nothing more reaches the device. What was not written is lost: data, names, journal. The image is then
mounted anew, so that the journal is replayed as after a real cut. A kernel may write what it likes before: at every
second cut the ledger's files are brought to the device just before, and nothing else is, which is the worst order.
What a drive keeps in a cache of its own, and loses, is not part of it; syncfs(2) and fsync(2) flush that.

After each cut every saved row without a mark must have its file, whole. Then the next crawl goes on, and at the end
tree and manifest are as if nothing had happened. As a control the same is done with `--durability process`, which
promises nothing after a power cut: there the check has to find what is missing.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import math
import os
import random
import shutil
import sqlite3
import struct
import subprocess
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from asynccrawl.ledger import FILE_NAME
from asynccrawl.sinks import Finding, check_file

from .world import OPEN, Broken, Site, Task, Unable, check_agreed, command, kill, started, tree

RECORDS, HOSTS = 6_000, 20
LONGEST = 9.0  # seconds until a cut
IMAGE_BYTES = 256 * 2**20
AGAIN = 1_000 + 400
"""Pictures that one cut may cost: those of a checkpoint, and what was on its way."""
_SHUTDOWN, _NO_LOG_FLUSH = (
    0x8004587D,
    2,
)  # EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH of the kernel's fs/ext4/ext4.h
_NEW_MOUNT_NAMESPACE = 0x20000  # CLONE_NEWNS of linux/sched.h
_MANNERS = ("commit=1", "commit=5", "commit=1,data=writeback", "commit=5,data=writeback")
_NEEDED = ("mkfs.ext4", "losetup", "mount", "umount")


def run(given: Namespace, room: Path) -> str:
    """`given.cuts` cuts, and the control. Returns what to print. Raises Broken and Unable."""
    if os.geteuid() or (missing := [tool for tool in _NEEDED if _tool(tool) is None]):
        raise Unable(f"it takes root{'' if os.geteuid() else ' and ' + ', '.join(missing)}")
    _keep_mounts_to_ourselves()
    records, cuts = (700, 2) if given.quick else (RECORDS, given.cuts)
    longest, rng, began = (2.0 if given.quick else LONGEST), random.Random(given.seed), time.monotonic()
    with Site(scenario="faults", hosts=HOSTS, records=records, seed=given.seed, share=0.0) as site:
        task = Task(site, records)
        task.write(room / "list")
        wanted = task.wanted()
        told = Told()
        while told.cuts < cuts:
            with _mounted(room, rng.choice(_MANNERS)) as disk:
                _Life(room, disk, site, wanted, told, "checkpoint").live(rng, cuts - told.cuts, longest)
        seconds = time.monotonic() - began
        control = Told()
        while not control.lies and control.cuts < (60 if given.quick else max(10, cuts)):
            with _mounted(room, "commit=1") as disk:
                _Life(room, disk, site, wanted, control, "process").live(rng, 1, longest)
    if not control.lies:
        raise Broken(f"the control found nothing in {control.cuts} cuts: this check cannot fail here")
    return (
        f"power: {told.cuts} cuts in {seconds:.0f} s: all {told.unmarked:,} unmarked rows that were found had their "
        f"file, whole; of {told.marked:,} marked ones {told.taken:,} had lost theirs; at most {told.again} pictures a "
        f"cut were fetched again; each crawl then ended as if uncut. Control (--durability process): {control.lies:,} "
        f"of {control.unmarked:,} rows were lies after {control.cuts} cuts"
    )


def _keep_mounts_to_ourselves() -> None:
    """In a mount namespace that somebody else makes meanwhile, a copy of our mount would keep the file system alive."""
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_MOUNT_NAMESPACE):
        raise Unable(f"unshare: {os.strerror(ctypes.get_errno())}")
    _call("mount", "--make-rprivate", "/")


@dataclass
class Told:
    """What was found after the cuts."""

    cuts: int = 0
    unmarked: int = 0
    marked: int = 0
    taken: int = 0
    lies: int = 0
    again: int = 0
    whole: float = math.inf  # seconds that a crawl took which came to its end before the cut
    examples: list[str] = field(default_factory=list)


@dataclass
class _Disk:
    """A loop device, and where its file system is mounted. The device stays: a second one would have its own cache."""

    device: str
    at: Path
    manner: str

    def mount(self) -> None:
        _call("mount", "-t", "ext4", "-o", self.manner, self.device, str(self.at))

    def unmount(self) -> None:
        """Unmount, once the kernel has let go of what a killed process had open."""
        for _ in range(100):
            if subprocess.run(["umount", str(self.at)], capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.1)
        _call("umount", str(self.at))

    def cut(self) -> None:
        """From now on nothing reaches the image."""
        descriptor = os.open(self.at, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _mounted(room: Path, manner: str) -> Iterator[_Disk]:
    """A new file system."""
    image = room / "image"
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    _call("mkfs.ext4", "-q", "-F", str(image))
    disk = _Disk(_call("losetup", "-f", "--show", str(image)).strip(), room / "disk", manner)
    disk.at.mkdir(exist_ok=True)
    try:
        disk.mount()
        try:
            yield disk
        finally:
            disk.unmount()
    finally:
        _call("losetup", "-d", disk.device)


def _call(*words: str) -> str:
    shown = subprocess.run([_tool(words[0]) or words[0], *words[1:]], capture_output=True, text=True, check=False)
    if shown.returncode:
        raise Unable(f"{' '.join(words)}: {shown.stderr.strip()}")
    return shown.stdout


def _tool(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


@dataclass
class _Life:
    """One destination, from its first crawl to the end."""

    room: Path
    disk: _Disk
    site: Site
    wanted: dict[str, bytes]
    told: Told
    durability: str
    fetched: set[str] = field(default_factory=set)
    ledger_first: bool = False

    def live(self, rng: random.Random, cuts: int, longest: float) -> None:
        """Cut until a crawl ends by itself, or often enough; then let it end."""
        self.site.asked()
        for _ in range(cuts):
            self.ledger_first = self.durability == "process" or not self.ledger_first
            if self._crawl(rng.uniform(0.4, max(0.5, min(longest, self.told.whole)))):
                break
            self._look()
        else:
            if self.durability == "process":
                return
            self._crawl(None)
        self._fetched_again()
        for path in [path for path in tree(self._dest) if ".invalid" in path]:
            (self._dest / path).unlink()  # what a cut has torn is set aside, not removed
        if self.durability != "process":
            check_agreed(self._dest, self.wanted, "after the last crawl")

    @property
    def _dest(self) -> Path:
        return self.disk.at / "dest"

    def _crawl(self, seconds: float | None) -> bool:
        """One run, until the power is cut after so many seconds; whether it came to its end before."""
        words = command("crawl", self.room / "list", self._dest, *OPEN, "--msg", 60, "--durability", self.durability)
        with started(words, self.room / "log") as process:
            began = time.monotonic()
            until = began + (seconds if seconds is not None else 600.0)
            while process.poll() is None and time.monotonic() < until:
                time.sleep(0.001)
            ended = process.poll()
            if ended is None:
                if self.ledger_first:
                    self._sync_ledger()
                self.disk.cut()
                kill(process)
        if ended is None:
            self.disk.unmount()
            self.disk.mount()
            self.told.cuts += 1
            self._fetched_again()
        elif seconds is not None:
            self.told.whole = time.monotonic() - began
        if ended:
            raise Broken(f"a crawl ended with {ended}: {(self.room / 'log').read_text(errors='replace')[-2000:]}")
        return ended is not None

    def _sync_ledger(self) -> None:
        for path in self._dest.glob(f"{FILE_NAME}*"):
            with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
                os.fsync(file.fileno())

    def _look(self) -> None:
        """Every saved row, against its file."""
        if not (self._dest / FILE_NAME).exists():
            return
        with closing(sqlite3.connect(self._dest / FILE_NAME)) as db:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'unsynced'").fetchone():
                return
            sql = "SELECT path, bytes, sha256, id IN (SELECT record FROM unsynced) FROM records WHERE status = 'saved'"
            for path, size, sha256, marked in db.execute(sql).fetchall():
                wrong = check_file(self._dest, path, size, sha256) is not Finding.SAME
                if marked:
                    self.told.marked += 1
                    self.told.taken += wrong
                    continue
                self.told.unmarked += 1
                self.told.lies += wrong
                if wrong and self.durability != "process":
                    raise Broken(f"after cut {self.told.cuts} ({self.disk.manner}) a row without a mark lies: {path}")

    def _fetched_again(self) -> None:
        asked = set(self.site.asked())
        again = len(asked & self.fetched)
        self.fetched |= asked
        self.told.again = max(self.told.again, again)
        if again > AGAIN and self.durability != "process":
            raise Broken(f"after cut {self.told.cuts} {again} pictures were fetched again; the bound is {AGAIN}")
