"""What docs/formats.md shows is true: every command of it runs, in its order, and so does its Python."""

from __future__ import annotations

import asyncio
import re
import shlex
import sys
from pathlib import Path

import pytest

from asynccrawl.building import FORMATS
from asynccrawl.imaging import RESIZE_MODES
from asynccrawl.testing import ImageServer, picture

from .loading import make_dataset

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "formats.md").read_text()
BLOCKS = re.findall(r"```(console|python)\n(.*?)```", TEXT, re.S)


async def run(words: list[str], cwd: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *words, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0 and b"Traceback" not in err, (words, out.decode(), err.decode())


@pytest.mark.slow  # every command of the page is a process
@pytest.mark.timeout(120)
async def test_every_command_and_every_program_of_the_page_runs(server: ImageServer, tmp_path: Path):
    await asyncio.to_thread(make_dataset, tmp_path / "ilsvrc12")
    for n in range(6):
        server.add(f"/{n}.jpg", picture(seed=n, size=(16, 16)))
    lines = "".join(f"n0144076{n % 2}_{n} {server.url(f'/{n}.jpg', n)}\n" for n in range(6))
    await asyncio.to_thread((tmp_path / "ilsvrc12_urls.txt").write_text, lines)
    ran = 0
    for kind, block in BLOCKS:
        if kind == "python":
            quiet = "import warnings; warnings.simplefilter('ignore', ResourceWarning)\n"
            await run([sys.executable, "-c", quiet + block], tmp_path)
            ran += 1
            continue
        for line in block.splitlines():
            words = shlex.split(line.removeprefix("$ "))
            if words[0] in ("scripts/readers", "python"):  # tests/test_loaders.py and test_benchmarks.py run them
                assert (ROOT / words[words[0] == "python"]).is_file()
                continue
            assert words[0] == "asynccrawl"
            # the list's server is on loopback here
            more = ["--allow-net", "127.0.0.0/8"] if words[1] == "crawl" else []
            await run([sys.executable, "-m", *words, *more], tmp_path)
            ran += 1
    assert ran == 12


def test_the_page_names_every_format_and_mode():
    for name in (*FORMATS, *RESIZE_MODES):
        assert f"`{name}`" in TEXT
    assert "(docs/formats.md)" in (ROOT / "README.md").read_text()
    for path in re.findall(r"\]\(\.\./(.*?)\)", TEXT):
        assert (ROOT / path).is_file()
