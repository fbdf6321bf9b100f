"""The whole of the tutorial "Re-Training the Recognition Network", on a server of our own: crawl the synsets of the
twelve classes, group them, split them for training and validation, and write them in every format that is trained from.

python examples/tutorial.py [DIRECTORY]

The tutorial downloads 100 GB to use 20. Here only what belongs to the twelve classes is fetched, and of each synset
no more than is wanted.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

import asynccrawl
from asynccrawl.subset import load_grouping
from asynccrawl.testing import ImageServer, html_as_jpeg, numbered, picture

PER_SYNSET = 5
"""As many as there are. Of more, those that come first would be kept, which are others each time; and names decide what
is for validation, so that now and then the smallest class would have nothing there.
"""


def fill(server: ImageServer) -> list[str]:
    """Six pictures of each of the 211 synsets and of a synset that is in no class; one in six is a web page."""
    jpeg, lines = picture(size=(96, 72)), []
    for synset in [*sorted(load_grouping("imagenet12").labels), "n03126707"]:
        for n in range(6):
            path = f"/{synset}/{n}.jpg"
            server.add(path, html_as_jpeg() if n == 3 else numbered(jpeg, len(lines)))
            lines.append(f"{synset}_{n}\t{server.url(path, len(lines) % 20)}")
    return lines


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def main(directory: Path) -> None:
    async with ImageServer(hosts=20) as server:
        listed = directory / "urls.txt"
        lines = await asyncio.to_thread(fill, server)
        await asyncio.to_thread(listed.write_text, "\n".join(lines) + "\n")
        settings = asynccrawl.Settings(
            concurrency=100,
            network=asynccrawl.Network(allow_net=("127.0.0.0/8",)),
            list=asynccrawl.ListOptions(only_labels="imagenet12", per_label=PER_SYNSET),
        )
        print(await asynccrawl.crawl(listed, directory / "ilsvrc12", settings=settings))
    subset = await asynccrawl.build_subset(directory / "ilsvrc12", "imagenet12", directory / "12_classes", val=20)
    print(f"\n{subset}\n")
    for split in ("train", "val"):
        classes = await asyncio.to_thread(names_in, directory / "12_classes" / split)
        print(f"12_classes/{split}: {', '.join(classes)}")
    assert subset.images == 211 * PER_SYNSET and subset.complete, subset
    await export(directory)


async def export(directory: Path) -> None:
    """What was divided stays divided; every format has the same classes under the same numbers."""
    formats: dict[str, dict[str, object]] = {
        "imagefolder": {"resize": 64, "mode": "center_crop"},  # torchvision, timm, keras, Hugging Face
        "webdataset": {},  # tar shards, for training from a stream
        "parquet": {},  # Hugging Face, with captions and all
        "lmdb": {"resize": 64},  # DIGITS and Caffe, with the mean of the training pictures
    }
    for name, options in formats.items():
        out = directory / name
        try:
            report = await asynccrawl.export(directory / "12_classes", out, name, **options)
        except asynccrawl.SettingsError as error:
            print(f"{name}: {error}")  # an extra that is not installed
            continue
        made = ", ".join(await asyncio.to_thread(names_in, out))
        print(f"{name}: {report.count('train')} to train on, {report.count('val')} to validate; {made}")
        assert report.images == 211 * PER_SYNSET and len(report.labels) == 12, report


if __name__ == "__main__":
    if len(sys.argv) == 2:
        Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
        asyncio.run(main(Path(sys.argv[1])))
    else:
        with tempfile.TemporaryDirectory() as made:
            asyncio.run(main(Path(made)))
