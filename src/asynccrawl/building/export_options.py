"""What an export is made of, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypedDict, get_args

from ..errors import SettingsError
from ..imaging import RESIZE_MODES, Conversion, ResizeMode
from ..sinks import ShardBounds
from ..subset import NearGroups, Splitter
from .options import splitter_of

Format = Literal["imagefolder", "webdataset", "parquet", "lmdb"]
FORMATS: tuple[Format, ...] = get_args(Format)
DIGITS_SIZE, DIGITS_QUALITY = 256, 90
"""The side in pixels, and the JPEG quality, that DIGITS has by default."""
QUALITY = 95
"""The JPEG quality that img2dataset has by default."""


class ExportKeywords(TypedDict, total=False):
    """The keywords of `export`; see ExportOptions."""

    val: float
    test: float
    split: Literal["hash", "digits"]
    seed: int
    near: NearGroups | None
    resize: int | None
    mode: ResizeMode
    encoding: Literal["png", "jpg", "none"] | None
    quality: int | None
    bounds: ShardBounds | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """How an export is made.

    format: `imagefolder`, `webdataset`, `parquet` or `lmdb`; None for a sink of the caller's. val, test: percent of
    each class that go there. split: `hash` decides by the name, the same for ever; `digits` is DIGITS's own rule,
    exact shares of each class, shuffled by `seed`. seed: also of the order in which pictures are written. near: groups
    of pictures that look alike, which are kept on one side (with `hash`).

    resize: the side in pixels, or None for no change (256 for lmdb). mode: see `imaging.resizing`. encoding: `jpg` or
    `png`; `none` leaves pictures as they are (for lmdb: bare pixels); None is png for lmdb, jpg for what is resized,
    and else as they are. quality: of JPEG, 1 to 100; None is 95, for lmdb 90. bounds: how large a shard (webdataset)
    or file (parquet) may become. Raises SettingsError for values that do not go together.
    """

    format: Format | None = None
    val: float = 0.0
    test: float = 0.0
    split: Literal["hash", "digits"] = "hash"
    seed: int = 0
    near: NearGroups | None = None
    resize: int | None = None
    mode: ResizeMode = "squash"
    encoding: Literal["png", "jpg", "none"] | None = None
    quality: int | None = None
    bounds: ShardBounds | None = None

    def __post_init__(self) -> None:
        for name, known in (
            ("format", (*FORMATS, None)), ("mode", RESIZE_MODES),
            ("encoding", ("png", "jpg", "none", None)),
        ):  # fmt: skip
            if getattr(self, name) not in known:
                words = ", ".join(str(word) for word in known if word)
                raise SettingsError(f"{name} is {getattr(self, name)!r}; it must be one of {words}")
        for name, least, most in (("resize", 1, 16_384), ("quality", 1, 100)):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int) and least <= value <= most):
                raise SettingsError(f"{name} is {value!r}; it must be a whole number from {least} to {most}")
        self._check_encoding()
        try:
            _ = self.splitter
        except ValueError as error:
            raise SettingsError(str(error)) from error

    @property
    def splitter(self) -> Splitter:
        """The rule that divides each class."""
        return splitter_of(self.split, self.val, self.test, self.seed, self.near)

    @property
    def conversion(self) -> Conversion | None:
        """What is made of each picture; None for nothing."""
        if self.format == "lmdb":
            encoding = "bgr" if self.encoding == "none" else self.encoding or "png"
            return Conversion(
                size=self.resize or DIGITS_SIZE, mode=self.mode, encoding=encoding,
                quality=self.quality or DIGITS_QUALITY, rgb=True, pixels=True,
            )  # fmt: skip
        if self.resize is None and self.encoding in (None, "none"):
            return None
        encoding = "png" if self.encoding == "png" else "jpg"
        return Conversion(size=self.resize, mode=self.mode, encoding=encoding, quality=self.quality or QUALITY)

    def _check_encoding(self) -> None:
        if self.format != "lmdb" and self.encoding == "none" and self.resize is not None:
            raise SettingsError("a picture of another size needs an encoding: jpg or png (bare pixels are for lmdb)")
        if self.format == "lmdb" and self.mode in ("no", "keep_ratio", "keep_ratio_largest"):
            raise SettingsError(f"mode {self.mode} leaves pictures of many sizes; an lmdb, and its mean, have one")
        if self.quality is not None and (self.conversion is None or self.conversion.encoding != "jpg"):
            raise SettingsError("quality is JPEG's: it needs encoding jpg")
