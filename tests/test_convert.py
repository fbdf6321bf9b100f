"""`--convert`: pictures of all other formats become one, and everything still knows what was served."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageOps

import asynccrawl as ac
from asynccrawl.decoder.frames import Answers, answer_of
from asynccrawl.errors import InvalidImage
from asynccrawl.imaging import Facts, examine
from asynccrawl.models import NOTE_WITHIN, Reason, Served
from asynccrawl.reviewing import copy_of, placeholders, restore
from asynccrawl.screening import Signature
from asynccrawl.settings import ImagePolicy
from asynccrawl.testing import Answer, ImageServer, picture, placeholder
from asynccrawl.testing.encodings import ENCODINGS, encoded, format_of

from .conftest import lenient
from .test_cli import OPEN, command, manifest_of, start
from .test_crawl import agree, in_thread, rows
from .test_kills import kill_after, tree
from .test_recovery import forget

TO_JPG, TO_PNG = ImagePolicy(convert="jpg"), ImagePolicy(convert="png")
MIXED = ["gif", "webp", "webp lossless alpha", "png alpha", "jpeg cmyk", "png 16 bit grey", "jpeg orientation 6",
         "png orientation", "avif", "bmp rle", "tiff cmyk", "tiff orientation", "gif animated", "jpeg"]  # fmt: skip


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def upright(data: bytes) -> Image.Image:
    """What a viewer shows of the first frame; Pillow turns a TIFF by itself."""
    return ImageOps.exif_transpose(opened(data))


def differs(one: Image.Image, other: Image.Image) -> float:
    """The mean difference of two pictures on white, of 255."""
    both = []
    for image in (one, other):
        white = Image.new("RGBA", image.size, "white")
        both.append(Image.alpha_composite(white, image.convert("RGBA")).convert("RGB"))
    difference = ImageChops.difference(*both).convert("L").histogram()
    return sum(n * count for n, count in enumerate(difference)) / (one.width * one.height)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# --- one picture


@pytest.mark.parametrize("name", [name for name in ENCODINGS if name != "tiff float"])
def test_every_encoding_becomes_the_same_picture_in_the_format(name: str):
    data = encoded(name)
    for policy, wanted in ((TO_JPG, "jpeg"), (TO_PNG, "png")):
        facts = examine(data, policy)
        if format_of(name) == wanted:
            assert facts == examine(data, ImagePolicy()), "as served"
            continue
        assert facts.data is not None and facts.served is not None and facts.meta is not None
        made, source = opened(facts.data), upright(data)
        assert (made.format, made.size, made.mode) == (wanted.upper(), source.size, facts.mode)
        assert (facts.format, facts.width, facts.height) == (wanted, *source.size)
        assert (facts.bytes, facts.sha256) == (len(facts.data), sha256(facts.data))
        assert facts.served[:3] == (format_of(name), sha256(data), len(data)) and facts.served_sha256 == sha256(data)
        assert facts.meta == {"frames": 1, "orientation": 1, "icc": False, "served_format": format_of(name),
                              "served_sha256": sha256(data)}  # fmt: skip
        assert Served.noted_in(facts.data) == (*facts.served[:2], None, None)
        assert examine(facts.data, policy).data is None and examine(data, policy) == facts, "always the same bytes"
        if "16 bit grey" not in name and name != "tiff 16 bit":
            assert differs(source, made) < (16 if wanted == "jpeg" else 0.01), name


def test_a_png_keeps_what_a_jpeg_cannot_hold():
    kept = {"webp lossless alpha": "RGBA", "gif": "P", "tiff 1 bit": "1", "tiff 16 bit": "I;16", "tiff cmyk": "RGB"}
    assert {name: examine(encoded(name), TO_PNG).mode for name in kept} == kept
    flat = {
        "webp lossless alpha": "RGB",
        "gif": "RGB",
        "tiff 1 bit": "L",
        "tiff 16 bit": "L",
        "png grey and alpha": "L",
    }
    assert {name: examine(encoded(name), TO_JPG).mode for name in flat} == flat


def test_sixteen_bits_keep_their_range():
    """In either byte order; the lower eight bits are all that a JPEG loses."""
    values = [0, 255, 256, 32_768, 65_279, 65_535] * 8
    little = b"".join(value.to_bytes(2, "little") for value in values)
    image = Image.frombytes("I;16", (6, 8), little)
    big = Image.frombytes("I;16B", (6, 8), b"".join(value.to_bytes(2, "big") for value in values))
    for each in (image, big):
        file = io.BytesIO()
        each.save(file, "TIFF")
        grey = opened(examine(file.getvalue(), TO_JPG).data or b"")
        assert [abs(grey.getpixel((x, 4)) - values[x] // 256) <= 3 for x in range(6)] == [True] * 6
        png = opened(examine(file.getvalue(), TO_PNG).data or b"")
        assert png.mode == "I;16" and png.tobytes() == little


def test_what_is_transparent_becomes_white():
    file = io.BytesIO()
    gif = Image.new("P", (16, 16), 1)
    gif.putpalette([0, 0, 0, 200, 10, 10])
    gif.paste(0, (0, 0, 8, 16))
    gif.save(file, "GIF", transparency=0)
    made = opened(examine(file.getvalue(), TO_JPG).data or b"")
    assert min(made.getpixel((2, 8))) > 245 and made.getpixel((13, 8))[0] > 150 > made.getpixel((13, 8))[1]  # type: ignore[arg-type, index, operator]
    assert opened(examine(file.getvalue(), TO_PNG).data or b"").convert("RGBA").getpixel((2, 8))[3] == 0  # type: ignore[index]


def test_what_the_format_cannot_hold_is_refused_and_says_why():
    wide = picture("png", (65_501, 1), mode="L")
    for data, policy, why in ((encoded("tiff float"), TO_JPG, "F"), (encoded("tiff float"), TO_PNG, "F"),
                              (wide, TO_JPG, "65501 x 1 has a side above 65500 pixels")):  # fmt: skip
        with pytest.raises(InvalidImage, match=why) as caught:
            examine(data, policy)
        assert caught.value.reason is Reason.UNSUPPORTED_FORMAT
    with pytest.raises(InvalidImage) as caught:
        examine(encoded("gif")[:-20], TO_JPG)
    assert caught.value.reason is Reason.CORRUPT, "first it has to be good as it was served"


def test_converting_needs_decoding():
    with pytest.raises(ValueError, match="convert is 'jpg' and decode is 'header'; converting needs 'full'"):
        ImagePolicy(convert="jpg", decode="header")
    with pytest.raises(ValueError, match="convert is 'gif'; it must be one of jpg, png"):
        ImagePolicy(convert="gif")


def test_converted_facts_cross_a_socket_whole_and_only_well_formed():
    facts = examine(encoded("gif"), TO_JPG)
    sent = b"".join(answer_of(facts))
    answers = Answers(max_blob=2**20)
    for start_ in range(0, len(sent), 1000):
        answers.feed(sent[start_ : start_ + 1000])
    assert answers.next() == facts
    answers.feed(sent.replace(b'["gif"', b"[12345", 1))
    with pytest.raises(ValueError, match="format is 12345"):
        answers.next()
    small = Answers(max_blob=100)
    small.feed(sent)
    with pytest.raises(ValueError, match="impossible head"):
        small.next()


# --- crawls


def serve(server: ImageServer, names: list[str] = MIXED) -> tuple[list[ac.Request], dict[str, bytes]]:
    """A record for each encoding, in classes; and the bodies by key."""
    bodies = {f"n0{n % 3}_{n}": encoded(name, seed=n) for n, name in enumerate(names)}
    for key, data in bodies.items():
        server.add(f"/{key}.jpg", data)
    return [ac.Request(server.url(f"/{key}.jpg", n), key) for n, key in enumerate(bodies)], bodies


def check(table: list[dict], bodies: dict[str, bytes], wanted: str) -> None:
    for row in table:
        body, meta = bodies[row["key"]], row["meta"]
        extension = {"jpeg": "jpg"}.get(wanted, wanted)
        assert row["path"] == f"{row['label']}/{row['key']}.{extension}" and row["format"] == wanted
        if examine(body, ImagePolicy()).format == wanted:
            assert row["sha256"] == sha256(body) and "served_sha256" not in meta
        else:
            assert (meta["served_sha256"], row["sha256"] == sha256(body)) == (sha256(body), False)


@pytest.mark.parametrize("wanted", ["jpeg", "png"])
@pytest.mark.parametrize("spool_above", [500, 2**20])
@pytest.mark.parametrize("processes", [0, pytest.param(2, marks=pytest.mark.slow)])
async def test_a_crawl_stores_one_format(
    server: ImageServer, dest: Path, wanted: str, processes: int, spool_above: int
):
    requests, bodies = serve(server)
    policy = ImagePolicy(convert="jpg" if wanted == "jpeg" else "png")
    settings = lenient(image=policy, processes=processes, limits=ac.Limits(spool_above=spool_above))
    demanding = [replace(r, sha256=sha256(bodies[r.key or ""]), md5=hashlib.md5(bodies[r.key or ""]).hexdigest())
                 for r in requests]  # fmt: skip
    report = await ac.crawl(demanding, dest, settings=settings)
    assert report.saved == len(MIXED), report
    table = agree(dest)
    check(table, bodies, wanted)
    assert {path.suffix for path in in_thread(lambda: [*dest.glob("*/*")])} == {".jpg" if wanted == "jpeg" else ".png"}
    before = server.audit.count()
    await ac.crawl(demanding, dest, settings=settings)
    assert server.audit.count() == before


async def test_signatures_and_duplicates_go_by_what_was_served(server: ImageServer, dest: Path):
    gone, logo = placeholder("gif"), encoded("png")
    server.add("/gone", gone)
    server.add("/logo", logo)
    sha1 = hashlib.sha1(gone, usedforsecurity=False).hexdigest()
    urls = [("a_1", server.url("/gone")), ("a_2", server.url("/logo"))]
    policy = replace(TO_JPG, dedup="content", signatures=(Signature("gone", size=len(gone), sha1=sha1),))
    await ac.crawl(urls, dest, settings=lenient(image=policy))
    urls.append(("a_3", server.url("/logo", 1)))
    await ac.crawl(urls, dest, settings=lenient(image=policy))
    assert [row["reason"] for row in rows(dest)] == ["placeholder", None, "duplicate"]
    # What a run without conversion has saved is known to one with it.
    urls += [("a_4", server.url("/gone", 2)), ("a_5", server.url("/other", 2))]
    server.add("/other", encoded("webp"))
    await ac.crawl(urls, dest, settings=lenient(image=replace(policy, convert=None)))
    urls.append(("a_6", server.url("/other", 3)))
    await ac.crawl(urls, dest, settings=lenient(image=policy))
    table = rows(dest)
    assert [row["reason"] for row in table] == ["placeholder", None, "duplicate", "placeholder", None, "duplicate"]
    assert [row["path"] for row in table if row["path"]] == ["a/a_2.jpg", "a/a_5.webp"]


async def test_a_placeholder_is_discovered_taken_back_and_restored(server: ImageServer, dest: Path):
    gone = picture("png", (40, 30), seed=4)
    server.route(lambda r: Answer(gone if r.path.startswith("/gone") else picture("png", seed=int(r.path[1:]))))
    urls = [(f"n{n % 12}_{n}", server.url(f"/gone{n}" if n % 3 else f"/{n}", n % 20)) for n in range(150)]
    settings = lenient(image=TO_JPG)
    report = await ac.crawl(urls, dest, settings=settings)
    assert report.by_reason == {"placeholder": 100} and report.saved == 50
    agree(dest)
    (one,) = await asyncio.to_thread(placeholders, dest)
    assert Served.noted_in(await asyncio.to_thread(copy_of, dest, one.sha256)) == ("png", sha256(gone), None, None)
    assert await restore(dest, one.sha256) == 100
    table = agree(dest)
    assert sum(row["meta"]["served_sha256"] == sha256(gone) for row in table) == 100
    await ac.crawl([*urls, ("n0_150", server.url("/gone"))], dest, settings=settings)
    assert agree(dest)[-1]["sha256"] == one.sha256, "a person has spoken"


async def test_changing_it_opens_what_it_has_refused_and_nothing_else(server: ImageServer, dest: Path):
    requests, _ = serve(server, ["gif", "tiff float", "jpeg"])
    await ac.crawl(requests, dest, settings=lenient(image=TO_JPG))
    assert [row["reason"] for row in rows(dest)] == [None, "unsupported_format", None]
    before = server.audit.count()
    await ac.crawl(requests, dest, settings=lenient())
    assert server.audit.count() == before + 1
    assert [row["format"] for row in rows(dest)] == ["jpeg", "tiff", "jpeg"], "what is saved stays"


async def test_a_manifest_is_a_lock_file_of_what_was_served(server: ImageServer, dest: Path, tmp_path: Path):
    requests, bodies = serve(server, ["gif", "png alpha", "jpeg", "webp"])
    await ac.crawl(requests, dest, settings=lenient(image=TO_JPG))
    lines = "".join(json.dumps(row) + "\n" for row in agree(dest))
    manifest = tmp_path / "manifest.jsonl"
    in_thread(manifest.write_text, lines)
    await ac.crawl(manifest, tmp_path / "again", settings=lenient(image=TO_JPG))
    assert in_thread(tree, tmp_path / "again") == in_thread(tree, dest)
    await ac.crawl(manifest, tmp_path / "as_served", settings=lenient())
    assert {
        path.stem: path.read_bytes() for path in in_thread(lambda: [*(tmp_path / "as_served").glob("*/*")])
    } == bodies
    server.add("/n00_0.jpg", encoded("gif", seed=77))
    report = await ac.crawl(manifest, tmp_path / "changed", settings=lenient(image=TO_JPG))
    assert report.by_reason == {"hash_mismatch": 1}
    in_thread(manifest.write_text, lines.replace('"served_sha256": "', '"served_sha256": "x', 1))
    report = await ac.crawl(manifest, tmp_path / "spoilt", settings=lenient())
    assert report.by_reason == {"bad_line": 1}


async def test_what_was_stored_and_not_recorded_is_taken_up(server: ImageServer, dest: Path):
    """By the note in the file it is known what was served, with and without the flag."""
    requests, bodies = serve(server, ["gif", "png alpha", "jpeg", "webp", "bmp 24 bit"])
    demanding = [replace(r, sha256=sha256(bodies[r.key or ""])) for r in requests]
    settings = lenient(image=TO_JPG)
    await ac.crawl(demanding, dest, settings=settings)
    before, files = rows(dest), in_thread(tree, dest)
    for policy in (TO_JPG, ImagePolicy()):
        in_thread(forget, dest, *(r.key for r in requests))
        await ac.crawl(demanding, dest, settings=lenient(image=policy))
        assert server.audit.count() == len(requests) and in_thread(tree, dest) == files
        same = ("path", "format", "bytes", "sha256", "meta")
        assert [[row[name] for name in same] for row in agree(dest)] == [[row[name] for name in same] for row in before]
    # What an unconverted crawl has left there is not what this one is to hold.
    in_thread(forget, dest, "n00_0")
    in_thread((dest / "n00/n00_0.jpg").write_bytes, bodies["n00_0"])
    await ac.crawl(demanding, dest, settings=settings)
    assert server.audit.count() == len(requests) + 1
    assert in_thread(tree, dest) == files | {"n00/n00_0.jpg.invalid": bodies["n00_0"]}


@pytest.mark.slow  # starts four processes
async def test_retry_converts_as_the_last_run_did(server: ImageServer, dest: Path, tmp_path: Path):
    bodies = {f"/{n}": encoded(("gif", "png alpha", "webp")[n % 3], seed=n) for n in range(6)}
    gone = {"/0", "/2"}
    server.route(lambda request: Answer(status=404) if request.path in gone else Answer(bodies[request.path]))
    in_thread((tmp_path / "list").write_text, "".join(f"n01_{n} {server.url(f'/{n}')}\n" for n in range(6)))
    assert (await command("crawl", tmp_path / "list", dest, *OPEN, "--convert", "jpg"))[0] == 0
    gone.discard("/0")
    code, _, err = await command("retry", dest, *OPEN, "--only", "http_404")
    assert code == 0, err
    gone.discard("/2")
    assert (await command("retry", dest, *OPEN, "--only", "http_404"))[0] == 0, "nor does a retry forget"
    assert set(in_thread(tree, dest)) == {f"n01/n01_{n}.jpg" for n in range(6)}


def test_the_note_stands_within_reach():
    """Where recovery looks for it, whatever stands before it: palettes are the longest."""
    for name in ("gif", "tiff palette", "bmp 8 bit", "webp icc and exif"):
        for policy in (TO_JPG, TO_PNG):
            facts = examine(encoded(name), policy)
            assert Served.noted_in((facts.data or b"")[:NOTE_WITHIN]) is not None
    assert Served.noted_in(None) is None and Served.noted_in(picture()) is None


@pytest.mark.slow  # six processes are started
@pytest.mark.timeout(300)
async def test_kills_end_in_the_tree_of_an_unkilled_run(server: ImageServer, dest: Path, tmp_path: Path):
    rng, count = random.Random(7), 240
    bodies = [encoded(MIXED[n % len(MIXED)], seed=n) for n in range(count)]
    server.route(lambda request: Answer(bodies[int(request.path[1:])]))
    lines = ["url\tkey\tsha256"]
    lines += [f"{server.url(f'/{n}', n % 20)}\tn0{n % 9}_{n}\t{sha256(bodies[n])}" for n in range(count)]
    listed = tmp_path / "list.tsv"
    await asyncio.to_thread(listed.write_text, "\n".join(lines))
    words = ("--convert", "jpg", "--sha256-col", "sha256", "--processes", "1", *OPEN)
    assert (await command("crawl", listed, tmp_path / "unkilled", *words))[0] == 0
    wanted = await asyncio.to_thread(tree, tmp_path / "unkilled")
    assert len(wanted) == count
    for _ in range(4):
        before = server.audit.count()
        crawl = await start("crawl", listed, dest, *words)
        await kill_after(before + rng.randrange(10, 60), crawl, server, rng)
        visible = await asyncio.to_thread(tree, dest)
        assert {path for path, data in visible.items() if wanted.get(path) != data} == set(), "whole, and its own"
        assert {row["path"] for row in await manifest_of(dest) if row["path"]} <= set(visible)
    assert crawl.returncode == -9
    assert (await command("crawl", listed, dest, *words))[0] == 0
    assert await asyncio.to_thread(tree, dest) == wanted
    assert (await command("verify", dest))[0] == 0
    same = ("ordinal", "path", "sha256", "meta")
    there, unkilled = await manifest_of(dest), await manifest_of(tmp_path / "unkilled")
    assert [[row[name] for name in same] for row in there] == [[row[name] for name in same] for row in unkilled]


def test_facts_of_what_was_not_converted_are_as_before():
    facts = examine(encoded("jpeg"), TO_JPG)
    assert isinstance(facts, Facts) and facts.data is None is facts.served and facts.served_sha256 == facts.sha256
