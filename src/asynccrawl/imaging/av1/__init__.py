"""AV1: the headers of a still picture, where libaom minds what dav1d does not."""

from .headers import flaw

__all__ = ["flaw"]
