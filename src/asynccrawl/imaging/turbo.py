"""The strict decoder of the extra `turbo`: libjpeg-turbo through simplejpeg, which tells its warnings.

It is quicker than a scaled decode with Pillow, and it sees what libjpeg mends in silence: data that end early in any
scan, codes that do not exist, restart markers that are missing. Other warnings (an unknown version of JFIF, spare
bytes) are of good pictures too; then it has no opinion, and the other decoder decides.
"""

from __future__ import annotations

import functools
import importlib.util
import re
from typing import Any

from ..errors import SettingsError
from .buffer import Buffer

_DAMAGE = re.compile(r"premature end|bad Huffman code|bad arithmetic|instead of RST|corrupt progressive", re.IGNORECASE)
"""libjpeg-turbo's warnings (jerror.h) of data that are not there, or not right."""
_MISSING = "turbo is on, and simplejpeg is not installed: pip install 'asynccrawl[turbo]'"


@functools.cache
def _module() -> Any:
    try:
        import simplejpeg
    except ImportError:
        return None
    return simplejpeg


def usable(wish: str) -> bool:
    """Whether the decoder is there and wished for. Raises SettingsError where it is missing and demanded ("on")."""
    if wish == "off":
        return False
    if wish == "on" and _module() is None:
        raise SettingsError(_MISSING)
    return _module() is not None


def check(wish: str) -> None:
    """Raises SettingsError like `usable`, and loads nothing: for those who have others decode."""
    if wish == "on" and importlib.util.find_spec("simplejpeg") is None:
        raise SettingsError(_MISSING)


def verdict(data: Buffer) -> str | bool:
    """True: it decodes without a warning. A text: what is damaged. False: no opinion. The GIL is released."""
    try:
        _module().decode_jpeg(data, "GRAY", min_height=1, min_width=1, min_factor=8, strict=True)
    except ValueError as error:
        return str(error)[:200] if _DAMAGE.search(str(error)) else False
    except Exception:
        return False
    return True
