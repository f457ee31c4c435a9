"""Which campaign is a line for? Told by the text of one of its keys, as the source has it, before anything is shaped.

Canonical lines have the key in their data, flat ones in themselves. Many lines are asked at once: by
the accelerator where each of them surely has that key once, else by a decoder that reads nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Raw

from engine.sources.ndjson.acceleration import key_texts
from engine.sources.ndjson.flat import text_of_value

_NULL = Raw(b"null")


class RouteTexts:
    """Reads the texts of lines.

    Args:
        key: The key that holds them.
        in_data: Whether it stands in the data of canonical lines.
        given: The text of lines without the key: what the name of a directory says, or "".
    """

    def __init__(self, key: str, *, in_data: bool, given: str = "") -> None:
        self._given = given
        self._in_data = in_data
        written = msgspec.json.encode(key)
        is_plain = written == b'"%b"' % key.encode() and key not in ("id", "data")
        self._at_once = key_texts(written, 2 if in_data else 1) if is_plain else None
        fields: list[Any] = [("value", Raw, msgspec.field(name=key, default=_NULL))]
        self._other_key = "" if is_plain or key in ("id", "data") else key
        line: Any = dict[str, Raw] if self._other_key else msgspec.defstruct("RoutedLine", fields, gc=False)
        if in_data:
            line = msgspec.defstruct("RoutedRecord", [("data", line)], gc=False)
        decoder = msgspec.json.Decoder(line)
        self._decode_lines, self._decode = decoder.decode_lines, decoder.decode

    def of_lines(self, lines: bytes, count: int) -> list[str]:
        """Return the text of each of `count` lines that are records."""
        texts = self._at_once.of_lines(lines, count) if self._at_once is not None else None
        if texts is not None:
            return texts
        return [self._text_of(line) for line in self._decode_lines(lines)]

    def of_line(self, line: bytes) -> str | None:
        """Return the text of a line, be it a record or not; None if it can't be read."""
        try:
            return self._text_of(self._decode(line))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None

    def _text_of(self, line: Any) -> str:
        holder = line.data if self._in_data else line
        value: Raw = holder.get(self._other_key, _NULL) if self._other_key else holder.value
        return text_of_value(value) or (self._given if value is _NULL else "")


def without(texts: list[str], indexes: Iterable[int]) -> list[str]:
    """Return the texts but for those at some indexes."""
    left_out = set(indexes)
    return [text for index, text in enumerate(texts) if index not in left_out] if left_out else texts
