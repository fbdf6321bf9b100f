"""Crawls of all that the address guard is for, in a network of one's own. Prints what came of them, as JSON.

Run by test_guard_netns.py. A secret server listens on every address there is, a public one on PUBLIC alone; whatever
the guard lets through is in the secret server's audit.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from asynccrawl import Failure, HostLimits, Limits, Network, Request, RetryPolicy, Sample, Settings, stream
from asynccrawl.testing import Answer, DnsAnswer, DnsServer, ImageServer, picture, redirect

from .names import asking
from .namespace import own_every_address

PUBLIC = "93.184.215.14"
EVERYTHING = ("0.0.0.0/0", "::/0")
OPENED = ("127.0.0.5/32", "fd00:7::5/128")
EXACT = ("127.0.0.5", "0x7f.5", "[::ffff:127.0.0.5]", "[::FFFF:7F00:5]", "[fd00:7::5]", "[fd00:7:0::0:5]")
"""What OPENED opens, and beside it:"""
_NEAR = """
    127.0.0.4 127.0.0.6 127.0.0.1 0x7f000006 [::ffff:127.0.0.4] [::ffff:127.0.0.6] [::127.0.0.5] localhost loop.test
    [::ffff:0:127.0.0.5] [64:ff9b::127.0.0.5] [2002:7f00:5::] [fd00:7::4] [fd00:7::6] [::1] 10.0.0.5
"""
NEAR = tuple(_NEAR.split())

_CLOSED = """
    127.0.0.1 2130706433 0x7f000001 017700000001 0177.0.0.1 0x7f.1 127.1 127.0.1 0X7F.0.00.0x1 127.0.0.1. 127.255.0.9
    １２７.０.０.１ 127。0。0。1 ①②⑦.⓪.⓪.① ０ｘ7f.1 0 0.0.0.0 0x0 0x 00.0 user@127.0.0.1 8.8.8.8@127.1
    10.0.0.1 012.0.0.1 167772161 172.16.0.1 172.31.255.255 192.168.0.1 3232235521 192.168.1 100.64.0.1
    169.254.169.254 0xa9fea9fe 2852039166 0251.0376.0251.0376 169.254.43518 0xA9.0376.43518
    192.0.0.1 192.0.0.9 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1 192.175.48.1 198.18.0.1 198.19.255.255
    198.51.100.1 203.0.113.1 240.0.0.1 255.255.255.254
    [::1] [0:0:0:0:0:0:0:1] [::] [::127.0.0.1] [::8.8.8.8] [::ffff:127.0.0.1] [::FFFF:7F00:1] [::ffff:169.254.169.254]
    [0:0:0:0:0:ffff:10.0.0.1] [::ffff:0:127.0.0.1] [64:ff9b::127.0.0.1] [64:ff9b::a9fe:a9fe] [64:ff9b:1::8.8.8.8]
    [64:ff9b:1::7f00:1] [64:ff9b:1:ffff::1] [2002:7f00:1::] [2002:a9fe:a9fe::1] [2001::1]
    [2001:0:4136:e378:8000:63bf:3fff:fdd2] [2001:4860::5efe:127.0.0.1] [2001:4860::200:5efe:10.0.0.1]
    [fc00::1] [fd00:ec2::254] [fec0::1] [100::1] [2001:db8::1] [2001:2::1] [3fff::1] [5f00::1] [2620:4f:8000::1]
    [4000::1] localhost LOCALHOST. a.localhost a.b.localhost
"""
CLOSED = tuple(_CLOSED.split())
"""Spellings of hosts that are not public."""
_NOWHERE = """
    224.0.0.1 239.255.255.255 255.255.255.255 0xffffffff [ff02::1] [ff0e::1] [fe80::1] [fe80::1%25lo]
    [FE80::a9fe:a9fe%251]
