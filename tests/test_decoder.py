"""Both decoders: results reach whoever asked, nothing dies of a picture, and nothing is left running."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop
from PIL import Image

from asynccrawl.decoder import Decoder, ProcessDecoder, ThreadDecoder, choosing, examining, open_decoder
from asynccrawl.errors import InvalidImage, StorageError
from asynccrawl.imaging import Facts, examine
from asynccrawl.models import Reason
from asynccrawl.settings import ImagePolicy, Settings
from asynccrawl.testing import html_page, picture

Make = Callable[[ImagePolicy], Decoder]
MAKERS = [
    pytest.param(lambda policy: ThreadDecoder(policy, 3), id="threads"),
    pytest.param(lambda policy: ProcessDecoder(policy, 2), id="processes"),
]


def names() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("asynccrawl-decoder")]


@asynccontextmanager
async def opened(decoder: Decoder) -> AsyncIterator[Any]:
    try:
        yield decoder
    finally:
        await decoder.aclose()


@pytest.mark.slow  # processes are started
@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("make", MAKERS)
def test_many_at_once_each_gets_its_own_facts(
    make: Make, factory: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path
):
    (tmp_path / "spooled").write_bytes(picture(format="png"))

    async def decode() -> None:
        decoder = make(ImagePolicy())
        sizes = [(20 + n, 30) for n in range(60)]
        bodies = [picture(size=size) for size in sizes]
        found = await asyncio.gather(*(decoder.examine(body, "image/jpeg") for body in bodies))
        assert [(facts.width, facts.bytes) for facts in found] == [(20 + n, len(bodies[n])) for n in range(60)]
        assert (await decoder.examine(tmp_path / "spooled", None)).format == "png"
        with pytest.raises(InvalidImage, match="HTML"):
            await decoder.examine(html_page(), "image/jpeg")
        assert decoder.story() == []
        await decoder.aclose()
        await decoder.aclose()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(decode())
    assert names() == []


@pytest.mark.slow  # a process is started
@pytest.mark.parametrize("make", MAKERS)
async def test_the_answer_is_that_of_imaging(make: Make, tmp_path: Path):
    large = tmp_path / "large \udce4"  # a name that is no text
    await asyncio.to_thread(large.write_bytes, picture(size=(900, 700), seed=1, quality=100))
    spoilt = picture()[:-100] + b"\xff\xd9"  # only decoding can tell that something is missing
    policy = ImagePolicy(formats=("jpeg", "png"), decode="header")
    async with opened(make(policy)) as decoder:
        for body in (
            picture(),
            picture("png", mode="LA") + b"more",
            large,
            b"",
            b"GIF89a",
            spoilt,
            picture("gif"),
        ):
            for said in (None, "image/jpeg", "bild/ä"):
                assert await outcome(decoder, body, said) == await asyncio.to_thread(here, body, policy, said)
        assert (await decoder.examine(spoilt, None)).format == "jpeg"
        with pytest.raises(InvalidImage, match=r"data end|premature end"):
            await decoder.examine(spoilt, None, whole=True)


async def outcome(decoder: Decoder, body: bytes | Path, said: str | None) -> object:
    try:
        return await decoder.examine(body, said)
    except InvalidImage as error:
        return error.reason, error.detail


def here(body: bytes | Path, policy: ImagePolicy, said: str | None) -> object:
    try:
        return examine(body, policy, said)
    except InvalidImage as error:
        return error.reason, error.detail


async def test_a_batch_is_no_larger_than_its_fair_share(monkeypatch: pytest.MonkeyPatch):
    gate, busy = threading.Event(), []

    def slow(body: Any, policy: ImagePolicy, content_type: str | None) -> Facts:
        busy.append(threading.current_thread())
        gate.wait(30)
        return Facts("jpeg", "jpg", 1, 1, "L", 1, "", None)

    monkeypatch.setattr(examining, "examine", slow)
    async with opened(ThreadDecoder(ImagePolicy(), threads=4)) as decoder:
        asked = [asyncio.create_task(decoder.examine(b"x", None)) for _ in range(4)]
        while len(busy) < 4:
            await asyncio.sleep(0.001)
        assert len(set(busy)) == 4, "no thread took two while another was idle"
        gate.set()
        await asyncio.gather(*asked)


@pytest.mark.parametrize(("raised", "reason"), [(MemoryError(), Reason.CORRUPT), (KeyError("x"), Reason.INTERNAL)])
async def test_whatever_a_decoder_raises_the_threads_live(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, reason: Reason
):
    def broken(body: Any, policy: ImagePolicy, content_type: str | None) -> Facts:
        raise raised

    async with opened(ThreadDecoder(ImagePolicy(), threads=1)) as decoder:
        with monkeypatch.context() as patched:
            patched.setattr(examining, "examine", broken)
            with pytest.raises(InvalidImage) as caught:
                await decoder.examine(b"x", None)
        assert caught.value.reason is reason
        assert (await decoder.examine(picture(), None)).format == "jpeg"


@pytest.mark.slow  # processes are started
@pytest.mark.parametrize("make", MAKERS)
async def test_who_has_gone_is_passed_over(make: Make):
    async with opened(make(ImagePolicy())) as decoder:
        asked = [asyncio.create_task(decoder.examine(picture(size=(400, 300)), None)) for _ in range(60)]
        await asyncio.sleep(0)
        for task in asked[1:]:
            task.cancel()
        assert (await asked[0]).width == 400
        assert (await decoder.examine(picture(), None)).width == 64
        assert all(task.cancelled() for task in asked[1:])


async def test_memory_is_no_verdict_on_damage(monkeypatch: pytest.MonkeyPatch):
    """Pillow's own MemoryError reaches the decoder as what it is."""
    file = io.BytesIO()
    Image.new("1", (64, 64)).save(file, "PNG")

    def exhausted(self: object) -> None:
        raise MemoryError

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", exhausted)
    async with opened(ThreadDecoder(ImagePolicy(), threads=1)) as decoder:
        with pytest.raises(InvalidImage, match="more memory than there is"):
            await decoder.examine(file.getvalue(), None)


