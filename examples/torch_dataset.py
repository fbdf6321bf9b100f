"""Training straight from a list of URLs: an IterableDataset over `stream`.

python examples/torch_dataset.py

Each worker of a DataLoader takes its own part of the list. For more than one epoch crawl to disk instead: a network is
no place to shuffle.
"""

import asyncio
import io
import threading
from collections.abc import Iterator

from PIL import Image

import asynccrawl
from asynccrawl.testing import ImageServer, picture

try:
    import torch
    from torch.utils.data import DataLoader, IterableDataset, get_worker_info
except ImportError:
    print("torch is not installed: pip install torch")
    raise SystemExit(0) from None


class UrlDataset(IterableDataset):
    """(picture as a float tensor of shape 3 x size x size in 0..1, label) for each URL that has a valid picture."""

    def __init__(
        self, urls: list[tuple[str, str]], labels: list[str], size: int, settings: asynccrawl.Settings
    ) -> None:
        self.urls, self.size, self.settings = urls, size, settings
        self.index = {label: n for n, label in enumerate(labels)}

    def __iter__(self) -> Iterator[tuple[torch.Tensor, int]]:
        worker = get_worker_info()
        urls = self.urls[worker.id :: worker.num_workers] if worker else self.urls
        results = asynccrawl.stream(urls, settings=self.settings)
        with asyncio.Runner() as runner:  # a loop of this iterator's own; `stream` needs no other
            try:
                while (result := runner.run(anext_or_none(results))) is not None:
                    if isinstance(result, asynccrawl.Sample):
                        yield self.tensor(runner.run(result.read())), self.index[result.label or ""]
            finally:
                runner.run(results.aclose())

    def tensor(self, data: bytes) -> torch.Tensor:
        image = Image.open(io.BytesIO(data)).convert("RGB").resize((self.size, self.size))
        flat = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
        return flat.reshape(self.size, self.size, 3).permute(2, 0, 1) / 255


async def anext_or_none(results):
    return await anext(results, None)


def main() -> None:
    serving, done = threading.Event(), threading.Event()
    urls: list[tuple[str, str]] = []

    async def serve() -> None:
        async with ImageServer(hosts=2) as server:
            for n in range(16):
                server.add(f"/{n}.jpg", picture(seed=n))
            urls.extend((f"{'cat' if n % 2 else 'dog'}_{n}", server.url(f"/{n}.jpg", n % 2)) for n in range(18))
            serving.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    serving.wait()
    try:
        settings = asynccrawl.Settings(network=asynccrawl.Network(allow_net=("127.0.0.0/8",)))
        dataset = UrlDataset(urls, ["cat", "dog"], 32, settings)
        seen = 0
        for images, labels in DataLoader(dataset, batch_size=4):
            assert images.shape[1:] == (3, 32, 32) and images.min() >= 0 and images.max() <= 1
            seen += len(labels)
    finally:
        done.set()
        thread.join()
    print(f"{seen} of {len(urls)} pictures became torch tensors")
    assert seen == 16


if __name__ == "__main__":
    main()
