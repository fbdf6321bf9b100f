"""What is turned away at the door, what is recorded of pictures, and how that reaches the manifest."""

from __future__ import annotations

import asyncio
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

import asynccrawl
from asynccrawl.errors import InvalidImage, SettingsError
from asynccrawl.imaging import check, examine, prepare, turbo
from asynccrawl.ledger import FILE_NAME, manifest, reading, row_of
from asynccrawl.models import Reason
from asynccrawl.settings import ImagePolicy, Network, Settings
from asynccrawl.testing import ImageServer, picture
from asynccrawl.testing.encodings import encoded

WIDE = picture(size=(200, 50))
POLICY = ImagePolicy()


def reason(body: bytes, **options: Any) -> Reason | None:
    try:
        examine(body, replace(POLICY, **options))
    except InvalidImage as error:
        assert error.detail
        return error.reason
    return None


@pytest.mark.parametrize(
    ("name", "passes", "fails", "expected"),
    [
        ("min_side", 50, 51, Reason.TOO_SMALL),
        ("max_side", 200, 199, Reason.TOO_MANY_PIXELS),
        ("min_pixels", 10_000, 10_001, Reason.TOO_SMALL),
        ("max_pixels", 10_000, 9_999, Reason.TOO_MANY_PIXELS),
        ("max_aspect", 4, 3.99, Reason.TOO_SMALL),
        ("min_bytes", len(WIDE), len(WIDE) + 1, Reason.TOO_SMALL),
    ],
)
@pytest.mark.parametrize("decode", ["full", "header"])
def test_a_bound_is_exact_and_decides_its_reason(name: str, passes: float, fails: float, expected: Reason, decode: str):
    assert reason(WIDE, decode=decode, **{name: passes}) is None
    assert reason(WIDE, decode=decode, **{name: fails}) is expected
    before, after = (Settings(image=replace(POLICY, **{name: value})).deciding() for value in (passes, fails))
    assert {r for r in before if before[r] != after[r]} == {expected}


@pytest.mark.parametrize(
    "options",
    [{"decode": "none", "min_side": 1}, {"min_side": -1}, {"max_side": 0}, {"max_aspect": 0.5}, {"turbo": "maybe"}],
)
def test_bounds_that_mean_nothing_are_refused(options: dict[str, Any]):
    with pytest.raises(ValueError, match=r"none|min_side|max_side|max_aspect|turbo"):
        ImagePolicy(**options)


def test_what_decides_that_a_picture_is_corrupt_is_decided_again_when_it_changes():
    for options in ({"strict_end": True}, {"turbo": "off"}, {"decode": "header"}):
        before, after = Settings().deciding(), Settings(image=replace(POLICY, **options)).deciding()
        assert {r for r in before if before[r] != after[r]} == {Reason.CORRUPT}, options


