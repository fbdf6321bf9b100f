"""Thousands of pictures that were tampered with: nothing dies, nothing swells, and what is kept opens elsewhere too."""

from __future__ import annotations

import asyncio
import functools
import io
import resource
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from asynccrawl.decoder import Decoder, ProcessDecoder, ThreadDecoder
from asynccrawl.errors import InvalidImage
from asynccrawl.imaging import Facts
from asynccrawl.models import Reason
from asynccrawl.settings import ImagePolicy
from asynccrawl.testing.bombs import BOMBS
from asynccrawl.testing.encodings import ENCODINGS, encoded, format_of
from asynccrawl.testing.mutation import mutant, parts, tampered

EACH = 25
"""Variants of each encoding: some two and a half thousand in all."""
MIB = 2**20
VERDICTS = {Reason.CORRUPT, Reason.NOT_AN_IMAGE, Reason.UNSUPPORTED_FORMAT, Reason.TOO_MANY_PIXELS, Reason.EMPTY}
Verdict = Facts | InvalidImage


@functools.cache
def variants() -> list[bytes]:
    return [data for name in ENCODINGS for data in tampered(encoded(name), format_of(name), EACH)]


async def verdicts(decoder: Decoder, bodies: list[bytes]) -> list[Verdict]:
    """What a decoder says of each; whatever is raised but InvalidImage is raised here."""
    try:
        found = await asyncio.gather(*(decoder.examine(body, None) for body in bodies), return_exceptions=True)
        for one in found:
            if not isinstance(one, Facts | InvalidImage):
                raise one
        return [one for one in found if isinstance(one, Facts | InvalidImage)]
    finally:
        await decoder.aclose()


@functools.cache
def by_threads() -> list[Verdict]:
    return asyncio.run(verdicts(ThreadDecoder(ImagePolicy()), variants()))


def said(verdict: Verdict) -> object:
    return verdict if isinstance(verdict, Facts) else verdict.reason


@pytest.mark.parametrize("name", ENCODINGS)
def test_parts_are_found_and_joined_they_are_the_picture(name: str):
    data = encoded(name)
    pieces = parts(data, format_of(name))
    assert b"".join(pieces) == data and len(pieces) >= 2 and all(pieces)


def test_a_variant_is_the_same_for_the_same_seed():
    data = encoded("png")
    assert [*tampered(data, "png", 20, 3)] == [*tampered(data, "png", 20, 3)] != [*tampered(data, "png", 20, 4)]
    assert len({mutant(data, "png", n) for n in range(100)}) > 75


@pytest.mark.slow  # thousands of decodes
@pytest.mark.may_block  # no event loop of ours runs here
@pytest.mark.filterwarnings("ignore")  # Pillow warns of odd tags and of sizes; as errors, warnings would be verdicts
def test_threads_survive_and_every_verdict_has_a_name():
    found = by_threads()
    counts = Counter("kept" if isinstance(one, Facts) else one.reason for one in found)
    assert set(counts) - {"kept"} <= VERDICTS, [one for one in found if said(one) is Reason.INTERNAL][:3]
    assert counts["kept"] > len(found) * 0.05 and counts[Reason.CORRUPT] > len(found) * 0.4, counts


@pytest.mark.slow  # thousands of decodes
@pytest.mark.may_block
@pytest.mark.filterwarnings("ignore")  # Pillow warns of odd tags and of sizes; as errors, warnings would be verdicts
def test_processes_agree_and_stay_small():
    async def judged() -> tuple[list[Verdict], list[int], list[str]]:
        decoder = ProcessDecoder(ImagePolicy(max_decode_bytes=128 * MIB), 2)
        peaks: list[int] = []
        looking = asyncio.create_task(look(decoder, peaks))
        found = await verdicts(decoder, variants())
        looking.cancel()
        return found, peaks, decoder.story()

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found, peaks, story = asyncio.run(judged())
    assert [said(one) for one in found] == [said(one) for one in by_threads()]
    assert story == [], "none died, none hung"
    assert peaks and max(peaks) < 120_000, "kB of a child: 30 MB to begin with"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000


async def look(decoder: ProcessDecoder, peaks: list[int]) -> None:
    """Note the most that each process has ever occupied, in kB."""
    while True:
        for pid in decoder.pids:
            peaks.append(peak(pid))
        await asyncio.sleep(0.05)


def peak(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)


@pytest.mark.slow  # thousands of decodes
@pytest.mark.may_block
@pytest.mark.filterwarnings("ignore")
def test_what_is_kept_opens_in_pillow_and_opencv():
    names = [(name, number) for name in ENCODINGS for number in range(EACH)]
    kept = [
        (name, number, data)
        for (name, number), data, verdict in zip(names, variants(), by_threads(), strict=True)
        if isinstance(verdict, Facts)
    ]
    assert {format_of(name) for name, _, _ in kept} == {format_of(name) for name in ENCODINGS} and len(kept) > 300
    troubles = [(name, number, trouble(data)) for name, number, data in kept]
    assert [found for found in troubles if found[2]] == []


def trouble(data: bytes) -> str | None:
    """What other readers find wrong with a picture."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
    except Exception as error:
        return f"Pillow: {error!r}"
    return None if cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) is not None else "OpenCV"


@pytest.mark.slow  # they are bombs
@pytest.mark.timeout(300)
@pytest.mark.may_block
def test_bombs_hurt_nobody():
    """Each ends within its bounds, as a picture or as a Failure, and good ones beside them are not touched."""

    async def judged() -> tuple[dict[str, Verdict], list[Verdict]]:
        decoder = ProcessDecoder(ImagePolicy(max_decode_seconds=2.0, max_decode_bytes=512 * MIB), 2)
        good = [encoded(name) for name in ENCODINGS]
        found = await verdicts(decoder, [body for pair in zip(bombs, good, strict=False) for body in pair])
        return dict(zip(BOMBS, found[::2], strict=True)), found[1::2]

    bombs = [make() for make in BOMBS.values()]
    assert all(len(bomb) < 64 * MIB for bomb in bombs)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found, good = asyncio.run(judged())
    assert all(isinstance(one, Facts) for one in good)
    reasons = {name: one.reason for name, one in found.items() if isinstance(one, InvalidImage)}
    assert set(reasons.values()) <= VERDICTS and len(reasons) > 12, reasons
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000, "kB: the bombs themselves are held"
