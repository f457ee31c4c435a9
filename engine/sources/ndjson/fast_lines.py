"""The fast path of canonical NDJSON: many lines read at once, and a proof that it makes no difference.

One call decodes all lines without building their data. That call is lenient: it knows objects, not lines, and it
looks neither at repeated keys nor at the text inside the data. What it leaves open is closed here by a few sums over
all lines at once, each of them a sum of numbers that can't be negative, so that a total of zero proves each zero.
"""

from __future__ import annotations

from os.path import commonprefix

import msgspec

from engine.sources.json_text import DEPTH_MAX, nests_deeper
from engine.sources.ndjson.exact_lines import is_empty
from engine.sources.ndjson.utf8 import is_utf8
from engine.sources.stored.line_slices import count_byte


class _Line(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A canonical line, its data unread. Not tracked by the garbage collector, which would scan all of them."""

    id: str
    data: msgspec.Raw


_decode_lines = msgspec.json.Decoder(_Line).decode_lines

ENVELOPE_BYTES = len(b'{"id":"","data":}')
_STARTS = (b'{"id":"', b'{"id": "')
"""How a line begins: compact, or as `json.dumps` writes it."""

_LONG_SPACE_BYTES = 64
"""Longer whitespace is not searched for: this is rare enough, and found out in no time."""

_DEEP_DATA_BYTES = 2 * DEPTH_MAX
"""Data smaller than this has no room for the brackets of so many levels."""


def read_canonical_lines(lines: bytes, count: int) -> tuple[list[str], bytes] | None:
    """Return the ids of `count` lines, and the lines, if each of them surely is a canonical record as it stands.

    `lines` are joined by newlines. None means doubt, not fault.
    """
    start = _STARTS[lines.startswith(_STARTS[1])]
    if not (lines.startswith(start) and lines.endswith(b"}}") and is_utf8(lines)):
        return None
    ids = _ids_of(lines)
    return (ids, lines) if ids is not None and len(ids) == count and _is_one_object_a_line(lines, start, ids) else None


def _is_one_object_a_line(lines: bytes, start: bytes, ids: list[str]) -> bool:
    """Return whether each line surely is one whole object, and its last value an object, which must be the data."""
    # `}}`, newline, `{` can't occur inside a JSON value. So there is no doubt if it is wherever a line ends. A longer
    # text is found sooner, so look for it with what most ids have in common first.
    between = b"}}\n" + start
    common = commonprefix([ids[0], ids[-1]]).encode()  # noqa: RUF071 - these are no paths
    ends = len(ids) - 1
    return (bool(common) and lines.count(between + common) == ends) or lines.count(between) == ends


def _ids_of(lines: bytes) -> list[str] | None:
    """Return the ids of `lines`, which are objects that end with an object; None in doubt."""
    try:
        records = _decode_lines(lines)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    ids = [record.id for record in records]
    sizes = [len(record.data) for record in records]
    if not all(ids):
        return None
    doubt = (
        _may_repeat_keys(lines, ids, records, sizes)
        or _any_empty(lines, records, sizes)
        or _any_deep(lines, records, sizes)
    )
    return None if doubt else ids


def _may_repeat_keys(lines: bytes, ids: list[str], records: list[_Line], sizes: list[int]) -> bool:
    """Return False only if no line has `id` or `data` twice."""
    count = len(ids)
    least_bytes = count * ENVELOPE_BYTES + len("".join(ids)) + sum(sizes) + count - 1
    if len(lines) == least_bytes:  # nothing is left over for anything but one id and one data in each line
        return False
    # There is whitespace, or an id that takes more bytes than characters. So count quotes: of the two keys and the id
    # there are six in a line at least; a repeated key brings two more.
    return lines.count(b'"') - b"".join([record.data for record in records]).count(b'"') != 6 * count


def _any_empty(lines: bytes, records: list[_Line], sizes: list[int]) -> bool:
    """Return whether some data has no fields."""
    # The smallest data, if it had no fields, would be braces filled with whitespace. Larger data would have more of it.
    space = b" " * min(min(sizes) - len("{}"), _LONG_SPACE_BYTES)
    may_be_blank = space in lines if b" " in lines else not space
    if not may_be_blank and b"\t" not in lines and b"\r" not in lines:
        return False
    return any(is_empty(record.data) for record in records)


def _any_deep(lines: bytes, records: list[_Line], sizes: list[int]) -> bool:
    """Return whether some line is nested too deeply."""
    if max(sizes) < _DEEP_DATA_BYTES:
        return False
    brackets_to_spare = count_byte(lines, b"{") + count_byte(lines, b"[") - 2 * len(records)
    if brackets_to_spare < DEPTH_MAX - 1:
        return False
    return any(nests_deeper(bytes(record.data), DEPTH_MAX - 1) for record in records)
