"""Images a second of a whole crawl (network, decode, files, ledger) against the kit's server in its own process.

    python benchmarks/kit.py [--records 5000] [--hosts 20] [--rounds 3] [--decode full] [--processes 0,2] [--memory]
                             [DIRECTORY]

Every round crawls into a new directory and asserts that each image was saved; the median is printed with the
smallest and the largest. It compares us with ourselves over time, not with others. `--processes` names what to
compare (0: decoder threads), in interleaved rounds. `--memory` also looks, ten times a second, at what this process and
its decoder processes occupy together (PSS: shared pages count once), which costs some speed.
"""

import argparse
import asyncio
import shutil
import statistics
import tempfile
import threading
import time
from pathlib import Path

import uvloop

import asynccrawl
from asynccrawl.testing import PictureSet, serve_in_process


def crawl_once(urls: list[str], dest: Path, decode: str, processes: int | str) -> float:
    settings = asynccrawl.Settings(
        processes=processes,
        network=asynccrawl.Network(allow_net=("127.0.0.0/8",)),
        image=asynccrawl.ImagePolicy(decode=decode),
    )
    began = time.perf_counter()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        report = runner.run(asynccrawl.crawl(list(urls), dest, settings=settings))
    spent = time.perf_counter() - began
    assert report.saved == len(urls) == sum(path.is_file() for path in dest.glob("0*/*.jpg")), report
    return len(urls) / spent


class Memory:
    """The most that this process and its decoder processes have occupied together, in MB (PSS, Linux)."""

    def __init__(self) -> None:
        self.total = self.child = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.1):
            children = [pss(pid) for pid in decoders()]
            self.total = max(self.total, pss("self") + sum(children))
            self.child = max([self.child, *children])


def decoders() -> list[str]:
    """Our children that decode."""
    pids = Path("/proc/self/task").glob("*/children")
    listed = [pid for tasks in pids for pid in tasks.read_text().split()]
    return [pid for pid in listed if b"asynccrawl.decoder" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def pss(pid: str) -> float:
    """MB that a process occupies, shared pages divided among those who share them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has just ended
        return 0.0
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", nargs="?", default=None, help="where to write; default: the temporary directory")
    parser.add_argument("--records", type=int, default=5000)
    parser.add_argument("--hosts", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--decode", default="full", choices=["full", "header", "none"])
    parser.add_argument("--processes", default="0", help="what to compare, such as 0,1,2,auto")
    parser.add_argument("--memory", action="store_true")
    options = parser.parse_args()
    kinds = [word if word == "auto" else int(word) for word in options.processes.split(",")]
    pictures = PictureSet(options.records, size=(500, 375), quality=85)
    rates: dict[int | str, list[float]] = {kind: [] for kind in kinds}
    memory = {kind: Memory() for kind in kinds}
    with serve_in_process(pictures, hosts=options.hosts) as served:
        for number in range(options.rounds + 1):
            for kind in kinds[number % len(kinds) :] + kinds[: number % len(kinds)]:
                dest = Path(tempfile.mkdtemp(dir=options.directory))
                try:
                    rate = crawl_once(served.urls, dest, options.decode, kind)
                finally:
                    shutil.rmtree(dest)
                if number:  # the first round warms up
                    rates[kind].append(rate)
        for kind in kinds if options.memory else []:
            dest = Path(tempfile.mkdtemp(dir=options.directory))
            with memory[kind]:
                crawl_once(served.urls, dest, options.decode, kind)
            shutil.rmtree(dest)
    size = len(pictures.data(0))
    print(
        f"{options.records} JPEGs of 500x375, about {size / 1000:.0f} kB, {options.hosts} hosts, "
        f"decode {options.decode}, {options.rounds} rounds"
    )
    for kind in kinds:
        least, most = min(rates[kind]), max(rates[kind])
        print(f"processes {kind}: median {statistics.median(rates[kind]):.0f} images/s ({least:.0f} to {most:.0f})")
        if options.memory:
            print(f"    at most {memory[kind].total:.0f} MB together, {memory[kind].child:.0f} MB a decoder process")


if __name__ == "__main__":
    main()
