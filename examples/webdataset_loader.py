"""A data set as WebDataset shards, read back by the `webdataset` package in shuffled order, without torch.

python examples/webdataset_loader.py
"""

import asyncio
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import asynccrawl
from asynccrawl.sinks import ShardBounds
from asynccrawl.testing import picture

try:
    import webdataset
except ImportError:
    print("webdataset is not installed: pip install webdataset")
    raise SystemExit(0) from None

warnings.simplefilter("ignore", ResourceWarning)  # the package leaves the closing of files to the garbage collector


def make_dataset(root: Path) -> None:
    for seed in range(60):
        label = ("cat", "dog", "fish")[seed % 3]
        (root / label).mkdir(parents=True, exist_ok=True)
        (root / label / f"{label}_{seed}.jpg").write_bytes(picture(size=(96, 72), seed=seed))


def main(directory: Path) -> None:
    make_dataset(directory / "dataset")
    made = asynccrawl.export(
        directory / "dataset", directory / "shards", "webdataset", val=20, resize=64, mode="center_crop",
        bounds=ShardBounds(count=16),
    )  # fmt: skip
    report = asyncio.run(made)
    labels = (directory / "shards" / "labels.txt").read_text().splitlines()
    for split in ("train", "val"):
        shards = [str(path) for path in sorted((directory / "shards").glob(f"{split}-*.tar"))]
        # Shards in random order, and within reach of a buffer the pictures, too; both are new in every epoch.
        loader = webdataset.WebDataset(shards, shardshuffle=len(shards)).shuffle(32).decode("pil")
        seen: Counter[str] = Counter()
        for image, number in loader.to_tuple("jpg", "cls"):
            assert image.size == (64, 64)
            seen[labels[number]] += 1
        assert seen == {label: counts[split] for label, counts in report.labels.items() if counts[split]}
        print(f"{split}: {len(shards)} shards, {dict(sorted(seen.items()))}")


if __name__ == "__main__":
    if len(sys.argv) == 2:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as made:
            main(Path(made))
