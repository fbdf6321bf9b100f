"""asynccrawl near: what looks alike is grouped, what does not is not, and no pair is missed that a comparison of each
with each would find.
"""

from __future__ import annotations

import io
import json
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

import asynccrawl as ac
from asynccrawl.errors import DestinationBusy, SettingsError, StorageError
from asynccrawl.imaging import looks
from asynccrawl.ledger import FILE_NAME, Lock, near_groups, reading
from asynccrawl.near import Nearness, group_near, read_groups
from asynccrawl.near.neighbours import MARGIN, components
from asynccrawl.sinks import ShardBounds
from asynccrawl.testing import Answer, ImageServer
from asynccrawl.testing.photographs import originals

from .conftest import LOOPBACK
from .loading import read_shards
from .test_cli import command
from .test_crawl import in_thread


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def kin(image: Image.Image) -> dict[str, bytes]:
    """A picture and what hosts make of it."""
    w, h = image.size
    turned = image.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees, clockwise, to be upright
    return {
        "whole": encoded(image, quality=92),
        "small": encoded(image.resize((w // 2, h // 2)), quality=80),
        "poor": encoded(image, quality=35),
        "bright": encoded(ImageEnhance.Brightness(image).enhance(1.2)),
        "webp": encoded(image, "WEBP", quality=70),
        "png": encoded(image, "PNG", compress_level=1),
        "grey": encoded(image.convert("L")),
        "cmyk": encoded(image.convert("CMYK")),
        "cropped": encoded(image.crop((w // 60, h // 60, w - w // 60, h - h // 60))),
        "turned": encoded(turned, exif=exif.tobytes()),
    }


SUMMARY = (
    "6 pictures: 4 of them in 2 groups of near-duplicates, of which 1 with several labels. 3 are too flat to compare."
)


def photographs() -> list[Image.Image]:
    return [image.resize((360, 270)) for image in originals()[:8]]


async def dataset(server: ImageServer, dest: Path, bodies: dict[str, bytes]) -> None:
    server.route(lambda request: Answer(bodies[request.path[1:]]))
    await ac.crawl([(name, server.url(f"/{name}")) for name in bodies], dest, settings=LOOPBACK)


def groups_of(dest: Path) -> list[list[str]]:
    with reading(dest / FILE_NAME) as connection:
        return [sorted(Path(member.path).stem for member in group) for group in near_groups(connection)]


@pytest.mark.slow  # eighty pictures are made, fetched and looked at
async def test_what_hosts_make_of_a_picture_is_grouped_with_it(server: ImageServer, dest: Path):
    bodies = in_thread(
        lambda: {f"n{n}_{kind}": data for n, image in enumerate(photographs()) for kind, data in kin(image).items()}
    )
    await dataset(server, dest, bodies)
    found = in_thread(group_near, dest)
    assert found == Nearness(pictures=80, flat=0, groups=8, alike=80, across=0)
    assert in_thread(groups_of, dest) == [
        sorted(name for name in bodies if name.startswith(f"n{n}_")) for n in range(8)
    ]


@pytest.mark.slow  # several commands
async def test_the_command_looks_at_new_pictures_alone_and_tells_of_labels(server: ImageServer, dest: Path):
    first, second, *_ = in_thread(photographs)
    bodies = {"cat_1": encoded(first), "dog_1": encoded(first, quality=40), "dog_2": encoded(second)}
    flat = encoded(Image.new("RGB", (80, 60), "navy"), "PNG")
    bodies |= {"sky_1": flat, "sky_2": flat, "sky_3": encoded(Image.new("RGB", (80, 60), "blue"), "PNG")}
    await dataset(server, dest, bodies)

    def near(*flags: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-W", "error", "-m", "asynccrawl", "near", str(dest), *flags]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    shown = in_thread(near)
    assert (shown.returncode, "Traceback" in shown.stderr) == (0, False), shown.stderr
    assert shown.stdout.splitlines() == [
        "1:", "  cat/cat_1.jpg", "  dog/dog_1.jpg", "2:", "  sky/sky_1.png", "  sky/sky_2.png",
        SUMMARY,
    ]  # fmt: skip
    for name in ("cat/cat_1.jpg", "dog/dog_1.jpg"):
        in_thread((dest / name).rename, dest.parent / Path(name).name)  # whoever looked again would fail to
    bodies["dog_3"] = encoded(second, "WEBP")
    await dataset(server, dest, bodies)
    shown = in_thread(near, "--json")
    *groups, totals = [json.loads(line) for line in shown.stdout.splitlines()]
    cat = {"name": "cat_1", "path": "cat/cat_1.jpg", "label": "cat"}
    dog = {"name": "dog_1", "path": "dog/dog_1.jpg", "label": "dog"}
    assert groups[0] == {"group": 1, "pictures": [cat, dog]}
    assert totals == {"pictures": 7, "flat": 3, "groups": 3, "alike": 6, "across": 1}
    *closer, totals = [json.loads(line) for line in in_thread(near, "--json", "--distance", "0").stdout.splitlines()]
    assert totals["groups"] == len(closer) <= 3 and "sky/sky_2.png" in str(closer), "the same bytes are always near"
    wide = [{picture["path"] for picture in group["pictures"]} for group in groups]
    assert all(any({p["path"] for p in group["pictures"]} <= one for one in wide) for group in closer)
    assert in_thread(near, "--distance", "65").returncode == 2


@pytest.mark.slow  # photographs are read
async def test_what_has_changed_is_looked_at_again_and_what_left_is_forgotten(server: ImageServer, dest: Path):
    first, second, *_ = in_thread(photographs)
    await dataset(server, dest, {"k_1": encoded(first), "k_2": encoded(first, quality=50), "k_3": encoded(second)})
    in_thread(group_near, dest)
    assert in_thread(groups_of, dest) == [["k_1", "k_2"]]

    def spoil() -> None:
        with closing(sqlite3.connect(dest / FILE_NAME)) as db:
            db.execute("UPDATE records SET status='pending' WHERE key='k_2'")
            db.commit()

    in_thread(spoil)
    assert in_thread(groups_of, dest) == [], "one alone is no group"
    assert in_thread(group_near, dest) == Nearness(2, 0, 0, 0, 0)


@pytest.mark.slow  # two commands, and photographs are read
async def test_an_export_keeps_what_looks_alike_on_one_side(server: ImageServer, dest: Path, tmp_path: Path):
    bodies = in_thread(
        lambda: {f"n_{n}_{kind}": data for n, image in enumerate(photographs()) for kind, data in kin(image).items()}
    )
    await dataset(server, dest, bodies)
    assert in_thread(read_groups, dest) is None
    in_thread(group_near, dest)
    groups = in_thread(read_groups, dest)
    assert groups is not None and groups.group_of("n_3_poor") == groups.group_of("n_3_png") == "n_3_whole"
    words = ("export", dest, tmp_path / "out", "--format", "imagefolder", "--val", "40")
    code, out, err = await command(*words)
    assert code == 0, out + err
    sides = in_thread(
        lambda: [
            {p.stem.rpartition("_")[0] for p in (tmp_path / "out" / side).rglob("*.*")} for side in ("train", "val")
        ]
    )
    assert sides[0] and sides[1] and not sides[0] & sides[1], "whole families, on both sides"
    in_thread((tmp_path / "g.toml").write_text, 'all = ["n"]\n')
    code, out, err = await command("subset", dest, tmp_path / "sub", "--groups", tmp_path / "g.toml", "--val", "40")
    assert code == 0, out + err

    def names(root: Path) -> list[set[str]]:
        return [{path.stem for path in (root / side).rglob("*.*")} for side in ("train", "val")]

    assert in_thread(names, tmp_path / "sub") == in_thread(names, tmp_path / "out"), "as the export has them"


@pytest.mark.slow  # processes are started to look at what two shards hold
async def test_shards_are_grouped_and_kept_on_one_side_too(server: ImageServer, dest: Path, tmp_path: Path):
    bodies = in_thread(
        lambda: {f"n_{n}_{kind}": data for n, image in enumerate(photographs()) for kind, data in kin(image).items()}
    )
    server.route(lambda request: Answer(bodies[request.path[1:]]))
    urls = [(name, server.url(f"/{name}")) for name in bodies]
    await ac.crawl(urls, dest, settings=LOOPBACK, sink=ac.WebDatasetSink(dest, bounds=ShardBounds(count=50)))
    assert len(in_thread(lambda: list(dest.glob("*.tar")))) == 2
    assert in_thread(group_near, dest) == Nearness(pictures=80, flat=0, groups=8, alike=80, across=0)
    code, out, err = await command("export", dest, tmp_path / "out", "--format", "webdataset", "--val", "40")
    assert code == 0, out + err

    def sides() -> list[set[str]]:
        found = (read_shards(tmp_path / "out", f"{split}-*.tar") for split in ("train", "val"))
        return [{one["__key__"].rpartition("_")[0] for one in side} for side in found]

    train, val = in_thread(sides)
    assert train and val and not train & val, "whole families, on both sides"
    in_thread((dest / "000001.tar").unlink)
    assert in_thread(group_near, dest).pictures == 80, "what was looked at stays in the ledger"


def test_where_it_cannot_work_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(StorageError, match="there is no ledger here"):
        group_near(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    with pytest.raises(SettingsError, match="the distance is 21; it must be from 0 to 20 bits"):
        group_near(tmp_path, 21)
    monkeypatch.setitem(sys.modules, "imagehash", None)
    with pytest.raises(SettingsError, match=r"pip install 'asynccrawl\[near\]'"):
        group_near(tmp_path)


async def test_it_does_not_work_beside_a_crawl(dest: Path):
    await ac.crawl([], dest)
    lock = in_thread(Lock, dest)
    with pytest.raises(DestinationBusy):
        in_thread(group_near, dest)
    lock.release()
    assert in_thread(group_near, dest) == Nearness(0, 0, 0, 0, 0)


@pytest.mark.slow  # photographs are read
@pytest.mark.parametrize("mode", ["I;16", "I", "F", "1", "P", "LA", "RGBA", "CMYK", "L"])
def test_every_mode_can_be_looked_at(tmp_path: Path, mode: str):
    image = in_thread(photographs)[0].convert("L")
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    elif mode in ("I", "F"):
        image = image.convert("F").point(lambda value: value * 257.0).convert(mode)
    else:
        image = image.convert("RGB").convert(mode)
    (tmp_path / "x").write_bytes(encoded(image, "TIFF"))
    (tmp_path / "plain").write_bytes(encoded(in_thread(photographs)[0], "PNG"))
    one, two = looks(tmp_path / "x"), looks(tmp_path / "plain")
    assert one and two and len(one) == 32
    assert (int(one[:16], 16) ^ int(two[:16], 16)).bit_count() <= 8


def test_what_cannot_be_opened_is_passed_over(tmp_path: Path):
    whole = encoded(in_thread(photographs)[0], "PNG")
    for name, data in {"empty": b"", "text": b"hello", "cut": whole[: len(whole) // 2]}.items():
        (tmp_path / name).write_bytes(data)
        assert looks(tmp_path / name) is None
    shutil.rmtree(tmp_path)
    assert looks(tmp_path / "gone") is None


def naive(first: list[int], second: list[int], distance: int) -> list[int]:
    """Each compared with each."""
    groups = list(range(len(first)))
    for a, b in combinations(range(len(first)), 2):
        near = (first[a] ^ first[b]).bit_count() <= distance
        if near and (second[a] ^ second[b]).bit_count() <= distance + MARGIN:
            old, new = groups[b], groups[a]
            groups = [new if group == old else group for group in groups]
    return groups


def numbered(groups: list[int]) -> list[int]:
    names: dict[int, int] = {}
    return [names.setdefault(group, len(names)) for group in groups]


@given(st.integers(0, 10_000), st.integers(0, 120), st.integers(0, 20))
@settings(max_examples=60, deadline=None)
def test_no_pair_is_missed(seed: int, n: int, distance: int):
    rng = random.Random(seed)
    first: list[int] = []
    second: list[int] = []
    for _ in range(n):
        if first and rng.random() < 0.7:  # one that differs in a few bits from an earlier one
            at = rng.randrange(len(first))
            flips = [sum(1 << bit for bit in rng.sample(range(64), rng.randint(0, distance + 3))) for _ in range(2)]
            first.append(first[at] ^ flips[0])
            second.append(second[at] ^ flips[1])
        else:
            first.append(rng.getrandbits(64))
            second.append(rng.getrandbits(64))
    found = components(np.array(first, dtype=np.uint64), np.array(second, dtype=np.uint64), distance)
    assert numbered(found.tolist()) == numbered(naive(first, second, distance))
