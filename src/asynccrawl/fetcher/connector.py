"""A pool that never reuses a connection on which something arrived unasked.

aiohttp takes such bytes for the answer to the next request, and from then on every answer on that connection belongs
to the request before: pictures under other records' names (aio-libs/aiohttp#13656). `_get` and `should_close` are
private, hence pinned by a test.
"""

from __future__ import annotations

from typing import Any

import aiohttp


class CleanConnector(aiohttp.TCPConnector):
    """A TCPConnector that closes idle connections which have received anything."""

    async def _get(self, key: Any, traces: Any) -> Any:
        for protocol, _ in self._conns.get(key, ()):
            if protocol.should_close:
                protocol.close()  # what is closed is passed over and dropped by the pool
        return await super()._get(key, traces)
