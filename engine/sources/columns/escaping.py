"""Text as it stands inside a JSON string."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.compute as pc

from engine.sources.columns.acceleration import stands_as_it_is

_PRINTABLE = bytes(range(0x20, 0x100))
_CONTROL_ESCAPES = {chr(code): json.dumps(chr(code))[1:-1] for code in range(0x20)}
_FIRST_PRINTABLE = 0x20


def escape(text: pa.StringArray) -> pa.StringArray:
    """Return valid text as it stands inside a JSON string."""
    if stands_as_it_is(text):
        return text
    raw = _values(text)
    backslashes, quotes = b"\\" in raw, b'"' in raw
    if backslashes:
        text = pc.replace_substring(text, "\\", "\\\\")
    if quotes:
        text = pc.replace_substring(text, '"', '\\"')
    if raw and _smallest_byte(raw) < _FIRST_PRINTABLE:
        for control in sorted(set(raw.translate(None, _PRINTABLE))):
            text = pc.replace_substring(text, chr(control), _CONTROL_ESCAPES[chr(control)])
    return text


def _values(text: pa.StringArray) -> bytes:
    """Return the bytes of all values, one behind the other."""
    if not len(text):
        return b""
    offsets = memoryview(text.buffers()[1]).cast("i")
    first, last = offsets[text.offset], offsets[text.offset + len(text)]
    values = text.buffers()[2]
    return values.slice(first, last - first).to_pybytes() if last > first else b""


def _smallest_byte(raw: bytes) -> int:
    smallest: int = pc.min(pa.Array.from_buffers(pa.uint8(), len(raw), [None, pa.py_buffer(raw)])).as_py()
    return smallest
