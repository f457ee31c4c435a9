"""Measures the engine next to the scripts and tools that people would use instead: `python -m benchmarks`."""
