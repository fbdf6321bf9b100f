"""Decoders that are started before their crawl is put together: taken over, or ended."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from asynccrawl.decoder import ProcessDecoder, early
from asynccrawl.settings import ImagePolicy
from asynccrawl.testing import picture


def _waiting() -> list[int]:
    return [process.pid for _, (process, _) in early._waiting]


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def _pids_after_a_picture(policy: ImagePolicy) -> list[int]:
    decoder = ProcessDecoder(policy, 1)
    try:
        assert (await decoder.examine(picture(), "image/jpeg")).format == "jpeg"
        return decoder.pids
    finally:
        await decoder.aclose()


def test_a_decoder_takes_over_what_was_started_for_its_policy():
    policy = ImagePolicy()
    early.start_early(policy, 2)
    first, second = _waiting()
    signed = replace(policy, signatures=({"name": "known", "final_url": "http://a.example/gone.png"},))
    assert asyncio.run(_pids_after_a_picture(signed)) == [first]
    assert _waiting() == [second]
    early.end_all()
    assert not _waiting()
    assert not _is_running(second)


def test_a_decoder_of_another_policy_starts_its_own():
    early.start_early(ImagePolicy(min_side=100), 1)
    other = _waiting()
    assert asyncio.run(_pids_after_a_picture(ImagePolicy())) != other
    assert _waiting() == other
    early.end_all()
