"""The placeholder of the ImageNet list, unknown to the signatures, in a list of the same shape: are all copies found?

    python benchmarks/placeholders.py [--records 20000] [--labels 1000] [--kills 5] [--dest DIR]

Of the records 11.2 % answer with one and the same picture of 2,051 bytes. Four hosts hold four fifths of the list,
forty the rest. Further 2 % are honest duplicates: pictures under several keys of one label, a logo on one site under
many labels, photographs on a few hosts. The list is crawled shuffled, sorted by label, and shuffled with `kill -9` on
the way; then every record and every file is looked at. The server runs in its own process.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from asynccrawl.errors import StorageError
from asynccrawl.ledger import FILE_NAME, manifest, reading
from asynccrawl.ledger.reader import count_of
from asynccrawl.testing import Answer, ImageServer, PictureSet, placeholder

SHARE = 108_034 / 961_148  # of the ImageNet list
BIG, SMALL_HOSTS, HOSTS = 0.8, 40, 44
Entry = tuple[str, str, int, int]  # key, kind, number of the picture, host


def entries(records: int, labels: int) -> list[Entry]:
    """The list in the order of its labels: what each record is, and which host has it."""
    rng = random.Random(records)
    made = []
    for n in range(records):
        label, host = n * labels // records, rng.randrange(4) if rng.random() < BIG else rng.randrange(4, HOSTS)
        kind, number = ("gone", 0) if rng.random() < SHARE else ("picture", n)
        if kind == "picture" and (draw := rng.random()) < 0.02:
            # Honest duplicates: of the label; of site 7, whose logo has a new name on each page; of a few hosts.
            kind, number, host = (
                ("same", label, host), ("logo", 0, 7), ("stock", n // 40, host % 4)
            )[int(draw * 150) % 3]  # fmt: skip
        made.append((f"n{label:08d}_{n}", kind, number, host))
    return made


def serve(pictures: PictureSet) -> None:
    """The server's process: a picture for what the path says; ends with its input."""
    import asyncio

    async def main() -> None:
        async with ImageServer(hosts=HOSTS) as server:
            bases = {"same": 10**6, "logo": 2 * 10**6, "stock": 3 * 10**6}

            def answer(path: str) -> Answer:
                kind, number, _ = path[1:].split("-")
                return Answer(gone if kind == "gone" else pictures.data(bases.get(kind, 0) + int(number)))

            gone = placeholder()
            server.route(lambda request: answer(request.path))
            print(json.dumps({"port": server.port, "hosts": server.hosts}), flush=True)
            await asyncio.to_thread(sys.stdin.read)

    asyncio.run(main())


@contextmanager
def serving() -> Iterator[tuple[int, list[str]]]:
    """A running server: its port and its hosts."""
    words = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdin and process.stdout
        told = json.loads(process.stdout.readline())
        try:
            yield told["port"], told["hosts"]
        finally:
            process.stdin.close()


def done(dest: Path) -> int:
    """Records of a crawl that have their outcome."""
    with contextlib.suppress(StorageError), reading(dest / FILE_NAME) as connection:
        return sum(n for status, n in count_of(connection).items() if status != "pending")
    return 0  # it has not been made yet


def crawl(listed: Path, dest: Path, records: int, kills: int) -> float:
    """Crawl by command, killed so often on the way; returns the seconds of all runs together."""
    words = [sys.executable, "-m", "asynccrawl", "crawl", str(listed), str(dest), "--allow-net", "127.0.0.0/8"]
    began = time.perf_counter()
    for kill in range(kills):
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while done(dest) < records * (kill + 1) // (kills + 1) and process.poll() is None:
                time.sleep(0.02)
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
    shown = subprocess.run(words, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    return time.perf_counter() - began


def judged(dest: Path, wanted: dict[str, str]) -> str:
    """What became of the list: every outcome and every file is looked at."""
    found = wrong = missed = 0
    gone = placeholder()
    with reading(dest / FILE_NAME) as connection:
        for outcome in manifest(connection):
            refused, meant = outcome.reason == "placeholder", wanted.pop(outcome.key or "") == "gone"
            found += refused and meant
            wrong += refused and not meant
            missed += meant and not refused
            assert refused or outcome.reason is None, outcome
    assert not wanted, "every record has its outcome"
    files = [path for path in dest.glob("*/*") if not path.parent.name.startswith(".")]
    left = sum(path.stat().st_size == len(gone) and path.read_bytes() == gone for path in files)
    return f"{found:>7,} found, {missed:>3,} missed, {wrong:>3,} wrong; of {len(files):,} files {left} placeholders"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--labels", type=int, default=1_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--dest", type=Path, default=None)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(PictureSet(4 * 10**6, size=(60, 45)))
        return
    made = entries(options.records, options.labels)
    kinds = [kind for _, kind, _, _ in made]
    print(f"{len(made):,} records, {options.labels:,} labels, {kinds.count('gone'):,} placeholders")
    honest = f"{kinds.count('same')} of one label, {kinds.count('logo')} of a logo"
    print(f"honest duplicates: {honest}, {kinds.count('stock')} of photographs on a few hosts")
    shuffled = random.Random(1).sample(made, len(made))
    rows = (("shuffled", shuffled, 0), ("by label", made, 0), (f"{options.kills} kills", shuffled, options.kills))
    with serving() as (port, hosts), tempfile.TemporaryDirectory(dir=options.dest) as room:
        for name, order, kills in rows:
            listed, dest = Path(room) / f"{name}.txt", Path(room) / name
            lines = (f"{key}\thttp://{hosts[h]}:{port}/{kind}-{n}-{key}.jpg\n" for key, kind, n, h in order)
            listed.write_text("".join(lines))
            seconds = crawl(listed, dest, len(made), kills)
            print(f"{name:>10}: {judged(dest, {key: kind for key, kind, _, _ in made})}; {seconds:.0f} s")


if __name__ == "__main__":
    main()
