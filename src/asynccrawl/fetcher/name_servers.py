"""Asks name servers for the addresses of a name, and asks again what may pass. The only importer of aiodns.

Two facts of c-ares, both measured (1.34), shape this. It adapts its time limit to how fast a name server has been, down
to 250 ms, and a name server that knows most names at once takes longer than that for the others: hence a second channel
that is more patient. And of a question for both families it reports whichever failure came last, so that a SERVFAIL for
IPv4 beside "no IPv6 address" would read as "no address": hence a question for each family.

It also keeps answers itself, which cannot be switched off from here: addresses for their TTL, which it counts down, so
that ours stays true; a name without addresses for as long as its zone says, or for an hour when that says nothing. It
asks the next name server when one fails, and prefers those that have answered.
"""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import aiodns
from aiodns import error as ares

from .dns_cache import Answer
from .lane import Lane

LOOK_UP = 8.0
"""Seconds for a whole look-up: less than the default of `connect_timeout`, so that a name that is not answered is told
as such. RFC 1123, 6.1.3.3, asks for at least 5 s of trying."""
_PAUSES = (0.1, 0.3, 1.2)
"""Seconds before the further tries, times 0.75 to 1.25. The last one outlasts the second for which name servers repeat
a SERVFAIL of their own (RFC 9520, 3.2)."""
_TIMEOUT = 1.0
"""Seconds for an answer while c-ares does not know how fast the name server is (resolv.conf(5) says 5)."""
_PATIENT_TRIES = 5
"""Tries of the patient channel, each up to twice as long as the one before: 5 s in all, or more until LOOK_UP cuts."""
_PLACES, _PLACE_SECONDS = 128, 0.1
"""A resolver at home takes a few hundred questions at once (dnsmasq: 150). Five hundred dead names hold up a good one
for less than half a second."""
_RESOLUTION_DELAY = 0.05
"""Seconds that the IPv6 addresses may come after the IPv4 ones (RFC 8305, section 3, which has it the other way)."""
_IPV4_DELAY = 2.0
"""Seconds that the IPv4 addresses may come after the IPv6 ones, without which many machines get nowhere."""

_EDNS, _NOSEARCH = 0x100, 0x20  # ares.h: ARES_FLAG_EDNS (its default), ARES_FLAG_NOSEARCH

_PERMANENT = {ares.ARES_ENOTFOUND, ares.ARES_ENODATA, ares.ARES_EBADNAME}
_WORDS = {
    ares.ARES_ENOTFOUND: "it does not exist (NXDOMAIN)",
    ares.ARES_ENODATA: "it exists, but has no address",
    ares.ARES_EBADNAME: "it is no valid name",
    ares.ARES_ESERVFAIL: "the name server failed (SERVFAIL)",
    ares.ARES_EREFUSED: "the name server refused to answer (REFUSED)",
    ares.ARES_ENOTIMP: "the name server does not know such questions (NOTIMP)",
    ares.ARES_EFORMERR: "the name server took the question for malformed (FORMERR)",
    ares.ARES_EBADRESP: "the name server's answer could not be read",
    ares.ARES_ECONNREFUSED: "no name server could be reached",
}


@dataclass(frozen=True, slots=True)
class _Half:
    """What came for one family: addresses, or c-ares' code of the failure."""

    addresses: tuple[str, ...] = ()
    ttl: float = 0.0
    code: int = 0

    @property
    def settles(self) -> bool:
        """Whether there is little reason to wait for the other half."""
        return bool(self.addresses) or self.code == ares.ARES_ENOTFOUND