"""
NOWHERE = tuple(_NOWHERE.split())
"""Closed too, but no TCP connection leads there even if they are opened."""
NAMES: dict[str, DnsAnswer] = {
    "loop.test": DnsAnswer(("127.0.0.1",)),
    "this.test": DnsAnswer(("0.0.0.0",)),
    "cloud.test": DnsAnswer(("169.254.169.254",)),
    "office.test": DnsAnswer(("10.0.0.1", "192.168.0.1", "172.16.0.1")),
    "loop6.test": DnsAnswer(("::1",)),
    "mapped.test": DnsAnswer(("::ffff:127.0.0.1",)),
    "cloud6.test": DnsAnswer(("fd00:ec2::254",)),
    "nat64.test": DnsAnswer(("64:ff9b::7f00:1", "64:ff9b:1::1")),
    "sixtofour.test": DnsAnswer(("2002:7f00:1::", "2001::1", "fec0::1")),
    "either.test": DnsAnswer(("127.0.0.1", "::1")),
    "alias.test": DnsAnswer(cname="loop.test"),
    "chain.test": DnsAnswer(cname="alias.test"),
    "alias6.test": DnsAnswer(cname="cloud6.test"),
    "xn--bcher-kva.test": DnsAnswer(("127.0.0.1",)),
    "localhost": DnsAnswer(("127.0.0.1",)),
    "a.localhost": DnsAnswer(("127.0.0.1",)),
    "a.b.localhost": DnsAnswer(("::1",)),
}
RESOLVED = [name for name in NAMES if not name.endswith("localhost")] + ["BÜCHER.test", "loop.test."]
LOW_PORTS = (1, 21, 22, 25, 79, 81, 110, 444, 993, 1023)
HIGH_PORTS = (80, 443, 1024)


@dataclass
class Fate:
    """What came of one URL: its reason, None when a picture came, and whether the secret server was asked for it."""

    reason: str | None = None
    retryable: bool = False
    detail: str = ""
    reached: bool = False


def fate_of(result: Sample | Failure) -> Fate:
    """A result without what nobody asks for."""
    return Fate() if isinstance(result, Sample) else Fate(result.reason.value, result.retryable, result.detail)


def settings(network: Network) -> Settings:
    """Many requests at once, and each only once."""
    return Settings(
        concurrency=64,
        network=network,
        hosts=HostLimits(per_host=64),
        retry=RetryPolicy(retries=0),
        limits=Limits(timeout=5.0),
    )


async def listen(server: ImageServer, address: str, port: int = 0) -> int:
    """Have a running server listen on a further address and port as well."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.create_server((address, port), family=family, backlog=512)
    made.setblocking(False)
    accept = partial(server._accept, None)
    server._servers.append(await asyncio.get_running_loop().create_server(accept, sock=made))
    return int(made.getsockname()[1])


