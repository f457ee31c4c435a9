"""Cuts a stream into slices of whole lines, in bounded memory, without looking at the lines one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.errors import SourceUntrusted
from engine.sources.compression import ByteReader

SLICE_BYTES_MAX = 8 << 20
"""A slice never grows beyond this, unless one line alone may be longer."""

OVERLONG_HEAD_BYTES = 40_000
"""How much is kept of a line that is too long: enough for 10,000 characters of any script."""

_FIRST_LINE_BYTES = 200
_READ_BYTES_MIN = 1 << 16
_MARGIN = 1.01
"""A little more is read than should hold the lines of one slice: the surplus is cheaper than a second read."""

_BOM = b"\xef\xbb\xbf"
_UTF16_STARTS = (b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff", b"{\0", b"\0{", b"\0\0\0{")


@dataclass(frozen=True, slots=True)
class LineSlice:
    """`count` whole lines joined by newlines, without one at the end; or the head of one line that is too long."""

    lines: bytes
    count: int
    overlong: bool = False


def line_slices(stream: ByteReader, *, name: str, lines_max: int, line_bytes_max: int) -> Iterator[LineSlice]:
    """Yield all lines of `stream`, `lines_max` a slice unless that many would be too large; a BOM is not data.

    A line longer than `line_bytes_max` that does not fit into a slice is passed over without being held in memory.

    Raises:
        SourceUntrusted: the stream is damaged (the whole lines before the damage were yielded), or it is UTF-16.
    """
    return iter(_Slicer(stream, name, lines_max, line_bytes_max))


class _Slicer:
    """A buffer of bytes read and not yet yielded, with the number of newlines in it."""

    def __init__(self, stream: ByteReader, name: str, lines_max: int, line_bytes_max: int) -> None:
        self._stream = stream
        self._name = name
        self._lines_max = lines_max
        self._buffer_bytes_max = max(SLICE_BYTES_MAX, line_bytes_max + 1)
        self._buffer = b""
        self._newlines = 0
        self._line_bytes: float = _FIRST_LINE_BYTES
        self._ended = False
        self._damage: SourceUntrusted | None = None

    def __iter__(self) -> Iterator[LineSlice]:
        self._start()
        while True:
            self._fill()
            if self._newlines >= self._lines_max:
                yield self._cut(self._newline_position(self._lines_max), self._lines_max)
            elif self._newlines and (self._damage or not self._ended):
                yield self._cut(self._buffer.rfind(b"\n"), self._newlines)
            elif self._damage:
                raise self._damage
            elif self._ended:
                break
            else:
                yield self._pass_over_line()
        if self._buffer:
            yield self._last()

    def _start(self) -> None:
        """Read the first bytes: step over a BOM, refuse UTF-16, of which no line could be read."""
        self._read(4)
        if self._buffer.startswith(_UTF16_STARTS):
            raise SourceUntrusted(f"{self._name} is UTF-16 or UTF-32 text; convert it to UTF-8")
        self._buffer = self._buffer.removeprefix(_BOM)

    def _fill(self) -> None:
        """Read until the buffer holds a whole slice, is full, or the stream has ended."""
        while self._newlines < self._lines_max and not self._ended:
            room = self._buffer_bytes_max - len(self._buffer)
            if room <= 0:
                return
            missing = int((self._lines_max - self._newlines) * self._line_bytes * _MARGIN)
            doubled = 0 if self._newlines else len(self._buffer)  # so that a long line is not copied over and over
            self._read(min(max(missing, doubled, _READ_BYTES_MIN), room))
            if self._newlines:
                self._line_bytes = len(self._buffer) / self._newlines

    def _read(self, size: int) -> None:
        """Append up to `size` bytes to the buffer, or note that there are no more."""
        try:
            part = self._stream.read(size)
        except SourceUntrusted as damage:
            self._damage = damage
            self._ended = True
            return
        self._ended = not part
        self._newlines += count_byte(part, b"\n")
        self._buffer = self._buffer + part if self._buffer else part

    def _cut(self, end: int, count: int) -> LineSlice:
        """Take `count` lines from the buffer; the newline that ends them is at `end`."""
        lines = self._buffer[:end]
        self._buffer = self._buffer[end + 1 :]
        self._newlines -= count
        return LineSlice(lines, count)

    def _newline_position(self, number: int) -> int:
        """Return where newline `number` (counted from 1) is in the buffer, going from the nearer end."""
        surplus = self._newlines - number
        if surplus < number:
            position = len(self._buffer)
            for _ in range(surplus + 1):
                position = self._buffer.rfind(b"\n", 0, position)
        else:
            position = -1
            for _ in range(number):
                position = self._buffer.find(b"\n", position + 1)
        return position

    def _last(self) -> LineSlice:
        """Take what is left at the end, where a last newline ends a line and does not begin another."""
        lines = self._buffer.removesuffix(b"\n")
        return LineSlice(lines, self._newlines + (lines is self._buffer))

    def _pass_over_line(self) -> LineSlice:
        """Read on to the end of a line that fills the whole buffer, and keep only its head."""
        head = self._buffer[:OVERLONG_HEAD_BYTES]
        while not self._newlines and not self._ended:
            self._buffer = b""
            self._read(1 << 20)
        if self._newlines:
            self._buffer = self._buffer[self._buffer.find(b"\n") + 1 :]
            self._newlines -= 1
        return LineSlice(head, 1, overlong=True)


def count_byte(data: bytes, byte: bytes) -> int:
    """Return how often one byte that is rather rare occurs in `data`: `data.count(byte)` at three times its speed."""
    return len(data) - len(data.replace(byte, b""))
