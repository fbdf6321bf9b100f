"""Whether a picture is the very one that its list demands, by the hashes of the bytes that were served."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

from .errors import InvalidImage, unreadable_spool
from .models import Reason, Request

_NAMES = {"sha256": "SHA-256", "md5": "MD5"}


async def check_expected(request: Request, body: bytes | Path, sha256: str) -> None:
    """Compare a body with the hashes in `request`, if there are any; `sha256` is the body's own, in lower case.

    Raises InvalidImage (hash_mismatch), and StorageError for a spooled body that cannot be read.
    """
    if request.sha256 is not None:
        _compare("sha256", request.sha256, sha256)
    if request.md5 is not None:
        _compare("md5", request.md5, await asyncio.to_thread(_md5, body))


def _compare(kind: str, expected: str, found: str) -> None:
    if expected.lower() != found:
        text = f"the {_NAMES[kind]} of what was served is {found}, and the list demands {expected.lower()}"
        raise InvalidImage(Reason.HASH_MISMATCH, text)


def _md5(body: bytes | Path) -> str:
    if isinstance(body, bytes):
        return hashlib.md5(body, usedforsecurity=False).hexdigest()
    try:
        with body.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except OSError as error:
        raise unreadable_spool(body, error) from error
