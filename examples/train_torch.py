"""The loading side of training: an exported data set in torchvision's ImageFolder, and a network that learns from it.

python examples/train_torch.py [DATASET]

DATASET has a directory a class, as `asynccrawl crawl` makes it. Without it two classes are drawn: bright and dark.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from PIL import Image

import asynccrawl

try:
    import torch
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms
except ImportError as error:
    print(f"{error.name} is not installed: pip install torch torchvision")
    raise SystemExit(0) from None

SIDE, EPOCHS = 32, 5


def draw(root: Path) -> None:
    for label, base in (("bright", 180), ("dark", 60)):
        (root / label).mkdir(parents=True)
        for n in range(60):
            shade = tuple(base + (n * step) % 40 for step in (3, 7, 11))
            Image.new("RGB", (48, 40), shade).save(root / label / f"{label}_{n}.jpg")


def loader(root: Path, *, shuffle: bool) -> DataLoader:
    centred = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)])
    folder = datasets.ImageFolder(str(root), centred)
    return DataLoader(folder, batch_size=16, shuffle=shuffle)


def accuracy(network: torch.nn.Module, data: DataLoader) -> float:
    with torch.no_grad():
        right = [network(images).argmax(1) == labels for images, labels in data]
    return float(torch.cat(right).float().mean())


def main(dataset: Path, out: Path) -> float:
    torch.manual_seed(0)
    report = asyncio.run(
        asynccrawl.export(dataset, out, "imagefolder", val=20, split="digits", resize=SIDE, mode="center_crop")
    )
    train, val = loader(out / "train", shuffle=True), loader(out / "val", shuffle=False)
    assert train.dataset.classes == val.dataset.classes == list(report.labels)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * SIDE * SIDE, len(report.labels)))
    optimizer, loss_of = torch.optim.Adam(network.parameters(), 1e-3), torch.nn.CrossEntropyLoss()
    for epoch in range(EPOCHS):
        for images, labels in train:
            optimizer.zero_grad()
            loss = loss_of(network(images), labels)
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}, accuracy in validation {accuracy(network, val):.0%}")
    return accuracy(network, val)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        if len(sys.argv) == 2:
            main(Path(sys.argv[1]), Path(made) / "out")
        else:
            draw(Path(made) / "dataset")
            assert main(Path(made) / "dataset", Path(made) / "out") > 0.9, "it has not learned to tell bright from dark"
