"""Makes hops: addresses guarded, bodies bounded, foreign errors translated."""

from .http import HttpFetcher

__all__ = ["HttpFetcher"]
