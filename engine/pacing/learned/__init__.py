"""Limits that nobody told: learned from refusals, latency and headers."""
