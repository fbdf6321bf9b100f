"""Pictures that were tampered with, as many as there is time for: what decoding makes of them, and what it costs.

    python benchmarks/mutation.py [--seconds 120] [--seed 0] [--processes 2] [--only jpeg,png] [--no-check]

Variants of every encoding that the kit can draw are decoded in decoder processes (`--processes 0`: in threads), one at
a time in each. The verdicts are counted by format; shown are the slowest decode, the most that one process has
occupied, and how many processes were lost. What was kept is opened in Pillow and in OpenCV, in a process of its own,
since their bugs are not ours. Anything raised but InvalidImage, a verdict `internal`, and a kept file that either does
not open are errors. `--no-check` leaves those two out. The same seed draws the same variants in the same order.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import io
import itertools
import multiprocessing
import os
import resource
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from asynccrawl import ImagePolicy, Settings
from asynccrawl.decoder import Decoder, ProcessDecoder, open_decoder
from asynccrawl.errors import InvalidImage
from asynccrawl.testing.encodings import ENCODINGS, encoded, format_of
from asynccrawl.testing.mutation import mutant

READERS = ("Pillow", "OpenCV")
os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")


@dataclass
class Tally:
    """What has been seen."""

    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    slowest: tuple[float, str] = (0.0, "")
    largest: int = 0
    elsewhere: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def variants(names: list[str], seed: int) -> Iterator[tuple[str, int, bytes]]:
    """Variant after variant of each encoding in turn, for ever."""
    pictures = {name: encoded(name) for name in names}
    for number in itertools.count():
        for name, data in pictures.items():
            yield name, number, mutant(data, format_of(name), f"{seed}/{name}/{number}")


def peak(pid: int) -> int:
    """The most that a process has ever occupied, in kB."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:  # it has just ended
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)


def hush() -> None:
    """The readers write to standard error themselves, a line for each flaw."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)


def opens_elsewhere(data: bytes) -> str | None:
    """What Pillow or OpenCV finds wrong."""
    import cv2
    import numpy as np
    from PIL import Image

    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data)) as image:
            image.load()
    except Exception as error:
        return f"Pillow ({type(error).__name__})"
    try:
        opened = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) is not None
    except cv2.error:
        opened = False
    return None if opened else "OpenCV"


async def work(decoder: Decoder, source: Iterator[tuple[str, int, bytes]], end: float, tally: Tally,
               checker: ProcessPoolExecutor | None) -> None:  # fmt: skip
    loop = asyncio.get_running_loop()
    while time.monotonic() < end:
        name, number, data = next(source)
        began = time.perf_counter()
        try:
            await decoder.examine(data, None)
            verdict = "kept"
        except InvalidImage as error:
            verdict = error.reason.value
            if verdict == "internal":
                tally.wrong.append(f"{name} {number}: {error.detail}")
        tally.slowest = max(tally.slowest, (time.perf_counter() - began, f"{name} {number}"))
        tally.verdicts[format_of(name), verdict] += 1
        if checker and verdict == "kept" and (trouble := await loop.run_in_executor(checker, opens_elsewhere, data)):
            tally.elsewhere[format_of(name), trouble] += 1
            tally.wrong.append(f"{name} {number}: kept, and not opened by {trouble}")


async def look(decoder: Decoder, tally: Tally) -> None:
    while isinstance(decoder, ProcessDecoder):
        tally.largest = max([tally.largest, *map(peak, decoder.pids)])
        await asyncio.sleep(0.05)


async def run(options: argparse.Namespace, names: list[str], tally: Tally) -> list[str]:
    decoder = open_decoder(Settings(processes=options.processes, image=ImagePolicy(max_decode_seconds=5.0)))
    spawning = multiprocessing.get_context("spawn")
    checker = ProcessPoolExecutor(1, spawning, initializer=hush) if options.check else None
    source, end = variants(names, options.seed), time.monotonic() + options.seconds
    looking = asyncio.create_task(look(decoder, tally))
    workers = max(1, options.processes)
    await asyncio.gather(*(work(decoder, source, end, tally, checker) for _ in range(workers)))
    looking.cancel()
    await decoder.aclose()
    if checker:
        checker.shutdown()
    return decoder.story()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", default="", help="formats, separated by commas")
    parser.add_argument("--no-check", dest="check", action="store_false")
    options = parser.parse_args()
    wanted = {name for name in options.only.split(",") if name}
    names = [name for name in ENCODINGS if not wanted or format_of(name) in wanted]
    if not names or not options.seconds > 0:
        parser.error("--only names no format, or --seconds is not above 0")
    if options.check and importlib.util.find_spec("cv2") is None:
        parser.error("OpenCV is missing: pip install opencv-python-headless, or --no-check")
    tally = Tally()
    story = asyncio.run(run(options, names, tally))
    show(options, tally, story)
    if tally.wrong:
        raise SystemExit(f"{len(tally.wrong)} wrong")


def show(options: argparse.Namespace, tally: Tally, story: list[str]) -> None:
    total = sum(tally.verdicts.values())
    print(f"{total:,} variants, seed {options.seed}, {options.processes} decoder processes, {options.seconds:g} s")
    reasons = sorted({reason for _, reason in tally.verdicts})
    print(f"{'':<6}" + "".join(f"{reason:>20}" for reason in reasons))
    for format_ in sorted({format_ for format_, _ in tally.verdicts}):
        print(f"{format_:<6}" + "".join(f"{tally.verdicts[format_, reason]:>20,}" for reason in reasons))
    seconds, which = tally.slowest
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    largest = tally.largest / 1000
    print(f"slowest {seconds:.3f} s ({which}); a process at most {largest:.0f} MB, this one {ours / 1000:.0f}")
    if options.check:
        kept = sum(count for (_, verdict), count in tally.verdicts.items() if verdict == "kept")
        counts = {who: sum(n for (_, by), n in tally.elsewhere.items() if by.startswith(who)) for who in READERS}
        print(f"of {kept:,} kept, not opened: " + ", ".join(f"by {who} {count}" for who, count in counts.items()))
    for line in [*story, *tally.wrong[:20]]:
        print(line)


if __name__ == "__main__":
    main()
