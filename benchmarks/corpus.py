"""What the benchmarks download: real photographs of 500x375, no two alike, and who serves them."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import psutil
from PIL import Image

from asynccrawl.testing import serve_in_process
from asynccrawl.testing.extras import MissingExtra
from asynccrawl.testing.photographs import originals
from asynccrawl.testing.pictures import PictureSet

SIZE = (500, 375)
QUALITY = 91
QUALITIES = {50: 91, 110: 98}
"""The JPEG quality that makes files of about so many kB; ImageNet's have about 110."""
_FINE = 98  # from here on colours keep their full resolution, too
HOSTS = 20
_CONFIGURATION = """
daemon off; pid {root}/nginx.pid; error_log {root}/error.log; worker_processes 1; {user}
events {{ worker_connections 4096; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; open_file_cache max=20000;
    types {{ image/jpeg jpg; }}
    client_body_temp_path {root}/body; proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/fastcgi;
    uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
    server {{ {listen} root {pictures}; }}
}}
"""


def photographs(count: int, cache: Path, kilobytes: int = 50) -> Path:
    """A directory with `count` JPEGs 000000.jpg and so on of about that size, made once.

    Exits where the extra `demo` is missing.
    """
    directory = cache / f"photographs-{count}-{kilobytes}"
    if (directory / f"{count - 1:06d}.jpg").exists():
        return directory
    try:
        originals()
    except MissingExtra as error:
        raise SystemExit(str(error)) from error
    directory.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(2) as pool:
        made = pool.map(functools.partial(_photograph, quality=QUALITIES[kilobytes]), range(count), chunksize=50)
        for number, data in enumerate(made):
            (directory / f"{number:06d}.jpg").write_bytes(data)
    return directory


def _photograph(number: int, quality: int) -> bytes:
    rng = random.Random(number)
    image = _ORIGINALS[number % len(_ORIGINALS)]
    scale = rng.uniform(0.6, 1.0) * min(image.width / SIZE[0], image.height / SIZE[1])
    width, height = int(SIZE[0] * scale), int(SIZE[1] * scale)
    x, y = rng.randint(0, image.width - width), rng.randint(0, image.height - height)
    piece = image.crop((x, y, x + width, y + height)).resize(SIZE).rotate(rng.uniform(-4, 4))
    file = io.BytesIO()
    subsampling = "4:4:4" if quality >= _FINE else "4:2:0"
    piece.save(file, "JPEG", quality=quality, progressive=number % 10 == 9, subsampling=subsampling)
    return file.getvalue()


@contextlib.contextmanager
def served(pictures: Path, count: int, scratch: Path) -> Iterator[tuple[str, list[str], psutil.Process | None]]:
    """(what serves, the URLs, its process): nginx on twenty loopback addresses where it is installed, else the kit's
    server.
    """
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        with serve_in_process(PictureSet(count, size=SIZE, quality=QUALITY), hosts=HOSTS) as kit:
            yield "the kit's server (nginx is not installed: apt install nginx-light)", list(kit.urls), None
        return
    port = _free_port()
    addresses = [f"127.0.0.{n + 1}:{port}" for n in range(HOSTS)]
    text = _CONFIGURATION.format(
        root=scratch, pictures=pictures, user="user root;" if os.getuid() == 0 else "",
        listen=f"listen 0.0.0.0:{port} backlog=4096;",  # all of 127.0.0.0/8 is ours
    )  # fmt: skip
    (scratch / "nginx.conf").write_text(text)
    with subprocess.Popen([nginx, "-p", str(scratch), "-c", str(scratch / "nginx.conf")]) as process:
        try:
            _wait_for(port, process)
            urls = [f"http://{addresses[n % HOSTS]}/{n:06d}.jpg" for n in range(count)]
            yield "nginx", urls, psutil.Process(process.pid)
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise SystemExit("nginx did not start; see its error.log")


_ORIGINALS: list[Image.Image] = []
with contextlib.suppress(MissingExtra):
    _ORIGINALS = [image for image in originals() if image.width >= 300 and image.height >= 300]
