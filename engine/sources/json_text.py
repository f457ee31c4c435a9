"""What all text of a source has in common: its encoding, how deep JSON may go, what is kept of unreadable text."""

from __future__ import annotations

import re
from itertools import accumulate

from engine.values import SourceUntrusted

BOM = b"\xef\xbb\xbf"
"""What some programs begin UTF-8 text with; it is not data."""

DEPTH_MAX = 200
"""How deep the objects and lists of a line may be nested. JSON readers give up somewhere beyond; none at this depth."""

RAW_CHARACTERS_MAX = 10_000
"""How much text of a line that can't be read is kept."""
_string = re.compile(rb'"(?:[^"\\]++|\\.)*+"')
_not_brackets = bytes(set(range(256)) - set(b"[]{}"))


def not_utf8(name: str) -> SourceUntrusted:
    """Return the reason to refuse an input whose first bytes show that it is text of another kind."""
    return SourceUntrusted(f'{name} is UTF-16 or UTF-32 text; set source.encoding = "utf-16", or convert it to UTF-8')


def text_of(line: bytes) -> str:
    """Return a line that can't be read as text, cut to a sensible length."""
    return line[: 4 * RAW_CHARACTERS_MAX].decode(errors="replace")[:RAW_CHARACTERS_MAX]


def nests_deeper(value: bytes, levels: int) -> bool:
    """Return whether valid JSON is nested more than `levels` levels deep."""
    if len(value) <= 2 * levels or value.count(b"{") + value.count(b"[") <= levels:
        return False
    brackets = _string.sub(b"", value).translate(None, _not_brackets)
    return max(accumulate(1 if bracket in b"{[" else -1 for bracket in brackets)) > levels
