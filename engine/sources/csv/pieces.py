"""The bytes of a CSV file on their way to its rows: read some at a time, and dropped once they were used."""

from __future__ import annotations

import re

from engine.sources.csv.text import Dialect
from engine.sources.stored.inputs import InputStream
from engine.values import SourceUntrusted

_CHARACTER_BYTES_MAX = 4


class CsvText:
    """The bytes of a file that were read and not yet used; they begin with a record."""

    def __init__(self, stream: InputStream) -> None:
        self.data = b""
        self.ended = False
        self.damage: SourceUntrusted | None = None
        self._stream = stream
        self._filled = 0
        self._stored_bytes = 0

    def fill(self, size: int) -> None:
        """Read on until there are `size` bytes or there is no more; a damaged spot ends the data, too."""
        while len(self.data) < size and not self.ended and not self.damage:
            try:
                part = self._stream.read(size - len(self.data))
            except SourceUntrusted as damage:
                self.damage = damage
                return
            self.ended = not part
            self._filled += len(part)
            self.data = self.data + part if self.data else part

    def skip_line_ends(self) -> None:
        """Forget the line ends that the data begins with: no record does."""
        self.data = self.data.lstrip(b"\r\n")

    def drop(self, size: int) -> None:
        """Forget the first `size` bytes: they have been used."""
        self.data = self.data[size:]

    def end_with(self, damage: SourceUntrusted, size: int) -> None:
        """Let the data end behind the first `size` bytes, because there is damage."""
        self.data = self.data[:size]
        self.damage = damage

    @property
    def stored_bytes(self) -> int:
        """How many bytes of the file, as stored, hold what was used; never fewer than before.

        What waits to be used was read ahead, 2 MB for the header alone: it would make a small file seem nearly done.
        Nobody knows how much a part of compressed text takes, so it counts as if all of it were packed alike.
        """
        if self._filled:
            used = self._stream.stored_bytes * (self._filled - len(self.data)) // self._filled
            self._stored_bytes = max(self._stored_bytes, used)
        return self._stored_bytes

    @property
    def stored_bytes_read(self) -> int:
        """How many bytes of the file, as stored, were read by now."""
        return self._stream.stored_bytes

    @property
    def has_more(self) -> bool:
        """Whether reading on may add to the data."""
        return not self.ended and not self.damage


def pass_over_record(text: CsvText, dialect: Dialect, piece_bytes: int) -> bool:
    """Drop the record that `text` begins with, however long it is, up to the line break behind it.

    Returns:
        Whether it ends; else the text ends inside a quoted cell of it.
    """
    passage = _Passage(dialect)
    while not passage.is_over:
        text.fill(piece_bytes)
        cut = len(text.data) if not text.has_more else _between_characters(text.data)
        piece = text.data[:cut].decode(errors="surrogateescape")
        used = passage.through(piece, ended=not text.has_more)
        text.drop(len(piece[:used].encode(errors="surrogateescape")))
        if not text.data and not text.has_more:
            break
    return passage.is_over or not passage.in_quotes


def _between_characters(data: bytes) -> int:
    """Return where `data` can be cut near its end without cutting a character of valid UTF-8."""
    cut = len(data) - 1
    while cut > len(data) - _CHARACTER_BYTES_MAX and data[cut] & 0xC0 == 0x80:
        cut -= 1
    return cut


class _Passage:
    """A way through the text of one record, by the same rules as `RecordReader`, that keeps nothing."""

    def __init__(self, dialect: Dialect) -> None:
        self.is_over = False
        self.in_quotes = False
        self._begins_cell = True
        self._dialect = dialect
        delimiter, quote, escape = (re.escape(mark) for mark in (dialect.delimiter, dialect.quote, dialect.escape))
        escaped = rf"|{escape}[\s\S]" if escape else ""
        self._plain = re.compile(rf"(?:[^{delimiter}{escape}\r\n]++{escaped})*+")
        self._quoted = re.compile(rf"(?:[^{quote}{escape}]++|{quote}{quote}{escaped})*+") if quote else self._plain

    def through(self, piece: str, *, ended: bool) -> int:
        """Go on through `piece`; return how much of it was used. What means nothing without more text is not."""
        position = 0
        while position < len(piece) and not self.is_over:
            if self._begins_cell:
                self._begins_cell = False
                self.in_quotes = piece[position] == self._dialect.quote
                position += self.in_quotes
                continue
            match = (self._quoted if self.in_quotes else self._plain).match(piece, position)
            position = match.end() if match else position
            is_last = position + 1 >= len(piece)
            if position == len(piece) or (is_last and not ended and self._may_be_half(piece[position])):
                return position
            self._meet(piece[position])
            position += not self.is_over
        return position

    def _may_be_half(self, mark: str) -> bool:
        return mark == self._dialect.escape or (self.in_quotes and mark == self._dialect.quote)

    def _meet(self, mark: str) -> None:
        """Take the character that ends a cell, or the text in quotes."""
        if self.in_quotes:
            self.in_quotes = mark != self._dialect.quote
        elif mark == self._dialect.delimiter:
            self._begins_cell = True
        else:
            self.is_over = mark in "\r\n"
