"""The head of a CSV or TSV file: how it is written, what stands above the header, and the names of the columns.

A title above the header is passed over where that is beyond doubt: the first record lacks the id's column, one of the
next twenty lines has it, and it has more cells that are not empty than each before it. Line breaks inside a name count
as line feeds. A column without a name is not sent; where others are not listed in `fields`, it must be empty.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

from engine.sources.csv.dialect import HEAD_BYTES, RECORDS_TRIED, TITLE_LINES_MAX, detect_dialect, sep_line
from engine.sources.csv.names import are_names
from engine.sources.csv.not_records import names_of
from engine.sources.csv.pieces import CsvText
from engine.sources.csv.stray_quotes import SWALLOWS_ROWS, LineJudge, RowReader
from engine.sources.csv.text import BETWEEN_RECORDS, LINE_END, Dialect, RecordReader, TextRecord
from engine.sources.formats import FORMATS
from engine.sources.json_text import not_utf8
from engine.sources.spec import SourceSpec
from engine.sources.stored.inputs import InputFile
from engine.values import ConfigError, SourceMissing, SourceUntrusted

HEADER_BYTES_MAX = 2 << 20
"""A header must end within so many bytes, titles above it included."""


@dataclass(frozen=True, slots=True)
class Header:
    """The names of the columns as they are written in `dialect`, and what was odd about the head of the file.

    `to_be_empty` are the positions of columns without a name in which no row may have a value.
    """

    names: list[str]
    dialect: Dialect
    to_be_empty: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_header(text: CsvText, file: InputFile, spec: SourceSpec) -> Header:
    """Take from the text all that stands before the first row.

    Without `spec.id`, the header is the first record with several names, or the first of all.

    Raises:
        ConfigError: the header is none, by what the settings name.
        SourceMissing: the file is empty.
        SourceUntrusted: it is damaged, is no UTF-8, or its header is broken or lacks a name that is needed.
    """
    head = _head(text, file)
    dialect = detect_dialect(text.data[:HEAD_BYTES], file.format, spec)
    _, begin = sep_line(head)
    reader = RecordReader(head, dialect, ended=text.ended)
    reader.resume(begin)
    id_ = None if spec.id in file.keys else spec.id
    record = _header_record(list(islice(reader, TITLE_LINES_MAX + 1)), id_)
    if record is None:
        if text.damage:
            raise text.damage
        if not head[begin:].strip(BETWEEN_RECORDS):
            raise _empty(file)
        raise SourceUntrusted(f"{file.name} has no header: its first line does not end, or a quote in it is not closed")
    _refuse_broken(head, record, dialect, file)
    names = names_of(record.cells)
    rows = _first_rows(head[record.end :], dialect, names, ended=not text.has_more)
    if id_ is not None and id_ not in names:
        _refuse_without_id(names, rows, dialect, file, spec)
    unnamed = [index for index, name in enumerate(names) if not name.strip()] if spec.fields is None else []
    _refuse_unnamed_with_values(unnamed, rows, file)
    text.drop(len(head[: record.end].encode(errors="surrogateescape")))
    return Header(names, dialect, unnamed, [*_title_notes(head, begin, record), *_unnamed_notes(unnamed)])


def _head(text: CsvText, file: InputFile) -> str:
    text.fill(HEADER_BYTES_MAX)
    if text.damage and not text.data:
        raise text.damage
    if text.data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in text.data[:4]:
        raise not_utf8(file.name)
    head = text.data.decode(errors="surrogateescape")
    if not head.strip(BETWEEN_RECORDS):
        raise _empty(file)
    return head


def _empty(file: InputFile) -> SourceMissing:
    return SourceMissing(f"{file.name} is empty: it has not even a header")


def _header_record(records: Sequence[TextRecord], id_: str | None) -> TextRecord | None:
    """Return the record that names the columns: the first one, unless titles stand above it."""
    filled = [sum(1 for cell in record.cells if cell.strip()) for record in records]
    if not records or id_ in records[0].cells:
        return next(iter(records), None)
    for index, record in enumerate(records):
        names_columns = filled[index] > 1 if id_ is None else id_ in record.cells
        if names_columns and filled[index] > max(filled[:index], default=0):
            return record
    return records[0]


def _refuse_broken(head: str, record: TextRecord, dialect: Dialect, file: InputFile) -> None:
    problem = record.problem
    if record.spans_lines:
        first, *inner, _ = LINE_END.split(head[record.start : record.end])
        problem = SWALLOWS_ROWS if LineJudge(dialect, None, first).lead(inner) > 0 else problem
    if problem:
        raise SourceUntrusted(f"{file.name}: the header is broken: {problem}")
    try:
        head[record.start : record.end].encode()
    except UnicodeEncodeError:
        raise SourceUntrusted(
            f'{file.name}: the header is not valid UTF-8; set source.encoding, such as "windows-1252", or convert the '
            "file to UTF-8"
        ) from None


def _first_rows(text: str, dialect: Dialect, names: Sequence[str], *, ended: bool) -> list[list[str]]:
    rows = islice(RowReader(text, dialect, names, ended=ended), RECORDS_TRIED)
    return [row.cells for row in rows if len(row.cells) == len(names)]


def _refuse_without_id(
    names: Sequence[str], rows: Sequence[Sequence[str]], dialect: Dialect, file: InputFile, spec: SourceSpec
) -> None:
    """Refuse a header that lacks the id's column, where its text may be data, or quotes hide it.

    Raises:
        ConfigError: in these cases. In others the mapping refuses it, and shows the names.
    """
    if not dialect.quote and f'"{spec.id}"' in names:
        raise ConfigError(
            f"{file.name}: its cells stand in quotes, and {FORMATS[file.format].name} is read without quotes unless "
            "source.quote is set: quote = '\"'"
        )
    if len(names) == 1 and re.search(rf"\b{re.escape(str(spec.id))}\b", names[0]):
        raise ConfigError(
            f"{file.name} has no column {spec.id!r} (source.id), but its first line holds that name among others: what "
            "separates the columns could not be found; set source.delimiter"
        )
    if not are_names(names, rows, spec):
        raise ConfigError(
            f"{file.name} has no column {spec.id!r} (source.id); its first line does not look like names of columns "
            f"(number of cells: {len(names)}); is the header missing?"
        )


def _refuse_unnamed_with_values(unnamed: Sequence[int], rows: Sequence[Sequence[str]], file: InputFile) -> None:
    for index in unnamed:
        if any(row[index] for row in rows):
            raise SourceUntrusted(
                f"{file.name}: the header has no name for column {index + 1}, which has values; name it, or list the "
                "columns to send in source.fields"
            )


def _title_notes(head: str, begin: int, record: TextRecord) -> list[str]:
    if not head[begin : record.start].strip(BETWEEN_RECORDS):
        return []
    line = len(LINE_END.findall(head, 0, record.start)) + 1
    return [f"the header was found in line {line}; what stands above it was taken for a title"]


def _unnamed_notes(unnamed: Sequence[int]) -> list[str]:
    if not unnamed:
        return []
    numbers = ", ".join(str(index + 1) for index in unnamed)
    return [f"the header has no name for column {numbers}: it is not sent, and must be empty in all rows"]
