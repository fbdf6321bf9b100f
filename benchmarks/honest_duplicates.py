"""False positives of the rule for placeholders, on sets that hold none and were made without knowledge of it.

    apt-get download tuxpaint-stamps-default oxygen-icon-theme ...; dpkg -x FILE.deb DIRECTORY
    python benchmarks/honest_duplicates.py [DIRECTORY...] [--planted 3000]

Every picture below a DIRECTORY is a record; what links lead to counts as a copy under its own name. Its label is the
name of its directory: in an icon theme the context (`apps`, `places`), among stamps the category. Each set is judged as
if its URLs were of one host, of a host for each of its top directories, or dealt to 20 hosts, which is unkind: links of
a theme then look as if many sites had agreed on them. Last, 3,000 pictures with honest duplicates of many shapes, dealt
by a seed.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import quote

from asynccrawl.screening.rule import Evidence, is_placeholder, others_wanted

PICTURES = {".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".bmp", ".tif", ".tiff"}
Copy = tuple[str, str | None, str, int]  # URL, label, content, bytes


def pictures(root: Path) -> list[tuple[Path, str, int]]:
    """Every picture below `root` with the hash and the size of what it holds."""
    found = []
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() in PICTURES and path.is_file():
            data = path.read_bytes()
            found.append((path.relative_to(root), hashlib.sha256(data).hexdigest(), len(data)))
    return found


def hosts(kind: str) -> Callable[[Path], str]:
    """How the pictures of a set are dealt to hosts."""
    return {
        "one host": lambda path: "h",
        "a host a top directory": lambda path: top(path),
        "20 hosts": lambda path: f"h{zlib.crc32(str(path).encode()) % 20}",
    }[kind]


def top(path: Path) -> str:
    """The first directory that tells parts of a set apart: a theme, or else a category."""
    parts = path.parts[:-1]
    below = parts.index("icons") + 1 if "icons" in parts else len(parts) - 1
    return parts[min(below, len(parts) - 1)].lower() if parts else "h"


def label(path: Path) -> str:
    """A picture's directory; for icons the context, not the size."""
    names = [
        part for part in path.parts[:-1] if not any(c.isdigit() for c in part) and part not in ("scalable", "symbolic")
    ]
    return names[-1] if names else "none"


def judge(copies: Iterable[Copy]) -> tuple[int, int, list[tuple[str, str]]]:
    """How many contents come twice or more, how many twelve times or more, and which are taken for placeholders."""
    evidence: dict[str, Evidence] = defaultdict(Evidence)
    counts: Counter[str] = Counter()
    sizes: dict[str, int] = {}
    for url, of, content, size in copies:
        evidence[content].add(url, of, url)
        counts[content] += 1
        sizes[content] = size
    taken = []
    for content, n in counts.items():
        figures = evidence[content].figures()
        if n > 1 and is_placeholder(figures, sizes[content]) and len(counts) > others_wanted(figures):
            taken.append((content, str(figures)))
    return sum(n > 1 for n in counts.values()), sum(n >= 12 for n in counts.values()), taken


def planted(count: int, rng: random.Random) -> list[Copy]:
    """Pictures of 200 labels, each with honest duplicates of some shape."""
    copies: list[Copy] = []
    for n in range(count):
        content, size, own = f"{n:064x}", rng.randrange(1_000, 200_000), f"n{rng.randrange(200)}"
        many, sites = (
            rng.choice((2, 5, 20, 100, 500)),
            [f"h{rng.randrange(500)}" for _ in range(rng.choice((1, 2, 5, 20)))],
        )
        of = [f"n{rng.randrange(200)}" for _ in range(rng.choice((1, 2, 3)))]
        shape = n % 6
        if shape == 0:  # under many keys of one label, wherever
            copies += [(f"http://{rng.choice(sites)}/{n}/{i}.jpg", own, content, size) for i in range(many)]
        elif shape == 1:  # a logo on one site under all labels, a new name each time
            copies += [(f"http://{sites[0]}/{n}_{i}.png", f"n{i % 200}", content, size) for i in range(many)]
        elif shape == 2:  # one file with its name in many places, under all labels
            copies += [(f"http://h{i % 97}/{i}/logo{n}.png", f"n{i % 200}", content, size) for i in range(many)]
        elif shape == 3:  # a stock photograph: a few hosts, a few labels, a few names on each
            names = [(site, k) for site in sites[:6] for k in range(rng.choice((1, 2, 3)))]
            copies += [(f"http://{site}/{n}_{site}_{k}.jpg", rng.choice(of), content, size) for site, k in names]
        elif shape == 4:  # a picture that went round, without a label
            copies += [(f"http://s{n}_{i}/{n}_{i % 7}.jpg", None, content, size) for i in range(many)]
        else:  # the same under two labels, label noise
            copies += [
                (f"http://{rng.choice(sites)}/{n}/{i}.jpg", of[i % min(2, len(of))], content, size) for i in range(many)
            ]
    return copies


def row(name: str, copies: list[Copy], taken: list[int]) -> None:
    """A line of the table: `taken` has the placeholders for each way of dealing."""
    twice, often, _ = judge(copies)
    cells = "".join(f"{n:>8,}" for n in taken)
    print(f"{name:<28}{len(copies):>9,}{twice:>8,}{often:>10,}{cells}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directories", nargs="*", type=Path)
    parser.add_argument("--planted", type=int, default=3_000)
    options = parser.parse_args()
    print(f"{'':28}{'':>9}{'contents that come':>18}  taken for placeholders: labels   /   no labels")
    ways = "".join(f"{way:>8}" for way in ("1 host", "by dir", "dealt") * 2)
    print(f"{'':28}{'records':>9}{'twice':>8}{'12 times':>10}{ways}")
    for root in options.directories:
        found, taken = pictures(root), []
        for labelled in (True, False):
            for kind in ("one host", "a host a top directory", "20 hosts"):
                host = hosts(kind)
                copies = [
                    (f"http://{host(path)}/{quote(str(path))}", label(path) if labelled else None, content, size)
                    for path, content, size in found
                ]
                taken.append(len(judge(copies)[2]))
        row(root.name, copies, taken)
    copies = planted(options.planted, random.Random(7))
    row("planted", copies, [len(judge(copies)[2])])


if __name__ == "__main__":
    main()
