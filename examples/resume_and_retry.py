"""A crawl that is killed, resumed, and run once more for what failed for a passing cause.

python examples/resume_and_retry.py
"""

import asyncio
import signal
import sys
import tempfile
from pathlib import Path

from asynccrawl.testing import Answer, ImageServer, picture, status

RECORDS = 120


async def crawl(listed: Path, dest: Path, kill_when: asyncio.Event | None = None) -> None:
    """The command, as one would type it; with `kill_when`, killed at that moment."""
    words = ("crawl", str(listed), str(dest), "--allow-net", "127.0.0.0/8", "--retry", "0", "--msg", "60")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "asynccrawl", *words, stdout=asyncio.subprocess.PIPE
    )
    if kill_when is not None:
        await kill_when.wait()
        process.send_signal(signal.SIGKILL)
    out, _ = await process.communicate()
    print(f"-- exit {process.returncode}")
    print(out.decode().partition("\n\n")[0] if out else "killed in the middle")


def names(dataset: Path) -> set[str]:
    """The numbers of the records whose pictures are there."""
    return {path.stem.rpartition("_")[2] for path in dataset.glob("*/*.jpg")}


async def main(directory: Path) -> None:
    half_way = asyncio.Event()

    def answer(request: object) -> Answer:
        if server.audit.count() >= RECORDS // 2:
            half_way.set()
        return Answer(picture(seed=7), delay=0.05)

    async with ImageServer(hosts=2) as server:
        server.route(answer)
        server.add("/3.jpg", status(503), status(503), picture(seed=3))  # comes back to life
        listed = directory / "urls.txt"
        lines = [f"n01440764_{n} {server.url(f'/{n}.jpg', n % 2)}" for n in range(RECORDS)]
        await asyncio.to_thread(listed.write_text, "\n".join(lines) + "\n")
        await crawl(listed, directory / "dataset", half_way)  # kill -9 half-way
        killed, stored = server.audit.count(), await asyncio.to_thread(names, directory / "dataset")
        await crawl(listed, directory / "dataset")  # the same command goes on
        resumed = server.audit.count()
        await crawl(listed, directory / "dataset")  # and again: only what failed for a passing cause
        again = {Path(entry.path).stem for entry in server.audit.requests()[killed:]}
        print(f"requests: {killed} until the kill, {resumed - killed} after it, {server.audit.count() - resumed} more")
    saved = await asyncio.to_thread(names, directory / "dataset")
    assert len(saved) == RECORDS and not stored & again
    print(f"{len(saved)} pictures, and but for what was under way nothing was fetched twice")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        asyncio.run(main(Path(made)))
