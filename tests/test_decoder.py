"""The thread decoder: results reach whoever asked, in batches, and no thread dies of a picture."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from asynccrawl import decoder as room
from asynccrawl.decoder import ThreadDecoder
from asynccrawl.errors import InvalidImage
from asynccrawl.imaging import Facts
from asynccrawl.models import Reason
from asynccrawl.settings import ImagePolicy
from asynccrawl.testing import html_page, picture


def names() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "asynccrawl-decoder"]


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_many_at_once_each_gets_its_own_facts(factory: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path):
    (tmp_path / "spooled").write_bytes(picture(format="png"))

    async def decode() -> None:
        decoder = ThreadDecoder(ImagePolicy(), threads=3)
        sizes = [(20 + n, 30) for n in range(60)]
        bodies = [picture(size=size) for size in sizes]
        found = await asyncio.gather(*(decoder.examine(body, "image/jpeg") for body in bodies))
        assert [(facts.width, facts.bytes) for facts in found] == [(20 + n, len(bodies[n])) for n in range(60)]
        assert (await decoder.examine(tmp_path / "spooled", None)).format == "png"
        with pytest.raises(InvalidImage, match="HTML"):
            await decoder.examine(html_page(), "image/jpeg")
        await decoder.aclose()
        await decoder.aclose()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(decode())
    assert names() == []


async def test_a_batch_is_no_larger_than_its_fair_share(monkeypatch: pytest.MonkeyPatch):
    gate, busy = threading.Event(), []

    def slow(body: Any, policy: ImagePolicy, content_type: str | None) -> Facts:
        busy.append(threading.current_thread())
        gate.wait(5)
        return Facts("jpeg", "jpg", 1, 1, "L", 1, "", None)

    monkeypatch.setattr(room, "examine", slow)
    decoder = ThreadDecoder(ImagePolicy(), threads=4)
    asked = [asyncio.create_task(decoder.examine(b"x", None)) for _ in range(4)]
    while len(busy) < 4:
        await asyncio.sleep(0.001)
    assert len(set(busy)) == 4, "no thread took two while another was idle"
    gate.set()
    await asyncio.gather(*asked)
    await decoder.aclose()


@pytest.mark.parametrize(("raised", "reason"), [(MemoryError(), Reason.CORRUPT), (KeyError("x"), Reason.INTERNAL)])
async def test_whatever_a_decoder_raises_the_threads_live(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, reason: Reason
):
    def broken(body: Any, policy: ImagePolicy, content_type: str | None) -> Facts:
        raise raised

    decoder = ThreadDecoder(ImagePolicy(), threads=1)
    with monkeypatch.context() as patched:
        patched.setattr(room, "examine", broken)
        with pytest.raises(InvalidImage) as caught:
            await decoder.examine(b"x", None)
    assert caught.value.reason is reason
    assert (await decoder.examine(picture(), None)).format == "jpeg"
    await decoder.aclose()


async def test_who_has_gone_is_passed_over():
    decoder = ThreadDecoder(ImagePolicy(), threads=1)
    asked = [asyncio.create_task(decoder.examine(picture(size=(400, 300)), None)) for _ in range(20)]
    await asyncio.sleep(0)
    for task in asked[1:]:
        task.cancel()
    assert (await asked[0]).width == 400
    assert (await decoder.examine(picture(), None)).width == 64
    assert all(task.cancelled() for task in asked[1:])
    await decoder.aclose()
