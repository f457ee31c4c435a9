"""CSV and TSV sources: a header, then a record a row.

Rows count from 1 below the header; blank lines are not rows. The delimiter is the comma (the tab in TSV), unless the
header has none of them but semicolons, tabs or bars: then that one is meant.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

from engine.errors import SourceUntrusted
from engine.records import Block
from engine.sources.columns import map_columns
from engine.sources.csv_rows import RowCollector, read_rows
from engine.sources.files import InputFile, InputStream
from engine.sources.spec import SourceSpec

_HEADER_BYTES_MAX = 1_000_000
_OTHER_DELIMITERS = ";\t|,"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def read_blocks(file: InputFile, spec: SourceSpec, *, block_records: int, record_bytes_max: int) -> Iterator[Block]:
    """Yield the records of one CSV or TSV file, `block_records` a block.

    Raises:
        ConfigError: the settings don't fit its columns.
        SourceMissing: the file has gone.
        SourceUntrusted: it can't be read or is damaged; everything good before was yielded.
    """
    with file.open() as stream:
        buffered = _Buffered(stream)
        head = buffered.peek(_HEADER_BYTES_MAX)
        if head.startswith(_UTF_16) or b"\0" in head[:1000]:
            raise SourceUntrusted(f"{file.name} is not UTF-8 text (UTF-16, it seems); export it as UTF-8")
        rows = read_rows(buffered, _delimiter(head, file.format), file.name, record_bytes_max)
        header = next(rows, None)
        if header is None:
            return
        mapping = map_columns(header, spec, file.name)
        collector = RowCollector(mapping, file.path, len(header), record_bytes_max)
        stored_bytes = 0
        for row, cells in enumerate(_good_until_damaged(rows), 1):
            if isinstance(cells, SourceUntrusted):
                yield collector.take_block(file.stored_bytes_read() - stored_bytes)
                raise cells
            collector.add(row, cells)
            if len(collector.ids) == block_records or len(collector.refusals) == block_records:
                yield collector.take_block(file.stored_bytes_read() - stored_bytes)
                stored_bytes = file.stored_bytes_read()
        yield collector.take_block(file.stored_bytes_read() - stored_bytes)


def _good_until_damaged(rows: Iterator[list[str]]) -> Iterator[list[str] | SourceUntrusted]:
    """Yield the rows, and the damage as the last item instead of raising it."""
    try:
        yield from rows
    except SourceUntrusted as damage:
        yield damage


def _delimiter(head: bytes, file_format: str) -> str:
    header = head.split(b"\n", 1)[0].decode(errors="replace")
    expected = "\t" if file_format == "tsv" else ","
    if expected in header:
        return expected
    return next((other for other in _OTHER_DELIMITERS if other in header), expected)


class _Buffered(io.BufferedReader):
    """The stream with its first bytes ready to be looked at."""

    def __init__(self, stream: InputStream) -> None:
        super().__init__(_Raw(stream), _HEADER_BYTES_MAX)


class _Raw(io.RawIOBase):
    """`InputStream` as the raw stream that the standard library's buffers want."""

    def __init__(self, stream: InputStream) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # any writable buffer, in typeshed
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
