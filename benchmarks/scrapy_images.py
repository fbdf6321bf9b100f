"""What Scrapy is given: one item with one image URL for every line of a list. It runs in Scrapy's own environment.

    scrapy runspider benchmarks/scrapy_images.py -a listed=LIST -s IMAGES_STORE=DEST -s CONCURRENT_ITEMS=100

The list is a response, as a page of links would be: only then are no more than CONCURRENT_ITEMS items, and so images,
on their way at once. ImagesPipeline takes no notice of CONCURRENT_REQUESTS, and a spider that begins with items has no
bound at all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import scrapy
from scrapy.http import Response


class Images(scrapy.Spider):
    """ImagesPipeline as its documentation sets it up."""

    name = "images"
    listed = ""
    custom_settings = {  # noqa: RUF012  # Scrapy's own form
        "ITEM_PIPELINES": {"scrapy.pipelines.images.ImagesPipeline": 1},
        "TELNETCONSOLE_ENABLED": False,
        "LOG_LEVEL": "WARNING",
    }

    async def start(self) -> AsyncIterator[scrapy.Request]:
        """The list."""
        yield scrapy.Request(Path(self.listed).as_uri())

    def parse(self, response: Response) -> Iterator[dict[str, list[str]]]:
        """The items."""
        for url in response.body.decode().split():
            yield {"image_urls": [url]}
