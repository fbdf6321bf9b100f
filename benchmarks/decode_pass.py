"""What somebody without us does after `curl --parallel`: decode every file, on all cores, and name those that fail.

    python benchmarks/decode_pass.py DIRECTORY

The decoder is ours, so that the table compares ways of working, not decoders.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from asynccrawl.errors import InvalidImage
from asynccrawl.imaging import examine
from asynccrawl.settings import ImagePolicy

_CHUNK = 50


def verdict(path: Path) -> str | None:
    """Why a file is no picture; None where it is one."""
    try:
        examine(path.read_bytes(), ImagePolicy(), None)
    except InvalidImage as error:
        return f"{path}: {error.reason.value}: {error.detail}"
    return None


def main() -> None:
    files = sorted(Path(sys.argv[1]).rglob("*.*"))
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        bad = [text for text in pool.map(verdict, files, chunksize=_CHUNK) if text]
    print("\n".join([*bad, f"{len(files)} files, {len(bad)} bad"]))
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
