"""What Scrapy is given: one item with one image URL for every line of a list. It runs in Scrapy's own environment.

scrapy runspider benchmarks/scrapy_images.py -a listed=LIST -s IMAGES_STORE=DEST
"""

from collections.abc import AsyncIterator
from pathlib import Path

import scrapy


class Images(scrapy.Spider):
    """ImagesPipeline as its documentation sets it up."""

    name = "images"
    listed = ""
    custom_settings = {  # noqa: RUF012  # Scrapy's own form
        "ITEM_PIPELINES": {"scrapy.pipelines.images.ImagesPipeline": 1},
        "TELNETCONSOLE_ENABLED": False,
        "LOG_LEVEL": "WARNING",
    }

    async def start(self) -> AsyncIterator[dict[str, list[str]]]:
        """The items."""
        for url in Path(self.listed).read_text().split():
            yield {"image_urls": [url]}
