"""The parts of `benchmarks/soak.py`: what is done to a crawl, again and again, and what must hold each time."""
