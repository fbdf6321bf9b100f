"""The resolver that aiohttp is given: our cache, and one look-up for all who ask for a name at once."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiohttp.abc import AbstractResolver, ResolveResult

from .dns_cache import Answer, DnsCache
from .hosts_file import read_hosts
from .name_servers import NameServers


class NotResolved(OSError):
    """A name without addresses. permanent: it has none, and asking again will not help. The rest may pass."""

    def __init__(self, failure: str, permanent: bool) -> None:
        super().__init__(None, failure)
        self.permanent = permanent


@dataclass(slots=True)
class _LookUp:
    task: asyncio.Task[Answer]
    waiting: int = 0


class Resolver(AbstractResolver):
    """Resolves names by /etc/hosts, from the cache, or by name servers. Make one with `await Resolver.open(...)`.

    Each look-up ends by itself within `name_servers.LOOK_UP` seconds, and at once when all who wait for it have given
    up. The addresses of a name are handed out in turn, each family for itself, so that no address gets all connections.
    """

    def __init__(self, servers: NameServers, hosts: Mapping[str, Answer], cache: DnsCache) -> None:
        self._servers = servers
        self._hosts = hosts
        self._cache = cache
        self._under_way: dict[str, _LookUp] = {}
        self._turns = itertools.count()
        self._closed = False

    @classmethod
    async def open(cls, nameserver: Sequence[str] = ()) -> Resolver:
        """A resolver that asks `nameserver`, as in `Network.nameserver`; none for the system's."""
        hosts = await asyncio.to_thread(read_hosts)
        return cls(NameServers(nameserver), hosts, DnsCache())  # made last: it has descriptors, and has to be closed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """All addresses of `host`, those to be tried first in front. Raises NotResolved."""
        answer = await self._answer(host.lower().rstrip("."))
        if answer.failure:
            raise NotResolved(answer.failure, answer.permanent)
        turn = next(self._turns)
        four = _turned([address for address in answer.addresses if ":" not in address], turn)
        six = _turned([address for address in answer.addresses if ":" in address], turn)
        found = [_result(host, address, port) for address in four + six]
        found = [one for one in found if family in (socket.AF_UNSPEC, one["family"])]
        if not found:
            raise NotResolved("it has no address of the wanted family", permanent=True)
        return found

    async def close(self) -> None:
        """End all look-ups; who waits for one gets NotResolved."""
        self._closed = True
        tasks = [look_up.task for look_up in self._under_way.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._servers.aclose()

    async def _answer(self, name: str) -> Answer:
        known = self._hosts.get(name) or self._cache.get(name, asyncio.get_running_loop().time())
        if known is not None:
            return known
        if self._closed:
            raise NotResolved("the resolver is closed", permanent=False)
        look_up = self._under_way.get(name)
        if look_up is None:
            look_up = self._under_way[name] = _LookUp(asyncio.create_task(self._ask(name)))
        return await self._share(name, look_up)

    async def _share(self, name: str, look_up: _LookUp) -> Answer:
        """Wait for a look-up together with others. The last one to give up ends it."""
        look_up.waiting += 1
        try:
            return await asyncio.shield(look_up.task)
        except asyncio.CancelledError:
            asker = asyncio.current_task()
            if self._closed and asker is not None and not asker.cancelling():
                raise NotResolved("the resolver was closed", permanent=False) from None
            raise
        finally:
            look_up.waiting -= 1
            if not look_up.waiting:
                look_up.task.cancel()
                if self._under_way.get(name) is look_up:
                    del self._under_way[name]

    async def _ask(self, name: str) -> Answer:
        answer = await self._servers.look_up(name)
        self._cache.put(name, answer, asyncio.get_running_loop().time())
        return answer


def _turned(addresses: list[str], turn: int) -> list[str]:
    start = turn % len(addresses) if addresses else 0
    return addresses[start:] + addresses[:start]


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=flags)
