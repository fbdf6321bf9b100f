"""The command, with a thread that writes down every half second how many asyncio tasks there are.

    python watched.py FILE crawl LIST DEST ...

Nothing else is different: the same `main`, in the same process.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from pathlib import Path

import uvloop

from asynccrawl.cli.main import main

SECONDS = 0.5


def watch(file: Path, loop: asyncio.AbstractEventLoop) -> None:
    """Write the number of tasks, again and again."""
    while not loop.is_closed():
        file.write_text(str(len(asyncio.all_tasks(loop))))
        time.sleep(SECONDS)


def watching(file: Path) -> None:
    """Have every loop that is made from now on watched."""
    make = uvloop.new_event_loop

    def made() -> asyncio.AbstractEventLoop:
        loop = make()
        threading.Thread(target=watch, args=(file, loop), daemon=True).start()
        return loop

    uvloop.new_event_loop = made


if __name__ == "__main__":
    watching(Path(sys.argv[1]))
    main(sys.argv[2:])
