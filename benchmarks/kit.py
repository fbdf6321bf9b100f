"""Images a second of a whole crawl (network, decode, files, ledger) against the kit's server in its own process.

    python benchmarks/kit.py [--records 5000] [--hosts 20] [--rounds 3] [--decode full] [DIRECTORY]

Every round crawls into a new directory and asserts that each image was saved; the median is printed with the
smallest and the largest. It compares us with ourselves over time, not with others.
"""

import argparse
import asyncio
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import uvloop

import asynccrawl
from asynccrawl.testing import PictureSet, serve_in_process


def crawl_once(urls: list[str], dest: Path, decode: str) -> float:
    settings = asynccrawl.Settings(
        network=asynccrawl.Network(allow_net=("127.0.0.0/8",)), image=asynccrawl.ImagePolicy(decode=decode)
    )
    began = time.perf_counter()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        report = runner.run(asynccrawl.crawl(list(urls), dest, settings=settings))
    spent = time.perf_counter() - began
    assert report.saved == len(urls) == sum(path.is_file() for path in dest.glob("0*/*.jpg")), report
    return len(urls) / spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", nargs="?", default=None, help="where to write; default: the temporary directory")
    parser.add_argument("--records", type=int, default=5000)
    parser.add_argument("--hosts", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--decode", default="full", choices=["full", "header", "none"])
    options = parser.parse_args()
    pictures = PictureSet(options.records, size=(500, 375), quality=85)
    rates = []
    with serve_in_process(pictures, hosts=options.hosts) as served:
        for number in range(options.rounds + 1):
            dest = Path(tempfile.mkdtemp(dir=options.directory))
            try:
                rate = crawl_once(served.urls, dest, options.decode)
            finally:
                shutil.rmtree(dest)
            if number:  # the first round warms up
                rates.append(rate)
    size = len(pictures.data(0))
    print(
        f"{options.records} JPEGs of 500x375, about {size / 1000:.0f} kB, {options.hosts} hosts, "
        f"decode {options.decode}: median {statistics.median(rates):.0f} images/s "
        f"({min(rates):.0f} to {max(rates):.0f}, {options.rounds} rounds)"
    )


if __name__ == "__main__":
    main()
