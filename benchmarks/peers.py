"""The programs that throughput.py compares: how each is started, and how to install it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

Words = list[str]


@dataclass(frozen=True)
class Peer:
    """One row of the table. `words(urls, scratch, dest)` gives the command; what it needs written goes to scratch."""

    name: str
    checks: str
    words: Callable[[Sequence[str], Path, Path], Words]
    program: str | None
    install: str = ""

    @property
    def missing(self) -> bool:
        """Whether the program is not here."""
        return self.program is None


def peers() -> list[Peer]:
    """All rows, ours first."""
    img2dataset = found("img2dataset", os.environ.get("IMG2DATASET"))
    aria2c, curl = shutil.which("aria2c"), shutil.which("curl")
    pip = "pip install -r benchmarks/requirements.txt, or IMG2DATASET=/path/to/img2dataset"
    return [
        Peer("asynccrawl", "decoded in full", _ours("full"), sys.executable),
        Peer("asynccrawl --decode none", "type and end", _ours("none"), sys.executable),
        Peer("img2dataset", "decoded in full", _img2dataset(img2dataset, decode=True), img2dataset, pip),
        Peer("img2dataset, no decode", "nothing", _img2dataset(img2dataset, decode=False), img2dataset, pip),
        Peer("aria2c -j100", "nothing", _aria2c(aria2c), aria2c, "apt install aria2"),
        Peer("curl --parallel", "nothing", _curl(curl), curl, "apt install curl"),
    ]


def found(name: str, given: str | None) -> str | None:
    """Where a program is: as `given`, else beside this Python, else on PATH, else nowhere. Exits where it is not."""
    if given and shutil.which(given) is None:
        raise SystemExit(f"{name.upper()}={given}: there is no such program; give the path of {name}")
    beside = Path(sys.executable).parent / name
    return given or (str(beside) if beside.exists() else shutil.which(name))


def written(scratch: Path, name: str, lines: Sequence[str]) -> str:
    """The path of a new file of these lines."""
    path = scratch / name
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def _ours(decode: str) -> Callable[[Sequence[str], Path, Path], Words]:
    def words(urls: Sequence[str], scratch: Path, dest: Path) -> Words:
        listed = written(scratch, "ours.txt", [f"n{n // 100:08d}_{n} {url}" for n, url in enumerate(urls)])
        flags = ["--jobs", "100", "--retry", "3", "--allow-net", "127.0.0.0/8", "--msg", "60", "--decode", decode]
        return [sys.executable, "-m", "asynccrawl", "crawl", listed, str(dest), *flags]

    return words


def _img2dataset(program: str | None, *, decode: bool) -> Callable[[Sequence[str], Path, Path], Words]:
    def words(urls: Sequence[str], scratch: Path, dest: Path) -> Words:
        listed = written(scratch, "img2dataset.txt", urls)
        flags = {
            "url_list": listed, "output_folder": dest, "output_format": "files", "processes_count": 2,
            "thread_count": 64, "number_sample_per_shard": max(1, len(urls) // 4), "retries": 3, "timeout": 60,
            "resize_mode": "no", "skip_reencode": True, "disable_all_reencoding": not decode, "enable_wandb": False,
        }  # fmt: skip
        return [program or "", *(f"--{flag}={value}" for flag, value in flags.items())]

    return words


def _aria2c(program: str | None) -> Callable[[Sequence[str], Path, Path], Words]:
    def words(urls: Sequence[str], scratch: Path, dest: Path) -> Words:
        listed = written(scratch, "aria2.txt", [f"{url}\n  out={n:06d}.jpg" for n, url in enumerate(urls)])
        return [
            program or "", "-q", "-i", listed, "-d", str(dest), "-j100", "-x1", "-s1", "--file-allocation=none",
            "--max-tries=4", "--auto-file-renaming=false",
        ]  # fmt: skip

    return words


def _curl(program: str | None) -> Callable[[Sequence[str], Path, Path], Words]:
    def words(urls: Sequence[str], scratch: Path, dest: Path) -> Words:
        pairs = [f'url = "{url}"\noutput = "{dest}/{n:06d}.jpg"' for n, url in enumerate(urls)]
        config = written(scratch, "curl.txt", pairs)
        flags = ["--parallel", "--parallel-max", "100", "--retry", "3", "-s", "-f", "--create-dirs"]
        return [program or "", *flags, "-K", config]

    return words