def test_settings_choose_the_decoder(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(choosing, "_cores", lambda: 2)
    assert isinstance(open_decoder(Settings()), ThreadDecoder)
    assert isinstance(open_decoder(Settings(processes="auto", image=ImagePolicy(decode="none"))), ThreadDecoder)
    for asked, most in ((1, 1), (5, 5), ("auto", 2)):
        decoder = open_decoder(Settings(processes=asked))
        assert isinstance(decoder, ProcessDecoder) and decoder.most == most and decoder.pids == []
    monkeypatch.setattr(choosing, "_cores", lambda: 64)
    decoder = open_decoder(Settings(processes="auto"))
    assert isinstance(decoder, ProcessDecoder) and decoder.most == choosing.MOST


@pytest.mark.parametrize("wrong", [-1, 1.0, True, "two", "", None, 10**9])
def test_no_other_number_of_processes(wrong: Any):
    with pytest.raises(ValueError, match=r"processes is .* it must be auto, or 0 to 1024"):
        Settings(processes=wrong)


@pytest.mark.parametrize(
    "wrong", [{"max_decode_seconds": 0}, {"max_decode_bytes": 1000}, {"max_decode_seconds": float("inf")}]
)
def test_bounds_are_bounds(wrong: dict[str, float]):
    with pytest.raises(ValueError, match="max_decode_"):
        ImagePolicy(**wrong)  # type: ignore[arg-type]


@pytest.mark.slow  # a process is started
@pytest.mark.parametrize("make", MAKERS)
async def test_a_spooled_body_that_cannot_be_read_ends_the_crawl(make: Make, tmp_path: Path):
    async with opened(make(ImagePolicy())) as decoder:
        with pytest.raises(StorageError, match=f"{tmp_path}/gone: what was kept there for now cannot be read"):
            await decoder.examine(tmp_path / "gone", None)
        assert (await decoder.examine(picture(), None)).width == 64
