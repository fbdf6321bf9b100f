"""Pictures that show their own URL: what they survive, and that no crawl stores one under another record's name."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import asynccrawl as ac
from asynccrawl.testing import (
    Answer,
    HttpRequest,
    ImageServer,
    Tls,
    after_interims,
    hang_up,
    identified,
    identifying,
    identifying_picture,
    lying_length,
    picture,
    pushed_response,
    redirect,
    truncated,
)

from .conftest import lenient
from .raw_client import connected, exchange, get

URL = "http://127.0.0.1:8080/photos/0001.jpg?size=large&signature=%2Fabc"


def encoded_again(data: bytes, format: str, **options: Any) -> bytes:
    file = BytesIO()
    with Image.open(BytesIO(data)) as image:
        image.convert("RGB").save(file, format, **options)
    return file.getvalue()


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=300))
def test_what_is_shown_is_read(url: str) -> None:
    url = url.encode("utf-8", "ignore").decode()
    assert identified(identifying_picture(url)) == url
    assert identifying_picture(url) == identifying_picture(url)


@pytest.mark.parametrize("length", [0, 1, 91, 300, 4_096])
def test_it_is_as_long_as_it_has_to_be(length: int) -> None:
    url = ("http://example/" + "x" * length)[:length]
    data = identifying_picture(url, "png")
    assert identified(data) == url
    with pytest.raises(ValueError, match="4097 bytes"):
        identifying_picture("x" * 4_097)


@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("jpeg", {"quality": 85}), ("jpeg", {"quality": 30, "subsampling": 2}), ("jpeg", {"progressive": True}),
        ("png", {}), ("webp", {"quality": 50}), ("webp", {"lossless": True}), ("gif", {}), ("tiff", {}), ("bmp", {}),
        ("avif", {"quality": 50}),
    ],
)  # fmt: skip
def test_it_survives_being_encoded_again(format: str, options: dict[str, Any]) -> None:
    data = identifying_picture(URL)
    for _ in range(3):
        data = encoded_again(data, format, **options)
    assert identified(data) == URL
    assert identified(identifying_picture(URL, format, **options)) == URL


def test_what_shows_no_url_is_refused() -> None:
    for data in (picture(size=(64, 64)), picture(size=(60, 60)), picture(size=(64, 48)), picture(size=(4, 4))):
        with pytest.raises(ValueError, match="shows no URL"):
            identified(data)
    with pytest.raises(OSError):
        identified(b"no picture")
    with Image.open(BytesIO(identifying_picture(URL, "png"))) as image:
        for box, shade in (((0, 0, 8, 8), 255), ((64, 64, 72, 72), 255), ((64, 64, 72, 72), 0)):
            changed, file = image.copy(), BytesIO()
            changed.paste(shade, box)
            changed.save(file, "png")
            if changed.tobytes() != image.tobytes():
                with pytest.raises(ValueError, match="shows no URL"):
                    identified(file.getvalue())


async def test_the_route_shows_each_path_its_own_url() -> None:
    async with ImageServer(hosts=2, tls=Tls("silence")) as secure, ImageServer(hosts=2) as server:
        server.route(identifying(server))
        for path, host in (("/", "127.0.0.1"), ("/a/../b%20c?x=1&y", "127.0.0.2"), ("/é", "Cats.Example")):
            async with connected(server) as streams:
                first, body = await exchange(*streams, get(path.encode().decode("latin-1"), host))
            assert first == "HTTP/1.1 200 OK"
            assert Image.open(BytesIO(body)).format == "JPEG"
            shown = identified(body)
            assert shown.startswith(f"http://{host.lower()}:{server.port}/")
            assert path == "/é" or shown.endswith(path)
        request = HttpRequest("GET", "/x", "cats.example", {})
        assert identified(identifying(secure, "png")(request).body) == secure.url("/x", "cats.example")
        assert secure.url("/x").startswith("https://")


@pytest.mark.slow  # a whole crawl of three hundred records
async def test_no_picture_is_stored_under_another_records_name(server: ImageServer, dest: Path) -> None:
    """The lies here keep connections open, or end them just so that a careless client mixes up what follows."""
    honest = identifying(server)

    def answer(request: HttpRequest) -> Answer:
        """An honest picture of the URL, told in one of several ways."""
        body = honest(request).body
        pushed = identifying_picture("http://nobody.example/asked/for/this.jpg")
        match int(request.path[1:4]) % 8:
            case 0:
                return pushed_response(body, pushed, after=0)
            case 1:
                return Answer(body, framing="chunked")
            case 2:
                return lying_length(body + b"more", len(body), keep_alive=True)
            case 3 if server.audit.count(request.host, request.path) < 2:
                return truncated(body)
            case 4 if "moved" not in request.path:
                return redirect(request.path + "?moved", 307)
            case 5 if server.audit.count(request.host, request.path) < 2:
                return hang_up()
            case 6:
                return after_interims(body, 2)
        return Answer(body)

    server.route(answer)
    urls = [(f"key_{n}", server.url(f"/{n:03d}.jpg", n % 5)) for n in range(300)]
    outcomes: list[ac.Outcome] = []
    report = await ac.crawl(urls, dest, settings=lenient(hosts=ac.HostLimits(per_host=3)), on_outcome=outcomes.append)
    assert (report.total, len(outcomes)) == (300, 300)
    asked = dict(urls)
    for outcome in outcomes:
        if outcome.path is None:
            # What follows a whole body unasked may cost that body: it depends on how the bytes were bunched.
            assert outcome.reason == "protocol" and outcome.ordinal % 8 == 2, outcome
            continue
        stored = (dest / outcome.path).read_bytes()
        assert identified(stored) == outcome.final_url, outcome
        assert identified(stored).removesuffix("?moved") == asked[str(outcome.key)]
    assert report.saved >= 300 - 38, report
