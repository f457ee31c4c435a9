"""Tables → blocks: whole columns become the lines of records in a few native calls.

`RowEncoder` encodes some rows; `BlockCutter` makes blocks of even size of what it returns. Both serve CSV and Parquet,
which differ only in how columns are read and how their values become JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from engine.records import Block, Place, Refusal, Span, cut_spans, join_spans
from engine.sources.json_columns import JsonText, any_of, complete, join
from engine.sources.ndjson_lines import text_of

REFUSALS_MAX = 1_000
"""So many refusals end a block that is not full, so that bad input can't fill the memory."""

ToJson = Callable[[pa.Array], JsonText]


class Field(NamedTuple):
    """A field of `data`: the column it is made of, its name, and how the column becomes JSON."""

    column: str
    name: str
    to_json: ToJson


@dataclass(slots=True)
class EncodedRows:
    """Some rows as records. Each of `lines` ends with a newline; `rows` counts the refused ones too."""

    ids: list[str]
    lines: pa.StringArray
    spans: list[Span]
    refusals: list[Refusal]


class RowEncoder:
    """Encodes rows of one file as canonical lines.

    Args:
        path: The file, for the places of refusals.
        id_to_json: How the id column becomes JSON text.
        fields: The fields to send, in order.
        nulls: Whether a null is left out, or sent.
        no_id: The reason to refuse a record whose id is null.
        record_bytes_max: A record whose line is longer is refused.
    """

    def __init__(
        self,
        path: str,
        id_to_json: ToJson,
        fields: Sequence[Field],
        *,
        nulls: Literal["omit", "send"],
        no_id: str,
        record_bytes_max: int,
    ) -> None:
        self._path = path
        self._id_to_json = id_to_json
        self._fields = fields
        self._names = [json.dumps(field.name, ensure_ascii=False) for field in fields]
        self._nulls = nulls
        self._no_id = no_id
        self._record_bytes_max = record_bytes_max

    def encode(self, ids: pa.Array, columns: Sequence[pa.Array], rows: Sequence[int]) -> EncodedRows:
        """Encode rows given as their columns, one for each field; `rows` are their numbers in the file, ascending."""
        id_text = self._id_to_json(ids)
        values = [field.to_json(column) for field, column in zip(self._fields, columns, strict=True)]
        lines, empty = self._lines(id_text.text, values)
        problems = self._problems(id_text, values, empty, lines)
        if not problems:
            return EncodedRows(_texts(ids), lines, spans_of(self._path, rows), [])
        reasons: dict[int, str] = {}
        for mask, reason in problems:
            for index in pc.indices_nonzero(mask).to_pylist():
                reasons.setdefault(index, reason)
        refusals = [
            self._refusal(reasons[index], rows[index], index, ids, columns, values) for index in sorted(reasons)
        ]
        good = pa.array([index for index in range(len(rows)) if index not in reasons], pa.int64())
        spans = spans_of(self._path, [rows[index] for index in good.to_pylist()])
        return EncodedRows(_texts(ids.take(good)), lines.take(good), spans, refusals)

    def _lines(self, ids: pa.StringArray, values: Sequence[JsonText]) -> tuple[pa.StringArray, pa.BooleanArray | None]:
        """Return the lines, and where `data` is empty, or None if it nowhere is."""
        if self._nulls == "send":
            values = [_with_nulls_sent(value) for value in values]
        members = self._members(values)
        if len(members) == 1 and not _has_nulls(values):
            return join('{"id":"', ids, '","data":{', *members[0], "}}\n"), None
        data = pc.binary_join_element_wise(*[join(*parts) for parts in members], ",", null_handling="skip")
        empty = pc.equal(pc.binary_length(data), 0)
        if not pc.any(empty, min_count=0).as_py():
            empty = None
        return join('{"id":"', ids, '","data":{', data, "}}\n"), empty

    def _members(self, values: Sequence[JsonText]) -> list[list[pa.StringArray | str]]:
        """Return the parts of the members of `data`: neighbours without nulls in one list, each other one in its own.

        A member that is null where its value is null is left out by `binary_join_element_wise`, with its comma.
        """
        members: list[list[pa.StringArray | str]] = []
        in_run = False
        for name, value in zip(self._names, values, strict=True):
            quote = '"' if value.quoted else ""
            parts: list[pa.StringArray | str] = [f"{name}:{quote}", value.text, quote]
            has_nulls = bool(value.text.null_count)
            if in_run and not has_nulls:
                members[-1] += [",", *parts]
            else:
                members.append(parts)
            in_run = not has_nulls
        return members

    def _problems(
        self, ids: JsonText, values: Sequence[JsonText], empty: pa.BooleanArray | None, lines: pa.StringArray
    ) -> list[tuple[pa.BooleanArray, str]]:
        """Return what is wrong with which rows; the first that applies to a row is its reason."""
        problems: list[tuple[pa.BooleanArray, str]] = []
        if ids.misfits is not None:
            problems.append((ids.misfits, f"id {ids.complaint}"))
        if ids.text.null_count:
            problems.append((ids.text.is_null(), self._no_id))
        id_bytes = pc.binary_length(ids.text)
        if pc.min(id_bytes).as_py() == 0:
            problems.append((pc.equal(id_bytes, 0).fill_null(False), "id is empty"))
        for field_, value in zip(self._fields, values, strict=True):
            if value.misfits is not None:
                problems.append((value.misfits, f"column {field_.column!r} {value.complaint}"))
        if empty is not None:
            problems.append((empty, "data has no fields"))
        line_bytes = pc.binary_length(lines)
        if (pc.max(line_bytes).as_py() or 0) - 1 > self._record_bytes_max:
            too_long = pc.greater(line_bytes, self._record_bytes_max + 1).fill_null(False)
            problems.append((too_long, overlong(self._record_bytes_max)))
        return problems

    def _refusal(
        self,
        reason: str,
        row: int,
        index: int,
        ids: pa.Array,
        columns: Sequence[pa.Array],
        values: Sequence[JsonText],
    ) -> Refusal:
        """Return the refusal of one row, with its fields as they would be sent; what does not fit, as text."""
        id_ = _shown(ids, index)
        data = ",".join(
            f"{name}:{text}"
            for name, column, value in zip(self._names, columns, values, strict=True)
            if (text := self._shown_json(column, value, index)) is not None
        )
        data = f"{{{data}}}"
        if reason == overlong(self._record_bytes_max):
            return Refusal(reason, Place(self._path, row), id_, raw=text_of(data.encode()))
        if not id_:
            return Refusal(reason, Place(self._path, row), raw=text_of(f'{{"id":null,"data":{data}}}'.encode()))
        return Refusal(reason, Place(self._path, row), id_, data.encode())

    def _shown_json(self, column: pa.Array, value: JsonText, index: int) -> str | None:
        if value.misfits is not None and value.misfits[index].as_py():
            return json.dumps(_shown(column, index), ensure_ascii=False)
        text: str | None = complete(value._replace(text=value.text.slice(index, 1)))[0].as_py()
        return "null" if text is None and self._nulls == "send" else text