@pytest.mark.parametrize(
    ("name", "frames", "orientation", "icc"),
    [
        ("jpeg", 1, 1, False), ("jpeg orientation 8", 1, 8, False), ("jpeg icc", 1, 1, True),
        ("jpeg mpo", 2, 1, False), ("png animated", 3, 1, False), ("png orientation", 1, 6, False),
        ("png icc", 1, 1, True), ("gif", 1, 1, False), ("gif animated", 3, 1, False),
        ("webp icc and exif", 1, 3, True), ("webp animated", 3, 1, False), ("bmp 24 bit", 1, 1, False),
        ("tiff pages", 3, 1, False), ("tiff big pages", 3, 1, False), ("tiff orientation", 1, 8, False),
        ("avif orientation", 1, 6, False), ("avif animated", 3, 1, False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("decode", ["full", "header"])
def test_metadata_is_recorded(name: str, frames: int, orientation: int, icc: bool, decode: str):
    facts = examine(encoded(name), replace(POLICY, decode=decode))
    assert facts.meta == {"frames": frames, "orientation": orientation, "icc": icc}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_recorded_and_the_size_is_the_files(orientation: int):
    facts = examine(encoded(f"jpeg orientation {orientation}"), POLICY)
    assert facts.meta is not None
    assert (facts.meta["orientation"], facts.width, facts.height) == (orientation, 45, 35)


def with_exif() -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Maker\0", "x" * 2_000
    exif[0x8769] = {0x829A: IFDRational(1, 250), 0x9286: b"binary", 0x9003: "2009:01:02 03:04:05"}
    exif[0x8825] = {2: (48.0, 30.0, 0.0)}
    file = io.BytesIO()
    Image.new("RGB", (20, 20)).save(file, "JPEG", exif=exif)
    return file.getvalue()


def test_exif_is_recorded_on_request_as_json_can_hold_it():
    facts = examine(with_exif(), replace(POLICY, exif=True))
    assert facts.meta is not None
    exif = json.loads(json.dumps(facts.meta["exif"], allow_nan=False))
    assert exif["Make"] == "Maker" and len(exif["Model"]) == 500
    assert exif["exif"] == {"ExposureTime": 0.004, "DateTimeOriginal": "2009:01:02 03:04:05"}
    assert exif["gps"] == {"GPSLatitude": [48.0, 30.0, 0.0]}
    assert examine(picture(), replace(POLICY, exif=True)).meta == {
        "frames": 1, "orientation": 1, "icc": False, "exif": None,
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's
def test_exif_that_is_rubbish_is_no_reason_to_refuse_a_picture():
    data = with_exif()
    at = data.index(b"Exif\0\0") + 6
    for garbage in (b"\xff" * 30, b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff" * 3):
        facts = examine(data[:at] + garbage + data[at + len(garbage) :], replace(POLICY, exif=True))
        assert facts.meta is not None and facts.meta["orientation"] == 1


def test_without_its_package_the_strict_decoder_is_missed_only_where_it_is_demanded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(turbo, "_module", lambda: None)
    assert not turbo.usable("auto") and reason(picture()) is None
    with pytest.raises(SettingsError, match=r"asynccrawl\[turbo\]"):
        prepare(replace(POLICY, turbo="on"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    check(replace(POLICY, turbo="auto"))
    with pytest.raises(SettingsError, match=r"asynccrawl\[turbo\]"):
        check(replace(POLICY, turbo="on"))


def rows(dest: Path) -> list[dict[str, Any]]:
    with reading(dest / FILE_NAME) as connection:
        return [row_of(outcome) for outcome in manifest(connection)]


async def test_door_and_metadata_reach_the_manifest_and_another_bound_opens_the_rows_again(tmp_path: Path):
    dest = tmp_path / "set"
    async with ImageServer() as server:
        server.add("/wide.jpg", WIDE)
        server.add("/turned.jpg", encoded("jpeg orientation 6", (100, 80)))
        entries = [("a_1", server.url("/wide.jpg")), ("a_2", server.url("/turned.jpg"))]
        found = []
        for least in (60, 60, 50):
            settings = Settings(image=replace(POLICY, min_side=least), network=Network(allow_net=("127.0.0.0/8",)))
            await asynccrawl.crawl(entries, dest, settings=settings)
            found.append(await asyncio.to_thread(rows, dest))
        assert server.audit.count() == 3, "what was turned away is fetched again only for another bound"
    (first, second), same, (opened, _) = found
    assert same == [first, second]
    assert (first["reason"], first["meta"], first["retryable"]) == ("too_small", None, False)
    assert "200 x 50" in first["detail"]
    assert list(second)[-2:] == ["extra", "meta"]
    assert second["meta"] == {"frames": 1, "orientation": 6, "icc": False}
    assert (opened["status"], opened["width"], opened["meta"]["orientation"]) == ("saved", 200, 1)


async def test_a_crawl_that_demands_what_is_not_installed_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(turbo, "_module", lambda: None)
    with pytest.raises(SettingsError, match=r"asynccrawl\[turbo\]"):
        await asynccrawl.crawl([], tmp_path / "set", settings=Settings(image=replace(POLICY, turbo="on")))
