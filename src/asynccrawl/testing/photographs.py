"""Real photographs without a network: crops of those that scikit-image and scikit-learn ship (extra `demo`)."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from importlib import resources

from PIL import Image

from .extras import MissingExtra

_SHIPPED = {
    "skimage.data": ("astronaut.png", "chelsea.png", "coffee.png", "hubble_deep_field.jpg", "motorcycle_left.png",
                     "rocket.jpg", "retina.jpg", "ihc.png", "grass.png", "gravel.png", "brick.png", "camera.png",
                     "coins.png", "moon.png"),
    "sklearn.datasets.images": ("china.jpg", "flower.jpg"),
}  # fmt: skip
FORMATS = ("jpeg", "jpeg", "jpeg", "png", "webp", "gif")
"""The formats of successive photographs: half of them JPEG."""


def originals() -> list[Image.Image]:
    """The shipped photographs, as RGB. Raises MissingExtra where they are not installed."""
    found = []
    for package, names in _SHIPPED.items():
        try:
            folder = resources.files(package)
        except ModuleNotFoundError as error:
            raise MissingExtra(f"the demo needs photographs: pip install 'asynccrawl[demo]' ({error})") from error
        for name in names:
            file = folder.joinpath(name)
            if file.is_file():  # not every version ships every picture
                with Image.open(io.BytesIO(file.read_bytes())) as image:
                    found.append(image.convert("RGB"))
    return found


def photographs(count: int, seed: int = 0, width: int = 400) -> Iterator[tuple[str, bytes]]:
    """`count` photographs as (format, bytes), no two alike: crops, turned, mirrored and scaled to `width` pixels."""
    rng = random.Random(seed)
    sources = originals()
    seen: set[bytes] = set()
    while len(seen) < count:
        kind = FORMATS[len(seen) % len(FORMATS)]
        data = _encoded(_crop(rng.choice(sources), rng, width), kind, rng)
        if data not in seen:
            seen.add(data)
            yield kind, data


def _crop(image: Image.Image, rng: random.Random, width: int) -> Image.Image:
    share = rng.uniform(0.45, 0.95)
    w, h = int(image.width * share), int(image.height * share)
    x, y = rng.randint(0, image.width - w), rng.randint(0, image.height - h)
    piece = image.crop((x, y, x + w, y + h)).resize((width, max(1, width * h // w)))
    if rng.random() < 0.5:
        piece = piece.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return piece.rotate(rng.uniform(-8, 8), resample=Image.Resampling.BILINEAR)


def _encoded(image: Image.Image, kind: str, rng: random.Random) -> bytes:
    file = io.BytesIO()
    if kind == "jpeg":
        image.save(file, "JPEG", quality=rng.randint(70, 95), progressive=rng.random() < 0.1)
    elif kind == "webp":
        image.save(file, "WEBP", quality=rng.randint(60, 90), method=0)
    elif kind == "gif":
        image.quantize(128).save(file, "GIF")
    else:
        image.resize((image.width // 2, image.height // 2)).save(file, "PNG", compress_level=1)
    return file.getvalue()
