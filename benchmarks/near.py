"""asynccrawl near on a planted set: how many near-duplicates are found, how many are found wrongly, and how fast.

Pieces of photographs that do not overlap are all different pictures; from each several near-duplicates are made. Found
is what `near` puts into one group with its original; false is a group in which pieces of several places meet. Some of
those are a matter of taste, such as one drawing in several colours: --show names them.

    pip install '.[demo,near]'
    python benchmarks/near.py [--pictures DIRECTORY]...
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageStat

import asynccrawl as ac
from asynccrawl.ledger import FILE_NAME, near_groups, reading
from asynccrawl.near import DISTANCE, group_near
from asynccrawl.near.neighbours import components
from asynccrawl.testing import Answer, ImageServer
from asynccrawl.testing.photographs import originals

SIZE = (500, 375)
PIECES = 8
DISTANCES = (4, 6, 8, 10, 12, 14)
KINDS = ("half size", "quality 30", "30 % brighter", "less contrast", "grey", "WebP", "2 % cropped", "4 % cropped")
Bodies = dict[str, bytes]


def pieces(image: Image.Image) -> list[Image.Image]:
    """Pieces of a picture that do not overlap, at most PIECES, or the picture itself where it is small."""
    w, h = SIZE
    found = [
        image.crop((x, y, x + w, y + h))
        for y in range(0, image.height - h + 1, h)
        for x in range(0, image.width - w + 1, w)
    ]
    found = [piece for piece in found if ImageStat.Stat(piece.convert("L")).stddev[0] > 8]
    step = max(1, len(found) // PIECES)
    return found[::step][:PIECES] if len(found) > 1 else [image.resize(SIZE)]


def encoded(image: Image.Image, kind: str = "JPEG", quality: int = 85) -> bytes:
    """The picture as a file."""
    file = io.BytesIO()
    image.save(file, kind, quality=quality)
    return file.getvalue()


def cropped(image: Image.Image, share: float) -> Image.Image:
    """Without that share of its width and height, which is taken from all sides alike."""
    x, y = int(image.width * share / 2), int(image.height * share / 2)
    return image.crop((x, y, image.width - x, image.height - y))


def family(piece: Image.Image) -> list[bytes]:
    """The picture, and its near-duplicates in the order of KINDS."""
    return [
        encoded(piece, quality=92),
        encoded(piece.resize((SIZE[0] // 2, SIZE[1] // 2))),
        encoded(piece, quality=30),
        encoded(ImageEnhance.Brightness(piece).enhance(1.3)),
        encoded(ImageEnhance.Contrast(piece).enhance(0.8)),
        encoded(piece.convert("L")),
        encoded(piece, "WEBP", 70),
        encoded(cropped(piece, 0.02)),
        encoded(cropped(piece, 0.04)),
    ]


def photographs(directories: list[Path]) -> list[Image.Image]:
    """The shipped photographs, and those in the directories."""
    files = [
        path for place in directories for path in sorted(place.rglob("*")) if path.suffix.lower() in (".jpg", ".png")
    ]
    found = originals()
    for file in dict.fromkeys(path.resolve() for path in files):
        with Image.open(file) as image:
            found.append(image.convert("RGB"))
    return found


def planted(directories: list[Path]) -> Bodies:
    """All pictures by name: number of the original, number of the kind."""
    every = [piece for image in photographs(directories) for piece in pieces(image)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        made = pool.map(family, every, chunksize=4)
        return {f"n_{n}_{kind}": data for n, bodies in enumerate(made) for kind, data in enumerate(bodies)}


async def crawled(bodies: Bodies, dest: Path) -> None:
    """A dataset of them."""
    async with ImageServer(hosts=4) as server:
        server.route(lambda request: Answer(bodies[request.path[1:]]))
        urls = [(name, server.url(f"/{name}", n % 4)) for n, name in enumerate(bodies)]
        settings = ac.Settings(network=ac.Network(allow_net=("127.0.0.0/8",)))
        report = await ac.crawl(urls, dest, settings=settings)
        assert report.saved == len(bodies), report


def judged(dest: Path, originals_: int) -> tuple[list[float], list[list[str]]]:
    """The share that was found of each kind, and the groups in which several originals meet."""
    found = [0] * len(KINDS)
    false = []
    with reading(dest / FILE_NAME) as connection:
        for group in near_groups(connection):
            members = defaultdict(set)
            for member in group:
                _, original, kind = Path(member.path).stem.split("_")
                members[original].add(int(kind))
            for kinds in members.values():
                for kind in kinds - {0} if 0 in kinds else ():
                    found[kind - 1] += 1
            if len(members) > 1:
                false.append([member.path for member in group if member.path.rpartition("_")[2].startswith("0.")])
    return [n / originals_ for n in found], false


def main() -> None:
    """Make, crawl, group, count, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, action="append", default=[], help="more photographs (repeatable)")
    parser.add_argument("--show", action="store_true", help="name the originals that meet in false groups")
    parser.add_argument("--hashes", type=int, default=100_000, help="random hashes whose neighbours are sought")
    arguments = parser.parse_args()
    bodies = planted(arguments.pictures)
    count = len(bodies) // (len(KINDS) + 1)
    with tempfile.TemporaryDirectory() as scratch:
        dest = Path(scratch) / "dataset"
        asyncio.run(crawled(bodies, dest))
        began = time.perf_counter()
        group_near(dest)
        seconds = time.perf_counter() - began
        print(f"{len(bodies)} pictures of {count} originals looked at in {seconds:.1f} s, ", end="")
        print(f"{len(bodies) / seconds:.0f} a second in {os.cpu_count()} processes\n")
        print("share found, %  " + "".join(f"{kind:>15}" for kind in KINDS) + "   false groups")
        for distance in DISTANCES:
            group_near(dest, distance)
            shares, false = judged(dest, count)
            mark = " (default)" if distance == DISTANCE else ""
            print(
                f"distance {distance:>2}     "
                + "".join(f"{share:>15.1%}" for share in shares)
                + f"{len(false):>15}{mark}"
            )
            if arguments.show:
                print("".join(f"    {' '.join(group)}\n" for group in false), end="")
    random = np.random.default_rng(0).integers(0, 2**64, (2, arguments.hashes), dtype=np.uint64)
    began = time.perf_counter()
    groups = len(np.unique(components(random[0], random[1], DISTANCE)))
    print(f"\nneighbours among {arguments.hashes:,} random hashes: {time.perf_counter() - began:.1f} s, ", end="")
    print(f"{arguments.hashes - groups} wrong")


if __name__ == "__main__":
    main()