class Stage:
    """The servers, and the crawls of them."""

    def __init__(self, secret: ImageServer, public: ImageServer, dns: DnsServer) -> None:
        self.secret, self.public, self.dns = secret, public, dns
        self.port = self.public_port = 0

    async def listen(self) -> None:
        """The secret server everywhere, the public one on PUBLIC; on its port the secret one is on loopback too."""
        self.port = await listen(self.secret, "0.0.0.0")
        await listen(self.secret, "::", self.port)
        self.public_port = await listen(self.public, PUBLIC)
        await listen(self.secret, "127.0.0.1", self.public_port)
        await listen(self.secret, "::1", self.public_port)
        for port in (*LOW_PORTS, *HIGH_PORTS):
            await listen(self.secret, "0.0.0.0", port)
            await listen(self.secret, "::", port)

    async def crawl(self, urls: dict[str, str], allow_net: tuple[str, ...] = ()) -> dict[str, Any]:
        """Crawl URLs by name, with nothing opened but `allow_net`. A `*` stands for a path that no other one has.

        What follows `/hop/` is where the public server redirects to.
        """
        for name, answer in NAMES.items():
            self.dns.add(name, answer)
        asked, before = self.secret.audit.count(), self.secret.audit.connections
        paths = {name: f"/secret/{n}" for n, name in enumerate(urls)}
        requests = [Request(self._scripted(url, paths[name]), name) for name, url in urls.items()]
        fates: dict[str, Fate] = {}
        with asking(self.dns, Network(allow_net=allow_net)) as network:
            async for result in stream(requests, settings=settings(network)):
                fates[result.request.key or ""] = fate_of(result)
        reached = {entry.path for entry in self.secret.audit.requests()[asked:]}
        for name, fate in fates.items():
            fate.reached = paths[name] in reached
        told = {name: asdict(fate) for name, fate in fates.items()}
        return {"fates": told, "connections": self.secret.audit.connections - before}

    def _scripted(self, url: str, path: str) -> str:
        url, hop, target = url.replace("*", path).partition("/hop/")
        if not hop:
            return url
        self.public.add(f"/hop{path}", redirect(target))
        return f"{url}/hop{path}"

    def written(self, hosts: Iterable[str]) -> dict[str, str]:
        """A URL for each host."""
        return {f"written {host}": f"http://{host}:{self.port}*" for host in hosts}

    def redirected(self, hosts: Iterable[str]) -> dict[str, str]:
        """A URL on PUBLIC for each host, which redirects to it; every other one without naming the scheme."""
        hop = f"http://{PUBLIC}:{self.public_port}/hop/"
        schemes = ("http:", "", "HTTP:")
        return {f"redirected {host}": f"{hop}{schemes[n % 3]}//{host}:{self.port}*" for n, host in enumerate(hosts)}

    async def rebound(self, allow_net: tuple[str, ...]) -> list[dict[str, Any]]:
        """Two crawls of names that are public at first and loopback then."""
        both = {"v4": (PUBLIC, "127.0.0.1"), "v6": (PUBLIC, "::1"), "all": (PUBLIC, "127.0.0.1", "::1")}
        found = []
        for turn in (0, 1):
            for name, addresses in both.items():
                self.dns.add(f"rebind-{name}.test", DnsAnswer(addresses[1:] if turn else addresses[:1]))
                self.dns.add(f"mixed-{name}.test", DnsAnswer(addresses))
            urls = {
                f"{kind} {n}": f"http://{kind}-{n}.test:{self.public_port}*"
                for kind in ("rebind", "mixed")
                for n in both
            }
            found.append(await self.crawl(urls, allow_net))
        return found

    def ports(self) -> dict[str, str]:
        """URLs of ports, on public and other hosts, written and redirected to."""
        hop = f"http://{PUBLIC}:{self.public_port}/hop/"
        urls = {}
        for port in (*LOW_PORTS, *HIGH_PORTS):
            urls |= {
                f"{port} public": f"http://{PUBLIC}:{port}*",
                f"{port} written": f"http://127.1:{port:05}*",
                f"{port} six": f"http://[::1]:{port}*",
                f"{port} named": f"http://loop.test:{port}*",
                f"{port} redirected": f"{hop}http://{PUBLIC}:0{port}*",
                f"{port} relative": f"{hop}//127.0.0.1:{port}*",
            }
        return urls


async def act(stage: Stage) -> dict[str, Any]:
    """All crawls."""
    everywhere = [*CLOSED, *NOWHERE, *RESOLVED]
    urls = stage.written(everywhere) | stage.redirected(everywhere)
    return {
        "closed": await stage.crawl(urls),
        "open": await stage.crawl(urls, EVERYTHING),
        "public": await stage.crawl(stage.written([PUBLIC, "0x5db8d70e", "[::ffff:8.8.8.8]", "[2606:4700::1111]"])),
        "exact": await stage.crawl(stage.written(EXACT) | stage.redirected(EXACT), OPENED),
        "near": await stage.crawl(stage.written(NEAR) | stage.redirected(NEAR), OPENED),
        "rebound": await stage.rebound(()),
        "rebound open": await stage.rebound(("127.0.0.0/8", "::1/128")),
        "ports": await stage.crawl(stage.ports(), EVERYTHING),
    }


async def main() -> None:
    """Set the stage, act, tell."""
    own_every_address()
    image = Answer(picture())
    async with AsyncExitStack() as stack:
        secret, public, dns = [await stack.enter_async_context(one()) for one in (ImageServer, ImageServer, DnsServer)]
        for server in (secret, public):
            server.route(lambda request: image)
        stage = Stage(secret, public, dns)
        await stage.listen()
        print(json.dumps(await act(stage)))


if __name__ == "__main__":
    asyncio.run(main())
