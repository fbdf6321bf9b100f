"""The shortest crawl: a list of URLs in, class directories out.

python examples/quickstart.py                 # serves a few pictures on loopback and crawls them
python examples/quickstart.py urls.txt dest/  # crawls your own list
"""

import asyncio
import sys
import tempfile

import asynccrawl
from asynccrawl.testing import ImageServer, picture


async def main(urls: str, dest: str) -> None:
    report = await asynccrawl.crawl(urls, dest, concurrency=100)
    print(report)


async def demonstrate() -> None:
    """Crawl three pictures from a server of our own; loopback has to be opened for that."""
    async with ImageServer() as server:
        for n in range(3):
            server.add(f"/{n}.jpg", picture(seed=n))
        urls = [(f"n01440764_{n}", server.url(f"/{n}.jpg")) for n in range(4)]  # the last one does not exist
        settings = asynccrawl.Settings(network=asynccrawl.Network(allow_net=("127.0.0.0/8",)))
        with tempfile.TemporaryDirectory() as dest:
            print(await asynccrawl.crawl(urls, dest, settings=settings))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]) if len(sys.argv) == 3 else demonstrate())
