"""A look at a real source: its format, its columns, and which of them could be the id. For `init`.

Reads the first file only, and of that no more than `ROWS_MAX` records and `CELLS_MAX` values, so that a look at 100 GB
is as quick as any, and needs as little memory.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from msgspec.structs import replace

from engine.commands.init.column import ID_NAMES, ColumnSurvey, plain_name
from engine.commands.init.encoding import encoding_of, head_of
from engine.commands.init.format import find_format, format_of, format_with, refuse_mixed
from engine.report import counted
from engine.sources import (
    DELIMITED,
    DELIMITERS,
    USUAL_ACCESS,
    DatabaseQuery,
    Format,
    InputFile,
    SourceSpec,
    Spool,
    StoreAccess,
    find_files,
)
from engine.values import SourceMissing, SourceUntrusted

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.sources import TextRows

ROWS_MAX = 100_000
CELLS_MAX = 1_000_000
COLUMNS_MAX = 2_000
LINE_CHARS_MAX = 8_000_000

ROWS_OF_DATA = 100
"""So many rows tell whether the line above them is a header."""


@dataclass(slots=True)
class Survey:
    """What was found. `is_canonical`: the records already look like `{"id", "data"}`."""

    paths: tuple[str, ...]
    format: Format
    format_is_evident: bool
    """Whether the names of the files tell the format."""
    access: StoreAccess = USUAL_ACCESS
    encoding: str | None = None
    """How its text is encoded, None for UTF-8."""
    quote: str | None = None
    """Its quote, if it is none that would be found."""
    columns: list[ColumnSurvey] = field(default_factory=list)
    is_canonical: bool = False
    rows: int = 0
    is_complete: bool = True
    """Whether everything was looked at."""
    doubts: list[str] = field(default_factory=list)
    asked: DatabaseQuery | None = None
    """What was asked, if it is a database."""

    @property
    def is_text(self) -> bool:
        """Whether columns are text without a type of their own."""
        return self.format in DELIMITED


def survey(paths: Sequence[str], access: StoreAccess = USUAL_ACCESS) -> Survey:
    """Look at the source at `paths` (paths, globs or addresses).

    Raises:
        ConfigError: the names of the files tell different formats.
        SourceMissing: there is no such file, or it holds no record.
        SourceUntrusted: it cannot be read, or not in the form it is in; the message says how to convert it.
    """
    refuse_mixed(paths, access)
    files = find_files(SourceSpec(tuple(paths), format=format_of(paths, access), access=access))
    first = files[0]
    found = Survey(tuple(paths), first.format, find_format(paths) is not None, access)
    if first.format == "parquet":
        found = _parquet(found, first)
    else:
        found.encoding = encoding_of(first)
        first = replace(first, encoding=found.encoding)
        if found.encoding:
            found.doubts.append(f"source.encoding: {found.encoding} was taken; compare letters with accents")
        found = (_ndjson if first.format == "ndjson" else _csv)(found, first)
    if not found.rows:
        raise SourceMissing(f"{first.path} holds no record")
    if len(files) > 1:
        found.is_complete = False
        found.doubts.append(f"only {first.path} was looked at; the other {len(files) - 1} files should be alike")
    return found


def survey_result(asked: DatabaseQuery, spool: Spool) -> Survey:
    """Look at rows of a database that were read into a file.

    Raises:
        SourceMissing: there is none.
        SourceUntrusted: they cannot be read.
    """
    [file] = find_files(SourceSpec((asked.label,), format=asked.spool_format), found=[spool.file])
    found = Survey((asked.label,), asked.spool_format, format_is_evident=True, asked=asked)
    found = (_parquet if asked.spool_format == "parquet" else _ndjson)(found, file)
    if not found.rows:
        raise SourceMissing(f"{asked.label} holds no record")
    found.is_canonical = False
    return found


def _open_text(file: InputFile) -> io.TextIOWrapper:
    """Open a file as text whose line ends are left alone; bytes that are no text show as question marks."""
    return io.TextIOWrapper(cast("BinaryIO", file.open()), encoding="utf-8-sig", errors="replace", newline="")


def _csv(found: Survey, file: InputFile) -> Survey:
    from engine.sources import open_table  # Arrow comes with it

    # No column is left out for a missing name here: what it holds is to be seen.
    with open_table(file, SourceSpec((file.path,), fields=(), quote=found.quote), position_of_id) as (header, pieces):
        delimiter = header.dialect.delimiter
        # Tabs make a TSV of it, unless cells stand in quotes: CSV finds the tabs by itself, and TSV knows no quotes.
        actual = found.format if found.format == "csv" and b'"' in head_of(file) else format_with(delimiter)
        if actual != found.format:
            found.doubts.append(
                f"the name says {found.format}, but the columns are separated by {DELIMITERS.get(delimiter, delimiter)}"
            )
            found.format, found.format_is_evident = actual, False
            return _csv(found, replace(file, format=actual))
        if actual == "tsv" and all(re.fullmatch('"[^"]*"', name) for name in header.names):
            found.quote = '"'
            found.doubts.append("source.quote: the names of the columns stand in quotes; all cells are read so")
            return _csv(found, file)
        found.doubts += header.notes
        _check_header(header.names, file.path)
        found.doubts += _doubts_of_delimiter(header.names)
        found.columns = [ColumnSurvey(name) for name in header.names]
        _survey_rows(found, file, pieces)
    return found


def _doubts_of_delimiter(names: Sequence[str]) -> list[str]:
    """Ask about a mark in the name of the only column."""
    mark = re.search(r"\w ?([^\w\s.()-]) ?\w", names[0]) if len(names) == 1 else None
    doubt = "source.delimiter: there is only one column, with {!r} in its name; if that separates columns, set it"
    return [doubt.format(mark[1])] if mark else []


def position_of_id(names: Sequence[str]) -> int:
    """Return which of the columns most likely holds the id, by their names."""
    known = [name for wanted in ID_NAMES for name in names if plain_name(name) == wanted]
    return names.index(known[0]) if known else 0


def _check_header(header: Sequence[str], path: str) -> None:
    if len(header) > COLUMNS_MAX:
        raise SourceUntrusted(f"{path} has {len(header)} columns in its first line, which should be their names")
    names = [name for name in header if name.strip()]
    if len(set(names)) < len(names):
        raise SourceUntrusted(f"{path}: two columns have the same name in the first line; rename one of them")


def _survey_rows(found: Survey, file: InputFile, pieces: Iterator[TextRows]) -> None:
    invalid: dict[str, list[int]] = {}
    wanted = _rows_max(len(found.columns))
    for piece in pieces:
        columns = [column.to_pylist() for column in piece.columns]
        if not found.rows:
            _refuse_data_for_names(found, file, columns)
        for refusal in piece.refusals:
            invalid.setdefault(refusal.reason, []).append(refusal.place.row)
        found.rows += len(piece.refusals)
        rows = zip(piece.rows, *columns, strict=True)
        for row, *cells in islice(rows, max(wanted - found.rows, 0)):
            found.rows += 1
            for column, value in zip(found.columns, cells, strict=True):
                column.add(value or "", row)
        if found.rows >= wanted:
            found.is_complete = next(rows, None) is None and next(pieces, None) is None
            break
    for reason, where in invalid.items():
        such_as = ", ".join(map(str, where[:3]))
        found.doubts.append(f"{counted(len(where), 'row')} will be invalid: {reason} (row {such_as})")


def _refuse_data_for_names(found: Survey, file: InputFile, columns: Sequence[Sequence[str | None]]) -> None:
    """Refuse a file whose first line is no header: what stands there would become names that anybody may see."""
    from engine.sources import are_data

    first_rows = [[cell or "" for cell in row] for row in islice(zip(*columns, strict=True), ROWS_OF_DATA)]
    if are_data([column.name for column in found.columns], first_rows):
        raise SourceUntrusted(
            f"{file.path}: its first line does not look like names of columns (number of cells: {len(found.columns)}); "
            "is the header missing? Let the export write one, or add it"
        )


def _rows_max(columns: int) -> int:
    return min(ROWS_MAX, CELLS_MAX // max(columns, 1))


def _ndjson(found: Survey, file: InputFile) -> Survey:
    columns: dict[str, ColumnSurvey] = {}
    broken = canonical = 0
    with _open_text(file) as text:
        lines = _objects(text)
        for parsed in lines:
            found.rows += 1
            if isinstance(parsed, list) and found.rows == 1:
                raise SourceUntrusted(
                    f"{file.path} is one JSON array; make it one object a line: jq -c '.[]' {file.path}"
                )
            if not isinstance(parsed, dict):
                broken += 1
                continue
            canonical += isinstance(parsed.get("id"), str) and isinstance(parsed.get("data"), dict)
            _survey_object(parsed, columns, found.rows - broken)
            if found.rows >= _rows_max(len(columns)):
                break
        found.is_complete = next(lines, None) is None
    found.columns = list(columns.values())
    for column in found.columns:
        if 2 * column.no_ids > column.filled:
            column.refused = "holds more than text and integers"
    found.is_canonical = canonical * 2 > found.rows
    if found.is_canonical and canonical < found.rows - broken:
        found.doubts.append(f'{found.rows - broken - canonical} lines do not look like {{"id", "data"}}, as most do')
    if broken:
        found.doubts.append(f"{broken} lines are no JSON objects: they will be invalid")
    return found


def _objects(text: io.TextIOWrapper) -> Iterator[Any]:
    """Yield the parsed lines, None for one that is no JSON, and a list for one where a list seems to begin."""
    while line := text.readline(LINE_CHARS_MAX):
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError):
                yield [] if line.lstrip().startswith("[") else None


def _survey_object(record: dict[str, Any], columns: dict[str, ColumnSurvey], rows: int) -> None:
    for name, value in record.items():
        if name not in columns and len(columns) >= COLUMNS_MAX:
            continue
        column = columns.get(name)
        if column is None:  # not by setdefault: a survey knows dozens of forms, and would be made for every value
            column = columns[name] = ColumnSurvey(name)
        if value is not None and (not isinstance(value, (str, int)) or isinstance(value, bool)):
            column.no_ids += 1
        column.add("" if value is None else str(value))
    for column in columns.values():  # a key that is missing in some records is no id
        column.rows = rows


def _parquet(found: Survey, file: InputFile) -> Survey:
    from engine.sources import ParquetTable

    with ParquetTable(file) as table:
        if len(set(table.schema.names)) < len(table.schema.names):
            raise SourceUntrusted(f"{file.path}: two columns have the same name; rename one of them")
        found.columns = [_parquet_column(column.name, column.type) for column in table.schema]
        wanted = [index for index, column in enumerate(found.columns) if column.could_be_id]
        for batch in table.batches(wanted):
            found.rows += batch.num_rows
            for index in wanted:
                _survey_values(found.columns[index], batch.column(table.schema.names[index]))
            if found.rows >= _rows_max(len(wanted)):
                break
        found.is_complete = found.rows == table.rows
    return found


def _parquet_column(name: str, type_: pa.DataType) -> ColumnSurvey:
    from engine.sources import is_bytes, is_id_type, unsupported

    if is_bytes(type_):
        return ColumnSurvey(name, is_bytes=True)
    refused = "" if is_id_type(type_) else f"holds {type_}"
    return ColumnSurvey(name, refused=refused, has_no_json=unsupported(type_) is not None)


def _survey_values(column: ColumnSurvey, values: pa.Array) -> None:
    from engine.sources import text_form

    form = text_form(values)
    for value in form.text.to_pylist():
        column.add(value or "")
        if value and getattr(values.type, "kind", "") == "number" and not value.lstrip("-").isdigit():
            column.refused = "holds numbers that are not whole"
    if column.is_bytes and form.misfits is not None:
        column.is_bytes, column.refused, column.has_no_json = False, "holds bytes that are not text", True
