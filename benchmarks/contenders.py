"""The programs that are set before a faulty server: how each is started under limits, and where it puts pictures."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from peers import Words, found, written

SPIDER = Path(__file__).parent / "scrapy_images.py"


@dataclass(frozen=True)
class Limits:
    """What every program is held to, where it can be: in flight in all and on a host, more tries, seconds a try."""

    jobs: int = 100
    per_host: int = 8
    retries: int = 3
    timeout: int = 10
    wait: int = 1  # aria2c's own pause between tries; it tries again after a 503 only with one


@dataclass(frozen=True)
class Task:
    """One download: what, where to, and under which limits. `room` takes what the program needs written."""

    urls: Sequence[str]
    room: Path
    limits: Limits
    nameserver: str | None = None

    @property
    def dest(self) -> Path:
        """Where the pictures go."""
        return self.room / "out"


@dataclass(frozen=True)
class Contender:
    """One row of a table. `words` gives the command, `files` the file of each URL that has one."""

    name: str
    words: Callable[[Task], Words]
    files: Callable[[Task], dict[str, Path]]
    program: str | None
    install: str = ""
    version: Words | None = None
    by_name: bool = False

    @property
    def missing(self) -> bool:
        """Whether the program is not here."""
        return self.program is None

    def said(self) -> str:
        """The version that the program says it has."""
        try:
            shown = subprocess.run(self.version or [], capture_output=True, text=True, check=False).stdout
        except OSError:  # there is no Python beside the program
            shown = ""
        return next(iter(shown.splitlines()), f"{self.name} of unknown version").strip()


def contenders(*, by_name: bool = False) -> list[Contender]:
    """All rows, ours first: with `by_name` twice, where hosts have names that a name server tells, and without."""
    img2dataset, scrapy = found("img2dataset", os.environ.get("IMG2DATASET")), found("scrapy", os.environ.get("SCRAPY"))
    aria2c = shutil.which("aria2c")
    pip = "pip install -r benchmarks/requirements.txt, or {}=/path/to/{}"
    us = [sys.executable, "-c", "import asynccrawl; print('asynccrawl', asynccrawl.__version__)"]
    code = "import importlib.metadata as m; print('img2dataset', m.version('img2dataset'))"
    named = [Contender("asynccrawl, by name", _ours, _our_files, sys.executable, version=us, by_name=True)]
    return [
        *(named if by_name else []),
        Contender("asynccrawl", _ours, _our_files, sys.executable, version=us),
        Contender(
            "img2dataset", _img2dataset(img2dataset), _img2dataset_files, img2dataset,
            pip.format("IMG2DATASET", "img2dataset"), [str(Path(img2dataset or "").parent / "python"), "-c", code],
        ),
        Contender(
            "Scrapy", _scrapy(scrapy), _scrapy_files, scrapy, pip.format("SCRAPY", "scrapy"), [scrapy or "", "version"]
        ),
        Contender("aria2c", _aria2c(aria2c), _aria2c_files, aria2c, "apt install aria2", [aria2c or "", "--version"]),
    ]  # fmt: skip


def _ours(task: Task) -> Words:
    listed = written(task.room, "list.txt", [f"n{n // 100:08d}_{n} {url}" for n, url in enumerate(task.urls)])
    flags = ["--jobs", task.limits.jobs, "--per-host", task.limits.per_host, "--retry", task.limits.retries]
    flags += ["--timeout", task.limits.timeout, "--allow-net", "127.0.0.0/8", "--msg", 60]
    flags += ["--nameserver", task.nameserver] if task.nameserver else []
    return [sys.executable, "-m", "asynccrawl", "crawl", listed, str(task.dest), *map(str, flags)]


def _our_files(task: Task) -> dict[str, Path]:
    words = [sys.executable, "-m", "asynccrawl", "manifest", str(task.dest)]
    shown = subprocess.run(words, capture_output=True, text=True, check=False)
    rows = map(json.loads, shown.stdout.splitlines())
    return {row["url"]: task.dest / row["path"] for row in rows if row["status"] == "saved"}


def _img2dataset(program: str | None) -> Callable[[Task], Words]:
    def words(task: Task) -> Words:
        flags = {
            "url_list": written(task.room, "list.txt", task.urls), "output_folder": task.dest, "output_format": "files",
            "processes_count": 2, "thread_count": task.limits.jobs // 2, "retries": task.limits.retries,
            "number_sample_per_shard": max(1, len(task.urls) // 4), "timeout": task.limits.timeout,
            "resize_mode": "no", "skip_reencode": True, "enable_wandb": False,
        }  # fmt: skip
        return [program or "", *(f"--{flag}={value}" for flag, value in flags.items())]

    return words


def _img2dataset_files(task: Task) -> dict[str, Path]:
    # Its keys are the number of the shard, and behind it the place in the shard in as many digits as all places need.
    size = max(1, len(task.urls) // 4)
    tens = 10 ** math.ceil(math.log10(size))
    there = {}
    for path in task.dest.glob("*/*.jpg"):
        beside = path.with_suffix(".json")
        if beside.is_file():
            there[json.loads(beside.read_text())["url"]] = path
        else:  # stopped in between
            shard, place = divmod(int(path.stem), tens)
            there[task.urls[shard * size + place]] = path
    return there


def _scrapy(program: str | None) -> Callable[[Task], Words]:
    def words(task: Task) -> Words:
        settings = {
            "IMAGES_STORE": task.dest, "CONCURRENT_REQUESTS": task.limits.jobs, "RETRY_TIMES": task.limits.retries,
            "CONCURRENT_ITEMS": task.limits.jobs,
            "CONCURRENT_REQUESTS_PER_DOMAIN": task.limits.per_host, "DOWNLOAD_TIMEOUT": task.limits.timeout,
            "DOWNLOAD_DELAY": 0,
        }  # fmt: skip
        task.dest.mkdir(parents=True, exist_ok=True)
        listed = written(task.room, "list.txt", task.urls)
        flags = [word for name, value in settings.items() for word in ("-s", f"{name}={value}")]
        return [program or "", "runspider", str(SPIDER), "-a", f"listed={listed}", *flags]

    return words


def _scrapy_files(task: Task) -> dict[str, Path]:
    paths = {url: task.dest / "full" / f"{hashlib.sha1(url.encode()).hexdigest()}.jpg" for url in task.urls}
    return {url: path for url, path in paths.items() if path.is_file()}


def _aria2c(program: str | None) -> Callable[[Task], Words]:
    def words(task: Task) -> Words:
        listed = written(task.room, "list.txt", [f"{url}\n  out={n:06d}.jpg" for n, url in enumerate(task.urls)])
        limits = task.limits
        return [
            program or "", "-q", "-i", listed, "-d", str(task.dest), f"-j{limits.jobs}", "-s1",
            f"--max-connection-per-server={min(16, limits.per_host)}", f"--timeout={limits.timeout}",
            f"--connect-timeout={limits.timeout}", f"--max-tries={limits.retries + 1}", f"--retry-wait={limits.wait}",
            "--file-allocation=none", "--auto-file-renaming=false",
        ]  # fmt: skip

    return words


def _aria2c_files(task: Task) -> dict[str, Path]:
    # A file with a control file beside it is one that aria2c itself holds for unfinished.
    paths = {url: task.dest / f"{n:06d}.jpg" for n, url in enumerate(task.urls)}
    return {url: path for url, path in paths.items() if path.is_file() and not Path(f"{path}.aria2").exists()}
