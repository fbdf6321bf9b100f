"""DNS messages (RFC 1035) as far as a test's name server needs them: one question in, records out. No I/O."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

A, CNAME, AAAA = 1, 5, 28
TYPES = {A: "A", CNAME: "CNAME", AAAA: "AAAA"}

RCODES = {"NOERROR": 0, "FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "NOTIMP": 4, "REFUSED": 5}
"""Response codes by name (RFC 1035, 4.1.1)."""

UDP_BYTES = 512
"""The largest response over UDP (RFC 1035, 4.2.1). The server speaks no EDNS, which would allow for more."""

_HEADER = struct.Struct("!6H")
_QUERY_MASK = 0xFE00  # QR and opcode (a standard query has neither), AA, TC
_RESPONSE, _TRUNCATED, _RECURSION_DESIRED, _RECURSION_AVAILABLE = 0x8000, 0x0200, 0x0100, 0x0080
_INTERNET = 1
_LABEL_BYTES, _NAME_BYTES = 63, 255


class BadQuery(ValueError):
    """What came is no query that this server takes."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question: the message's id, the name in lower case without its last dot, the type, and both as sent."""

    id: int
    name: str
    type: int
    section: bytes
    recursion: bool = True


@dataclass(frozen=True, slots=True)
class ResourceRecord:
    """A record of an answer. `data` is as it goes on the wire; `ttl` in seconds."""

    name: str
    type: int
    ttl: int
    data: bytes


def read_query(message: bytes) -> Question:
    """Take a query apart; records after the question are not looked at. Raises BadQuery."""
    if len(message) < _HEADER.size:
        raise BadQuery(f"a message of {len(message)} bytes has no header")
    number, flags, questions, *_ = _HEADER.unpack_from(message)
    if flags & _QUERY_MASK or questions != 1:
        raise BadQuery(f"no standard query with one question: flags {flags:04x}, {questions} questions")
    labels, at = [], _HEADER.size
    while length := _byte(message, at):
        label = message[at + 1 : at + 1 + length]
        if length > _LABEL_BYTES or len(label) < length or not label.isascii():
            raise BadQuery(f"no label at byte {at}")
        labels.append(label.decode().lower())
        at += 1 + length
    kind = message[at + 1 : at + 5]
    if len(kind) < 4 or at + 1 - _HEADER.size > _NAME_BYTES or kind[2:] != _INTERNET.to_bytes(2, "big"):
        raise BadQuery("the question is cut short, its name too long, or its class not IN")
    section = message[_HEADER.size : at + 5]
    asked = int.from_bytes(kind[:2], "big")
    return Question(number, ".".join(labels), asked, section, bool(flags & _RECURSION_DESIRED))


def response(question: Question, rcode: str, records: list[ResourceRecord], most: int | None = None) -> bytes:
    """The response to a question. What would be longer than `most` bytes is truncated: no records, and the TC bit."""
    body = b"".join(map(_encoded, records))
    flags = _RESPONSE | _RECURSION_AVAILABLE | RCODES[rcode] | (_RECURSION_DESIRED if question.recursion else 0)
    if most is not None and _HEADER.size + len(question.section) + len(body) > most:
        flags, records, body = flags | _TRUNCATED, [], b""
    return _HEADER.pack(question.id, flags, 1, len(records), 0, 0) + question.section + body


def encode_name(name: str) -> bytes:
    """A domain name on the wire, uncompressed. Raises ValueError for one that is too long or not ASCII."""
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".")]
    data = b"".join(bytes([len(label) % 256]) + label for label in labels) + b"\0"
    if len(data) > _NAME_BYTES or not all(0 < len(label) <= _LABEL_BYTES for label in labels):
        raise ValueError(f"{name!r} is no domain name")
    return data


def address_record(name: str, address: str, ttl: int) -> ResourceRecord:
    """The A or AAAA record of an IP address. Raises ValueError for one that is none."""
    parsed = ipaddress.ip_address(address)
    return ResourceRecord(name, A if parsed.version == 4 else AAAA, ttl, parsed.packed)


def type_name(number: int) -> str:
    """The usual name of a record type, `TYPE65` (RFC 3597) for those not known here."""
    return TYPES.get(number, f"TYPE{number}")


def _byte(message: bytes, at: int) -> int:
    if at >= len(message):
        raise BadQuery("the question is cut short")
    return message[at]


def _encoded(record: ResourceRecord) -> bytes:
    head = struct.pack("!HHIH", record.type, _INTERNET, record.ttl, len(record.data))
    return encode_name(record.name) + head + record.data
