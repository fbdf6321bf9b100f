"""The mean of many pictures of one size, pixel by pixel."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image


class MeanPicture:
    """Adds up pictures. As DIGITS does, the mean is rounded to whole numbers, halves to even (NumPy's `around`).

    Sums are 32 bits wide, which is enough for eight million pictures.
    """

    def __init__(self) -> None:
        self.count = 0
        self.size: tuple[int, int] | None = None
        self._sums: list[Image] = []

    def add(self, pixels: bytes, width: int, height: int) -> None:
        """Add a picture given as interleaved RGB bytes. Raises ValueError for one of another size."""
        from PIL import Image as pillow

        self._add(pillow.frombytes("RGB", (width, height), pixels).split(), (width, height), 1)

    def merge(self, other: MeanPicture) -> None:
        """Add all that was added to `other`. Raises ValueError for pictures of another size."""
        if other.size is not None:
            self._add(other._sums, other.size, other.count)

    def _add(self, bands: Sequence[Image], size: tuple[int, int], count: int) -> None:
        from PIL import Image as pillow
        from PIL import ImageMath

        if self.size not in (None, size):
            raise ValueError(f"a picture of {size[0]} x {size[1]} among others of {self.size}")
        if not self._sums:
            self.size, self._sums = size, [pillow.new("I", size) for _ in bands]
        pairs = zip(self._sums, bands, strict=True)
        self._sums = [ImageMath.lambda_eval(lambda of: of["a"] + of["b"], a=total, b=band) for total, band in pairs]
        self.count += count

    def planes(self) -> list[bytes]:
        """The mean's red, green and blue plane; none without pictures."""
        return [_rounded(array("i", total.tobytes()), self.count) for total in self._sums]

    def jpeg(self) -> bytes:
        """The mean as a JPEG to look at, in the quality that DIGITS uses."""
        import io

        from PIL import Image as pillow

        assert self.size is not None
        bands = [pillow.frombytes("L", self.size, plane) for plane in self.planes()]
        file = io.BytesIO()
        pillow.merge("RGB", bands).save(file, "JPEG")
        return file.getvalue()


def _rounded(sums: array[int], count: int) -> bytes:
    mean = bytearray()
    for total in sums:
        whole, rest = divmod(total, count)
        mean.append(whole + (2 * rest > count or (2 * rest == count and whole % 2)))
    return bytes(mean)
