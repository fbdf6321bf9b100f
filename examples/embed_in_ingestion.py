"""asynccrawl inside a program that has its own event loop, HTTP session, queue and shutdown.

python examples/embed_in_ingestion.py

A catalogue is paged through with the program's own aiohttp session; its pictures are fetched by `stream`, validated,
and put on the program's own queue, from which its own workers take them. A slow worker slows the fetching down; a
signal ends the program in good order.
"""

import asyncio
import contextlib
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator

import aiohttp

import asynccrawl
from asynccrawl.testing import Answer, ImageServer, html_as_jpeg, picture


async def catalogue(session: aiohttp.ClientSession, start: str) -> AsyncIterator[asynccrawl.Request]:
    """The pictures of a paged catalogue, read as they are wanted."""
    page: str | None = start
    while page:
        async with session.get(page) as answer:
            body = json.loads(await answer.text())
        for item in body["items"]:
            yield asynccrawl.Request(item["url"], key=item["id"], extra={"caption": item["caption"]})
        page = body["next"]


async def fetch(requests: AsyncIterator[asynccrawl.Request], queue: asyncio.Queue, refused: Counter) -> None:
    """Valid pictures onto the queue, which is bounded: a full one pauses the fetching."""
    settings = asynccrawl.Settings(concurrency=20, network=asynccrawl.Network(allow_net=("127.0.0.0/8",)))
    async with contextlib.aclosing(asynccrawl.stream(requests, settings=settings)) as results:
        async for result in results:
            if isinstance(result, asynccrawl.Sample):
                await queue.put((result.request.extra["caption"], await result.read()))
            else:
                refused[result.reason.value] += 1


async def ingest(queue: asyncio.Queue, ingested: list[tuple[str, int]]) -> None:
    """A worker of the program's own."""
    while True:
        caption, data = await queue.get()
        ingested.append((caption, len(data)))
        queue.task_done()


async def program(start: str) -> None:
    queue: asyncio.Queue = asyncio.Queue(maxsize=4)
    refused: Counter = Counter()
    ingested: list[tuple[str, int]] = []
    async with aiohttp.ClientSession() as session:
        fetching = asyncio.create_task(fetch(catalogue(session, start), queue, refused))
        workers = [asyncio.create_task(ingest(queue, ingested)) for _ in range(2)]
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, fetching.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await fetching
        await queue.join()  # what was fetched is ingested, also after a signal
        for worker in workers:
            worker.cancel()
    causes = ", ".join(f"{reason} {n}" for reason, n in sorted(refused.items()))
    print(f"{len(ingested)} captions and pictures ingested, {refused.total()} refused ({causes})")


async def main() -> None:
    async with ImageServer() as server:
        for n in range(6):
            server.add(f"/{n}.jpg", picture(seed=n))
        server.add("/7.jpg", html_as_jpeg())  # and 6.jpg is not there
        for page in (0, 1):
            items = [
                {"id": f"p{n}", "url": server.url(f"/{n}.jpg"), "caption": f"picture {n}"}
                for n in range(4 * page, 4 * page + 4)
            ]
            body = {"items": items, "next": server.url("/catalogue/1") if page == 0 else None}
            server.add(f"/catalogue/{page}", Answer(json.dumps(body).encode(), content_type="application/json"))
        await program(server.url("/catalogue/0"))


if __name__ == "__main__":
    asyncio.run(main())
