"""The AV1 decoder within Pillow, asked to be strict.

dav1d covers up damage: whatever bits there are decode to something, and by default nobody looks whether a tile's data
end where its symbols do. Its setting `strict_std_compliance` has it look (AV1 specification, 8.2.4, and the padding of
its headers), as libaom always does. Neither libavif nor Pillow can set it. So the functions of dav1d are called that
Pillow's library is linked with: they are found through it, in Pillow's own wheels and in distributions alike, nothing
of Pillow's is changed, and each picture has a decoder of its own. The layout of what is passed is that of API 7
(dav1d 1.3 and later); where dav1d is another one, or is not to be reached, there is no opinion.

Nothing is filtered and nobody sees a pixel, so this takes about half as long as Pillow does.
"""

from __future__ import annotations

import errno
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CDLL, Structure, byref, c_int, c_int64, c_size_t, c_uint, c_uint8, c_void_p, memmove, sizeof
from typing import NamedTuple

from .extent import CutShort

_API = 7
_AGAIN = -errno.EAGAIN
_NO_FILTERS = 0
_FUNCTIONS = ("open", "close", "default_settings", "data_create", "data_unref", "send_data", "get_picture",
              "picture_unref")  # fmt: skip


class _Settings(Structure):
    """Dav1dSettings."""

    _fields_ = (
        ("n_threads", c_int), ("max_frame_delay", c_int), ("apply_grain", c_int), ("operating_point", c_int),
        ("all_layers", c_int), ("frame_size_limit", c_uint), ("allocator", c_void_p * 3), ("logger", c_void_p * 2),
        ("strict_std_compliance", c_int), ("output_invisible_frames", c_int), ("inloop_filters", c_int),
        ("decode_frame_type", c_int), ("reserved", c_uint8 * 16),
    )  # fmt: skip


class _Data(Structure):
    """Dav1dData, with the properties that travel with it."""

    _fields_ = (("data", c_void_p), ("size", c_size_t), ("ref", c_void_p), ("times", c_int64 * 3),
                ("packet", c_size_t), ("user", c_void_p * 2))  # fmt: skip


class _Picture(Structure):
    """Dav1dPicture, as far as it is looked at; what follows is larger than it has ever been."""

    _fields_ = (("headers", c_void_p * 2), ("planes", c_void_p * 3), ("stride", c_void_p * 2), ("width", c_int),
                ("height", c_int), ("layout", c_int), ("bits", c_int), ("rest", c_uint8 * 1024))  # fmt: skip


class Kind(NamedTuple):
    """What a coded picture turned out to be: grey without colours, and its bits a sample."""

    grey: bool
    bits: int


@functools.cache
def _library() -> CDLL | None:
    from PIL import _avif

    library = CDLL(_avif.__file__)
    try:
        if library.dav1d_version_api() >> 16 != _API:
            return None
        for name in _FUNCTIONS:
            getattr(library, f"dav1d_{name}")
    except AttributeError:
        return None
    library.dav1d_data_create.restype = c_void_p
    return library


def usable() -> bool:
    """Whether the decoder can be reached."""
    return _library() is not None


def decode(data: bytes, max_pixels: int) -> Kind:
    """Decode what one picture of an AVIF is coded as. Releases the GIL.

    Raises CutShort where any of it is not as the standard demands, or a frame has more than `max_pixels`, and
    MemoryError. `usable` must have said that it can be called.
    """
    library = _library()
    assert library
    kind: Kind | None = None
    with _opened(library, max_pixels) as context, _filled(library, data) as waiting:
        while waiting.size:
            _checked(library.dav1d_send_data(context, byref(waiting)))
            for picture in _pictures(library, context):
                kind = kind or Kind(picture.layout == 0, picture.bits)
    if kind is None:
        raise CutShort("its AV1 data hold no picture")
    return kind


@contextmanager
def _opened(library: CDLL, max_pixels: int) -> Iterator[c_void_p]:
    settings, context = _Settings(), c_void_p()
    library.dav1d_default_settings(byref(settings))
    settings.n_threads = settings.max_frame_delay = settings.strict_std_compliance = 1
    settings.apply_grain, settings.inloop_filters = 0, _NO_FILTERS
    settings.frame_size_limit = min(max_pixels, 2 ** (8 * sizeof(c_uint)) - 1)
    settings.logger[1] = None  # or it would write to stderr
    if library.dav1d_open(byref(context), byref(settings)):
        raise MemoryError("dav1d cannot be opened")
    try:
        yield context
    finally:
        library.dav1d_close(byref(context))


@contextmanager
def _filled(library: CDLL, data: bytes) -> Iterator[_Data]:
    waiting = _Data()
    room = library.dav1d_data_create(byref(waiting), c_size_t(len(data)))
    if not room:
        raise MemoryError("no memory for a copy of AV1 data")
    try:
        memmove(room, data, len(data))
        yield waiting
    finally:
        library.dav1d_data_unref(byref(waiting))


def _pictures(library: CDLL, context: c_void_p) -> Iterator[_Picture]:
    """All that are ready."""
    picture = _Picture()
    while not (code := library.dav1d_get_picture(context, byref(picture))):
        yield picture
        library.dav1d_picture_unref(byref(picture))
    _checked(code)


def _checked(code: int) -> None:
    if code == -errno.ENOMEM:
        raise MemoryError("dav1d has no memory left")
    if code not in (0, _AGAIN):
        raise CutShort("its AV1 data are damaged")
