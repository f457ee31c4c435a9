"""Amounts of things in words: the one place that knows singular from plural."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """Return `1 record`, `1,000 records`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
