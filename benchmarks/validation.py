"""How many damaged files each way of checking lets through, and what an image costs it.

    python benchmarks/validation.py [--cuts 24] [--photographs 40] [--only NAME,...]

Damaged are small pictures of all encodings of the kit (`asynccrawl.testing.encodings`), each at the same offsets in
the same ways (`asynccrawl.testing.damage`); counted is what is refused. The cost is of whole JPEGs of 500x375 (extra
`demo`), one thread, the best of five passes over them. That whole pictures are kept is asserted.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import random
import time
import warnings
from collections import defaultdict
from collections.abc import Callable

os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")

import cv2
import numpy
from corpus import QUALITY, _photograph
from PIL import Image

from asynccrawl import ImagePolicy
from asynccrawl.errors import InvalidImage
from asynccrawl.imaging import examine
from asynccrawl.imaging.ends import extent_of
from asynccrawl.testing.damage import DAMAGES, damaged
from asynccrawl.testing.encodings import ENCODINGS, encoded, format_of

LEFT_OUT = ("jpeg arithmetic", "jpeg mpo", "jpeg orientation")
"""Two that may end early and stay whole (see the tests), and eight that differ in a tag alone."""
MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"BM", b"II", b"MM")


def magic(data: bytes) -> bool:
    return data.startswith(MAGIC) or data[4:8] == b"ftyp"


def pillow(step: Callable[[Image.Image], object]) -> Callable[[bytes], bool]:
    def check(data: bytes) -> bool:
        try:
            with Image.open(io.BytesIO(data)) as image:
                step(image)
        except Exception:
            return False
        return True

    return check


def opencv(data: bytes) -> bool:
    try:
        return cv2.imdecode(numpy.frombuffer(data, numpy.uint8), cv2.IMREAD_UNCHANGED) is not None
    except cv2.error:
        return False


def ours(**options: str) -> Callable[[bytes], bool]:
    policy = ImagePolicy(**options)  # type: ignore[arg-type]

    def check(data: bytes) -> bool:
        try:
            examine(data, policy)
        except InvalidImage:
            return False
        return True

    return check


METHODS: dict[str, Callable[[bytes], bool]] = {
    "magic bytes (the old script)": magic,
    "header: Image.open": pillow(lambda image: None),
    "Image.verify": pillow(lambda image: image.verify()),
    "Image.load (Scrapy)": pillow(lambda image: image.load()),
    "cv2.imdecode (img2dataset)": opencv,
    "asynccrawl --decode header": ours(decode="header"),
    "asynccrawl --turbo off": ours(turbo="off"),
    "asynccrawl --turbo on": ours(turbo="on"),
}


def corpus(cuts: int) -> dict[str, list[bytes]]:
    """Damaged files by kind of damage, none of which begins with its whole picture."""
    files: dict[str, list[bytes]] = defaultdict(list)
    for name in ENCODINGS:
        if name.startswith(LEFT_OUT):
            continue
        data, rng = encoded(name), random.Random(name)
        end = extent_of(format_of(name), data).end
        offsets = [rng.randrange(1, end) for _ in range(cuts // 2)]
        offsets += [end - rng.randint(1, min(40, end - 1)) for _ in range(cuts - cuts // 2)]
        for kind in DAMAGES:
            hurt = (damaged(data, kind, at, format_of(name)) for at in offsets)
            files[kind] += [file for file in hurt if not file.startswith(data[:end])]
    return files


def cost(method: Callable[[bytes], bool], pictures: list[bytes]) -> float:
    """Microseconds an image."""
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        assert all(method(data) for data in pictures)
        best = min(best, time.perf_counter() - began)
    return best / len(pictures) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cuts", type=int, default=24, help="offsets of each encoding, half of them in its last bytes")
    parser.add_argument("--photographs", type=int, default=40, help="whole JPEGs that are timed")
    parser.add_argument("--only", default="", help="beginnings of names, by commas")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    files = corpus(options.cuts)
    pictures = [_photograph(number, QUALITY) for number in range(options.photographs)]
    size = sum(map(len, pictures)) / len(pictures) / 1000
    print(f"{sum(map(len, files.values())):,} damaged files; refused in percent; us: one JPEG of {size:.0f} kB")
    print(" " * 30 + "".join(f"{kind:>15.14}" for kind in SHORT.values()) + f"{'us':>8}")
    for name, method in METHODS.items():
        if name.startswith(tuple(options.only.split(","))):
            shares = [sum(not method(data) for data in files[kind]) / len(files[kind]) for kind in SHORT]
            row = "".join(f"{100 * share:>15.1f}" for share in shares)
            print(f"{name:<30}{row}{cost(method, pictures):>8,.0f}", flush=True)
    if not options.only:
        steps(pictures)


def steps(pictures: list[bytes]) -> None:
    """What the steps of a check cost, alone."""

    def scaled(data: bytes) -> bool:
        with Image.open(io.BytesIO(data)) as image:
            image.draft("L", (1, 1))
            image.load()
        return True

    print("of these, us: ", end="")
    print(
        f"SHA-256 {cost(lambda data: bool(hashlib.sha256(data).digest()), pictures):.0f},",
        f"structure {cost(lambda data: bool(extent_of('jpeg', data).end), pictures):.0f}",
        f"scaled decode {cost(scaled, pictures):.0f}",
    )


SHORT = {
    "cut": "cut", "cut and closed": "closed", "cut and filled with zeros": "zeros",
    "cut, filled and closed": "zeros, closed",
    "a part missing": "part missing", "a part zeroed": "part zeroed",
}  # fmt: skip
"""The kinds of damage and their columns."""

if __name__ == "__main__":
    main()