class NameServers:
    """Asks `servers` (as in `Network.nameserver`), or those of the system when there are none. Close it when done.

    Names with a dot are asked as they are; the system's search list holds for names without one.
    """

    def __init__(self, servers: Sequence[str] = ()) -> None:
        self._quick = _channel(servers, tries=1, flags=_EDNS | _NOSEARCH)
        self._patient = _channel(servers, tries=_PATIENT_TRIES, flags=_EDNS)
        self._lane = Lane(_PLACES, _PLACE_SECONDS)

    async def look_up(self, name: str) -> Answer:
        """The addresses of `name`, or the failure after all tries, within LOOK_UP seconds."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(LOOK_UP):
                answer = await self._tries(name)
        except TimeoutError:
            answer = ares.ARES_ETIMEOUT
        return answer if isinstance(answer, Answer) else _failure(answer, time.monotonic() - began)

    async def aclose(self) -> None:
        """Let go of the name servers."""
        await self._quick.close()
        await self._patient.close()

    async def _tries(self, name: str) -> Answer | int:
        """The answer, or the code of the last failure."""
        patient = "." not in name
        for pause in (*_PAUSES, None):
            answer = await self._ask(name, patient)
            if isinstance(answer, Answer) or pause is None or answer in _PERMANENT:
                return answer
            if answer != ares.ARES_ETIMEOUT:
                await asyncio.sleep(pause * random.uniform(0.75, 1.25))
            elif patient:
                return answer
            else:
                patient = True
        raise AssertionError("the last try returns")

    async def _ask(self, name: str, patient: bool) -> Answer | int:
        """One question for each family, at once."""
        channel = self._patient if patient else self._quick
        name = name + "." if patient and "." in name else name  # the last dot keeps it from the search list
        async with nullcontext() if patient else self._lane.place():  # who has waited in it once need not again
            four, six = (_question(channel, name, family) for family in (socket.AF_INET, socket.AF_INET6))
            try:
                await _enough(four, six)
                return combined(_half(four), _half(six))
            finally:
                four.cancel()
                six.cancel()


def _channel(servers: Sequence[str], **options: Any) -> aiodns.DNSResolver:
    # No `lookups` and no `resolvconf_path`: pycares (5.2) frees those texts before c-ares copies them.
    return aiodns.DNSResolver(nameservers=servers, timeout=_TIMEOUT, **options)


def _question(channel: aiodns.DNSResolver, name: str, family: socket.AddressFamily) -> asyncio.Future[Any]:
    return channel.getaddrinfo(name, family=family, type=socket.SOCK_STREAM)


async def _enough(four: asyncio.Future[Any], six: asyncio.Future[Any]) -> None:
    """Wait until both have come, or one and there is no reason to wait for the other."""
    await asyncio.wait((four, six), return_when=asyncio.FIRST_COMPLETED)
    if four.done() and not six.done():
        await asyncio.wait((six,), timeout=_RESOLUTION_DELAY if _half(four).settles else None)
    elif not four.done():
        await asyncio.wait((four,), timeout=_IPV4_DELAY if _half(six).addresses else None)


def _half(answer: asyncio.Future[Any]) -> _Half:
    if not answer.done():
        return _Half(code=ares.ARES_ETIMEOUT)
    failure = answer.exception()
    if failure is not None:
        code = failure.args[0] if isinstance(failure, ares.DNSError) else ares.ARES_EBADRESP
        if code == ares.ARES_ECONNREFUSED:
            _check_descriptors()
        return _Half(code=code)
    nodes = answer.result().nodes
    addresses = tuple(dict.fromkeys(node.addr[0].decode("ascii") for node in nodes))
    return _Half(addresses, min((node.ttl for node in nodes), default=0))


def _check_descriptors() -> None:
    """Where c-ares finds no file descriptor it says that no name server could be reached. Raises OSError for that."""
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()


def combined(four: _Half, six: _Half) -> Answer | int:
    """Both halves together, or the code of the failure.

    IPv4 comes first: a machine without it is told so at once, while one whose IPv6 leads nowhere would wait at every
    connection. Addresses without the other half are kept as briefly as can be. IPv4's word on a failure counts, since
    name servers that say of IPv6 alone that a name does not exist are common (RFC 4074, 4.2).
    """
    if four.addresses or six.addresses:
        halves = [half for half in (four, six) if half.code not in _PERMANENT]
        return Answer(four.addresses + six.addresses, min(half.ttl for half in halves))
    if four.code == ares.ARES_ENODATA and six.code not in _PERMANENT:
        return six.code
    return four.code


def _failure(code: int, seconds: float) -> Answer:
    if code == ares.ARES_ETIMEOUT:
        return Answer(failure=f"no answer from the name server within {seconds:.1f} s")
    failure = _WORDS.get(code, f"the look-up failed with code {code} of c-ares")
    return Answer(failure=failure, permanent=code in _PERMANENT)
