"""The one asynchronous loop, and what it asks of its neighbours."""

from .engine import Engine, EngineSnapshot
from .passing import Feed
from .protocols import Backlog, Decoder, Fetcher

__all__ = ["Backlog", "Decoder", "Engine", "EngineSnapshot", "Feed", "Fetcher"]
