"""What a body is by its first bytes."""

from __future__ import annotations

import re

HEAD_BYTES = 1024
"""How much of a body is looked at."""

_MAGIC = (
    (b"\xff\xd8\xff", "jpeg"), (b"\x89PNG\r\n\x1a\n", "png"), (b"GIF87a", "gif"), (b"GIF89a", "gif"),
    (b"II*\x00", "tiff"), (b"MM\x00*", "tiff"), (b"II+\x00", "tiff"), (b"MM\x00+", "tiff"),
    (b"\x00\x00\x01\x00", "ico"), (b"\x00\x00\x02\x00", "cur"), (b"8BPS", "psd"), (b"\x00\x00\x00\x0cjP  ", "jpeg2000"),
    (b"\xff\x4f\xff\x51", "jpeg2000"), (b"\xff\x0a", "jxl"), (b"\x00\x00\x00\x0cJXL ", "jxl"), (b"%!PS", "eps"),
    (b"\xc5\xd0\xd3\xc6", "eps"), (b"DDS ", "dds"), (b"qoif", "qoi"), (b"BPG\xfb", "bpg"), (b"gimp xcf", "xcf"),
    (b"icns", "icns"), (b"%PDF", "PDF"), (b"PK\x03\x04", "ZIP archive"), (b"\x1f\x8b", "gzip data"),
    (b"Rar!", "RAR archive"), (b"ID3", "MP3 sound"), (b"OggS", "Ogg media"), (b"\x1aE\xdf\xa3", "Matroska video"),
    (b"FLV\x01", "Flash video"), (b"FWS", "Flash"), (b"CWS", "Flash"),
)  # fmt: skip
_BRANDS = {
    b"avif": "avif", b"avis": "avif", b"heic": "heic", b"heix": "heic", b"hevc": "heic", b"mif1": "heic",
    b"msf1": "heic",
}  # fmt: skip
PICTURES = frozenset(
    {
        *(name for magic, name in _MAGIC if name.islower() and " " not in name),
        *_BRANDS.values(),
        "webp",
        "bmp",
        "pnm",
        "svg",
    }
)
"""What is a picture, whether or not it can be kept."""

_PNM = re.compile(rb"P[1-7]\s")
_HTML = re.compile(rb"<(?:!doctype html|html|head|body|script|title|meta|div|p|br|h1|a |!--)", re.IGNORECASE)


def sniff(head: bytes) -> str | None:
    """A format's name, what else the body is ("HTML", "JSON", ...), or None where nothing is recognised."""
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    return _container(head) or _text(head)


def _container(head: bytes) -> str | None:
    if head[:4] == b"RIFF":
        return "webp" if head[8:12] == b"WEBP" else "RIFF media"
    if head[4:8] == b"ftyp":
        brands = [head[8:12], *(head[i : i + 4] for i in range(16, min(len(head), 64), 4))]
        return next((_BRANDS[brand] for brand in brands if brand in _BRANDS), "MP4 media")
    if head[:2] == b"BM" and len(head) >= 18 and head[6:10] == b"\0\0\0\0":
        return "bmp"
    return "pnm" if _PNM.match(head) else None


def _text(head: bytes) -> str | None:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head.decode("utf-16", "replace").encode()
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if b"<svg" in start[:HEAD_BYTES].lower() and start.startswith(b"<") and not _HTML.match(start):
        return "svg"
    if _HTML.match(start):
        return "HTML"
    if start.startswith(b"<"):
        return "HTML" if re.search(rb"<html", start, re.IGNORECASE) else "XML"
    if start[:1] in (b"{", b"["):
        return "JSON"
    return "text" if start and all(byte >= 32 or byte in b"\t\n\r\f" for byte in start) else None