class BlockCutter:
    """Makes blocks of exactly `block_records` records, the last one smaller, of rows that come in any number."""

    def __init__(self, block_records: int) -> None:
        self._block_records = block_records
        self._open = _OpenBlock()

    def add(self, rows: EncodedRows, source_bytes: int) -> Iterator[Block]:
        """Take the next rows, for which `source_bytes` were read; yield the blocks that they complete."""
        self._open.source_bytes += source_bytes
        self._open.refusals += rows.refusals
        start, spans = 0, rows.spans
        while start < len(rows.ids):
            count = min(self._block_records - len(self._open.ids), len(rows.ids) - start)
            taken, spans = cut_spans(spans, count)
            self._open.extend(rows.ids[start : start + count], _bytes_of(rows.lines.slice(start, count)), taken)
            start += count
            if len(self._open.ids) == self._block_records:
                yield self._close(before=spans[0] if spans else None)
        if len(self._open.refusals) >= REFUSALS_MAX:
            yield self._close()

    def finish(self) -> Iterator[Block]:
        """Yield what is left at the end of the file."""
        if self._open.ids or self._open.refusals:
            yield self._close()

    def _close(self, before: Span | None = None) -> Block:
        """Close the open block; refusals behind the start of `before` wait for the next one."""
        closed, self._open = self._open, _OpenBlock()
        if before:
            self._open.refusals = [refusal for refusal in closed.refusals if refusal.place.row > before.first_row]
            closed.refusals = [refusal for refusal in closed.refusals if refusal.place.row < before.first_row]
        return closed.block()


@dataclass(slots=True)
class _OpenBlock:
    """The block being filled."""

    ids: list[str] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    source_bytes: int = 0
    _lines: list[memoryview] = field(default_factory=list)

    def extend(self, ids: list[str], lines: memoryview, spans: list[Span]) -> None:
        self.ids += ids
        self.spans += spans
        self._lines.append(lines)

    def block(self) -> Block:
        if self._lines:
            self._lines[-1] = self._lines[-1][:-1]  # the last newline
        return Block(self.ids, b"".join(self._lines), join_spans(self.spans), self.refusals, self.source_bytes)


def spans_of(path: str, rows: Sequence[int]) -> list[Span]:
    """Return the places of ascending rows as spans."""
    if not rows:
        return []
    if rows[-1] - rows[0] == len(rows) - 1:
        return [Span(path, rows[0], len(rows))]
    half = len(rows) // 2
    return join_spans([*spans_of(path, rows[:half]), *spans_of(path, rows[half:])])


def overlong(bytes_max: int) -> str:
    """Return the reason to refuse a record that is longer than `bytes_max`."""
    return f"record is longer than {bytes_max:,} bytes"


def _with_nulls_sent(value: JsonText) -> JsonText:
    if not value.text.null_count:
        return value
    return value._replace(text=complete(value).fill_null("null"), quoted=False)


def _has_nulls(values: Sequence[JsonText]) -> bool:
    return any(value.text.null_count for value in values)


def _texts(ids: pa.Array) -> list[str]:
    texts: list[str] = ids.cast(pa.string()).to_pylist()
    return texts


def _bytes_of(lines: pa.StringArray) -> memoryview:
    offsets = memoryview(lines.buffers()[1]).cast("i")
    return memoryview(lines.buffers()[2])[offsets[lines.offset] : offsets[lines.offset + len(lines)]]


def _shown(column: pa.Array, index: int) -> str | None:
    """Return a value as text for a person to look at."""
    try:
        value = column[index].as_py()
    except (ValueError, OverflowError):  # text that is not UTF-8, or a time that Python can't hold
        try:
            raw: bytes = column.slice(index, 1).cast(pa.string()).view(pa.binary())[0].as_py()
        except pa.ArrowException:  # such a value inside a nested one
            return None
        return raw.decode(errors="replace")
    return None if value is None else str(value)
