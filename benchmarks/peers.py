"""The programs that throughput.py compares: how each is started, and how to install it."""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
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


JOBS = 100
"""Requests at once, in all and on one host, for everybody who can be told."""
_SCRIPTS = Path(__file__).parent


def peers(further: Sequence[str] = ()) -> list[Peer]:
    """All rows, ours first and with these `further` flags."""
    img2dataset, scrapy = found("img2dataset", os.environ.get("IMG2DATASET")), found("scrapy", os.environ.get("SCRAPY"))
    aria2c, curl = shutil.which("aria2c"), shutil.which("curl")
    turbo = sys.executable if find_spec("simplejpeg") else None
    pip = "python -m benchmarks sets it up, or {0}=/path/to/{1}"
    return [
        Peer("asynccrawl, turbo", "decoded in full", _ours("--turbo", "on", *further), turbo, "pip install '.[turbo]'"),
        Peer("asynccrawl", "decoded in full", _ours("--turbo", "off", *further), sys.executable),
        Peer("asynccrawl --decode header", "header and end", _ours("--decode", "header", *further), sys.executable),
        Peer("asynccrawl --decode none", "type", _ours("--decode", "none", *further), sys.executable),
        Peer("img2dataset", "decoded in full", _img2dataset(img2dataset, decode=True), img2dataset,
             pip.format("IMG2DATASET", "img2dataset")),
        Peer("img2dataset, no decode", "nothing", _img2dataset(img2dataset, decode=False), img2dataset,
             pip.format("IMG2DATASET", "img2dataset")),
        Peer("Scrapy ImagesPipeline", "decoded, re-encoded", _scrapy(scrapy), scrapy, pip.format("SCRAPY", "scrapy")),
        Peer("aria2c -j100", "nothing", _aria2c(aria2c), aria2c, "apt install aria2"),
        Peer("curl --parallel", "nothing", _curl(curl), curl, "apt install curl"),
        Peer("curl, then decoded", "decoded in full", _curl(curl, decoded=True), curl, "apt install curl"),
        *_old_script(),
    ]  # fmt: skip


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


def _ours(*how: str) -> Callable[[Sequence[str], Path, Path], Words]:
    def words(urls: Sequence[str], scratch: Path, dest: Path) -> Words:
        listed = written(scratch, "ours.txt", _keyed(urls))
        flags = ["--jobs", str(JOBS), "--per-host", str(JOBS), "--retry", "3", "--allow-net", "127.0.0.0/8"]
        return [sys.executable, "-m", "asynccrawl", "crawl", listed, str(dest), *flags, "--msg", "60", *how]

    return words


def _keyed(urls: Sequence[str]) -> list[str]:
    """The lines of the ImageNet list, a hundred pictures a label."""
    return [f"n{n // 100:08d}_{n} {url}" for n, url in enumerate(urls)]


def _img2dataset(program: str | None, *, decode: bool) -> Callable[[Sequence[str], Path, Path], Words]:
    def words(urls: Sequence[str], scratch: Path, dest: Path) -> Words:
        # Two processes of 64 threads each were its best of 1, 2 and 4 of 32, 50, 64 and 128 on two cores.
        flags = {
            "url_list": written(scratch, "img2dataset.txt", urls), "output_folder": dest, "output_format": "files",
            "processes_count": 2, "thread_count": 64, "number_sample_per_shard": max(1, len(urls) // 4), "retries": 3,
            "timeout": 60, "resize_mode": "no", "skip_reencode": True, "disable_all_reencoding": not decode,
            "enable_wandb": False,
        }  # fmt: skip
        return [program or "", *(f"--{flag}={value}" for flag, value in flags.items())]

    return words


def _scrapy(program: str | None) -> Callable[[Sequence[str], Path, Path], Words]:
    def words(urls: Sequence[str], scratch: Path, dest: Path) -> Words:
        settings = {
            "IMAGES_STORE": dest, "CONCURRENT_REQUESTS": JOBS, "CONCURRENT_ITEMS": JOBS, "RETRY_TIMES": 3,
            "CONCURRENT_REQUESTS_PER_DOMAIN": JOBS, "DOWNLOAD_DELAY": 0,
        }  # fmt: skip
        dest.mkdir(parents=True, exist_ok=True)
        listed = written(scratch, "scrapy.txt", urls)
        flags = [word for name, value in settings.items() for word in ("-s", f"{name}={value}")]
        spider = str(_SCRIPTS / "scrapy_images.py")
        return [program or "", "runspider", spider, "-a", f"listed={listed}", *flags]

    return words


def _aria2c(program: str | None) -> Callable[[Sequence[str], Path, Path], Words]:
    def words(urls: Sequence[str], scratch: Path, dest: Path) -> Words:
        listed = written(scratch, "aria2.txt", [f"{url}\n  out={n:06d}.jpg" for n, url in enumerate(urls)])
        return [
            program or "", "-q", "-i", listed, "-d", str(dest), f"-j{JOBS}", "-x1", "-s1", "--file-allocation=none",
            "--max-tries=4", "--auto-file-renaming=false",
        ]  # fmt: skip

    return words


def _curl(program: str | None, *, decoded: bool = False) -> Callable[[Sequence[str], Path, Path], Words]:
    def words(urls: Sequence[str], scratch: Path, dest: Path) -> Words:
        pairs = [f'url = "{url}"\noutput = "{dest}/{n:06d}.jpg"' for n, url in enumerate(urls)]
        flags = ["--parallel", "--parallel-max", str(JOBS), "--retry", "3", "-s", "-f", "--create-dirs"]
        command = [program or "", *flags, "-K", written(scratch, "curl.txt", pairs)]
        if not decoded:
            return command
        then = [sys.executable, str(_SCRIPTS / "decode_pass.py"), str(dest)]
        return ["sh", "-c", f"{shlex.join(command)} && exec {shlex.join(then)}"]

    return words


def _old_script() -> list[Peer]:
    """The tutorial's own script, which is not ours to ship: as it is, and with the sleep that it is told."""
    script, python = os.environ.get("IMAGENET_DOWNLOAD"), shutil.which("python2.7")
    there = script if script and python else None
    install = "needs Python 2.7, and IMAGENET_DOWNLOAD=/path/to/imagenet-download.py"

    def words(urls: Sequence[str], scratch: Path, dest: Path, mended: bool) -> Words:
        dest.mkdir(parents=True, exist_ok=True)
        program = Path(str(script))
        if mended:
            # It never passes `sleep` on to what downloads, where the default is a second after each picture.
            text, default = program.read_text(), "sleep_after_dl=1"
            if default not in text:
                raise SystemExit(f"{program}: there is no {default} to mend; is it the tutorial's script?")
            program = Path(written(scratch, "mended.py", [text.replace(default, "sleep_after_dl=0")]))
        listed = written(scratch, "old.txt", _keyed(urls))
        return [str(python), str(program), listed, str(dest), "--jobs", str(JOBS), "--retry", "3", "--sleep", "0"]

    names = ("imagenet-download.py", "imagenet-download.py, mended")
    return [
        Peer(name, "magic bytes", functools.partial(words, mended=mended), there, install)
        for name, mended in zip(names, (False, True), strict=True)
    ]
