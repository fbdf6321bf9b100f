"""File systems of one's own, in a mount namespace that ends with the test: small, read-only, failing.

Made by unshare(1) and nsenter(1). Where the kernel allows neither, the tests fail and say so.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

_ROOT = os.geteuid() == 0
# Root that has to keep to the rights of files, as other users do. It is still who the interpreter's files belong to.
_RIGHTS = "-dac_override,-dac_read_search,-fowner"
WITHOUT_RIGHTS = ["setpriv", f"--inh-caps={_RIGHTS}", f"--bounding-set={_RIGHTS}"] if _ROOT else []
"""The start of a command that is not above the rights of files."""


class Disk:
    """A mount namespace and a directory in it, `path`, to mount on. Commands that `run` in it see what is mounted."""

    def __init__(self, path: Path, process: int) -> None:
        self.path = path
        self._process = process
        self._enter = ["nsenter", f"--mount=/proc/{process}/ns/mnt"]
        if not _ROOT:
            self._enter += [f"--user=/proc/{process}/ns/user", "--preserve-credentials"]

    def outside(self, path: Path) -> Path:
        """A path in the namespace as this process, which is outside, can read it."""
        return Path(f"/proc/{self._process}/root{path}")

    def words(self, *words: Any) -> list[str]:
        """A command in the namespace."""
        return [*self._enter, "--", *map(str, words)]

    async def run(self, *words: Any) -> tuple[int, str, str]:
        """Run a command in the namespace; returns exit code, stdout and stderr."""
        process = await asyncio.create_subprocess_exec(
            *self.words(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async def crawl(self, *words: Any) -> tuple[int, str, str]:
        """Run the real command in the namespace."""
        return await self.run(sys.executable, "-W", "error", "-m", "asynccrawl", *words)

    async def must(self, *words: Any) -> str:
        """Run a command that has to succeed; returns its output."""
        code, out, err = await self.run(*words)
        assert code == 0, (words, out, err)
        return out


@asynccontextmanager
async def own_disk(path: Path) -> AsyncIterator[Disk]:
    """A namespace in which `path`, an empty directory, may be mounted on."""
    path.mkdir(exist_ok=True)
    unshare = ["unshare", "--mount"] if _ROOT else ["unshare", "--mount", "--map-root-user"]
    holder = await asyncio.create_subprocess_exec(
        *unshare, "sh", "-c", "echo ready; exec cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert holder.stdout and holder.stderr
        if await holder.stdout.readline() != b"ready\n":
            raise AssertionError(f"no mount namespace can be made here: {(await holder.stderr.read()).decode()}")
        yield Disk(path, holder.pid)
    finally:
        holder.kill()
        await holder.communicate()


@asynccontextmanager
async def small_disk(path: Path, size: str) -> AsyncIterator[Disk]:
    """A disk in memory of `size`, as mount(8) has it: `2m`."""
    async with own_disk(path) as disk:
        await disk.must("mount", "-t", "tmpfs", "-o", f"size={size}", "none", path)
        yield disk
