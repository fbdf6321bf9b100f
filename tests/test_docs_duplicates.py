"""docs/duplicates.md is true: every command in it runs, on a small list against the kit's server."""

from __future__ import annotations

import asyncio
import hashlib
import re
import shlex
from pathlib import Path

import pytest

from asynccrawl.testing import Answer, ImageServer, picture

from .test_cli import OPEN, command
from .test_kills import tree

PAGE = Path(__file__).parent.parent / "docs" / "duplicates.md"


def commands() -> list[list[str]]:
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.S)
    return [shlex.split(line[2:]) for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def prepare(server: ImageServer, directory: Path) -> None:
    data = {f"/{n}": picture(seed=n % 5) for n in range(8)}
    server.route(lambda request: Answer(data[request.path]))
    lines = [f"{['cat', 'dog'][n % 2]}_{n} {server.url(f'/{n % 8}')}\n" for n in range(12)]
    (directory / "urls.txt").write_text("".join(lines))
    rows = ["url,sha256,md5"]
    for path, body in data.items():
        md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
        rows.append(f"{server.url(path)},{hashlib.sha256(body).hexdigest()},{md5 if path > '/3' else ''}")
    (directory / "table.csv").write_text("\n".join(rows))


@pytest.mark.slow  # a dozen commands
async def test_every_command_of_the_page_runs(server: ImageServer, tmp_path: Path):
    await asyncio.to_thread(prepare, server, tmp_path)
    said = {}
    for words in commands():
        assert words[0] == "asynccrawl"
        into = words[words.index(">") + 1] if ">" in words else None
        words = words[1 : words.index(">")] if into else words[1:]
        code, out, err = await command(*words, *(OPEN if words[0] == "crawl" else ()), cwd=tmp_path)
        assert code == 0, (words, out, err)
        if into:
            await asyncio.to_thread((tmp_path / into).write_text, out)
        said[" ".join(words)] = out
    assert "Records that another's fetch serves: 4" in said["plan urls.txt pictures --dedup url"]
    assert "8 of 12 records saved" in said["crawl urls.txt pictures --dedup url"]
    assert "Label noise: " in said["report pictures"]
    assert "8 of 8 records saved" in said["crawl table.csv checked --sha256-col sha256 --md5-col md5"]
    assert await asyncio.to_thread(tree, tmp_path / "again") == await asyncio.to_thread(tree, tmp_path / "pictures")
