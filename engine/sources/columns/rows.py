"""Columns → the lines of records, in a few native calls for thousands of rows.

It serves CSV and Parquet, which differ only in how columns are read and how their values become JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, reduce
from typing import NamedTuple, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from engine.sources.columns.acceleration import join_rows, strings
from engine.sources.columns.column_text import NULL, JsonText, complete
from engine.sources.columns.escaping import escape
from engine.sources.columns.mapping import ColumnMapping
from engine.sources.columns.plain import plain
from engine.sources.columns.shaped import shaped_ids
from engine.sources.columns.text_form import is_bytes
from engine.sources.columns.written import whole_only
from engine.sources.even_blocks import spans_of
from engine.sources.json_text import text_of
from engine.sources.ndjson.acceleration import numbers_of_column
from engine.sources.shaping.shaper import Shaper
from engine.values import Place, Refusal, Span

_Mask: TypeAlias = pa.BooleanArray | bool
"""Where something holds, row by row, or everywhere or nowhere."""


@dataclass(slots=True)
class EncodedRows:
    """Some rows as records. Each of `lines` ends with a newline. With the accelerator nobody looks at all `ids`."""

    ids: list[str] | None
    lines: pa.StringArray
    spans: Sequence[Span]
    refusals: list[Refusal]
    filtered: Sequence[Span] = ()
    filtered_ids: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    id_numbers: bytes | None = None
    routed_by: list[str] | None = None

    @property
    def count(self) -> int:
        """How many records there are."""
        return len(self.lines)

    def text(self, start: int, stop: int) -> memoryview:
        """Return the lines of some records, at least one, joined by newlines. Nothing is copied."""
        offsets = memoryview(self.lines.buffers()[1]).cast("i")
        first = self.lines.offset
        return memoryview(self.lines.buffers()[2])[offsets[first + start] : offsets[first + stop] - 1]


class _Closing(NamedTuple):
    """The quote behind a value, or "", and where that value is sent."""

    quote: str
    sent: _Mask


class RowEncoder:
    """Encodes rows of one file as canonical lines.

    Args:
        path: The file, for the places of refusals.
        mapping: What is sent.
        text: Returns the text of a column's values, not escaped.
        to_json: Returns a column as JSON text, in its shape.
        no_id: The reason to refuse a record whose id is null.
        record_bytes_max: A record whose line is longer is refused.
    """

    def __init__(
        self,
        path: str,
        mapping: ColumnMapping,
        text: Callable[[pa.Array], JsonText],
        to_json: Callable[[pa.Array, Shaper], JsonText],
        *,
        no_id: str,
        record_bytes_max: int,
    ) -> None:
        self._path = path
        self._mapping = mapping
        self._text = text
        self._to_json = to_json
        self._fields = [json.dumps(column.field, ensure_ascii=False) for column in mapping.sent]
        self._no_id = no_id
        self._record_bytes_max = record_bytes_max

    def encode(self, columns: Mapping[int, pa.Array], rows: Sequence[int]) -> EncodedRows:
        """Encode rows given as their columns by position; `rows` are their numbers in the file, ascending."""
        columns = {**columns, **{i: _repeat(value, len(rows)) for i, value in self._mapping.given.items()}}
        taken = self._taken(columns)
        if taken is None:
            return self._encode(columns, rows)
        left_out = columns[self._mapping.id_index].filter(pc.invert(taken)) if self._mapping.tells_filtered else None
        columns = {index: column.filter(taken) for index, column in columns.items()}
        wanted, others = (
            [rows[index] for index in pc.indices_nonzero(mask).to_pylist()] for mask in (taken, pc.invert(taken))
        )
        encoded = self._encode(columns, wanted)
        encoded.filtered = spans_of(self._path, others)
        if left_out is not None:
            ids = shaped_ids(self._text(whole_only(left_out)), self._mapping.id_shaper).text
            encoded.filtered_ids = [each for each in ids.to_pylist() if each]
        return encoded

    def _taken(self, columns: Mapping[int, pa.Array]) -> pa.BooleanArray | None:
        """Return which rows meet all conditions, or None if all rows do."""
        masks = []
        for condition in self._mapping.conditions:
            text = self._text(columns[condition.index]).text
            meets = pc.is_in(text, pa.array(condition.texts, pa.string()))
            masks.append(pc.or_(meets, text.is_null()) if "" in condition.texts else meets)
        taken = reduce(pc.and_, masks) if masks else None
        return None if taken is None or pc.all(taken, min_count=0).as_py() else taken

    def _encode(self, columns: Mapping[int, pa.Array], rows: Sequence[int]) -> EncodedRows:
        ids = shaped_ids(self._text(whole_only(columns[self._mapping.id_index])), self._mapping.id_shaper)
        sent = [columns[column.index] for column in self._mapping.sent]
        values = [self._to_json(array, each.shaper) for array, each in zip(sent, self._mapping.sent, strict=True)]
        lines, filled = self._lines(escape(ids.text), values)
        problems = self._problems(ids, values, filled, lines)
        routed_by = self._routed_by(columns)
        if not problems:
            return _encoded(ids.text, lines, spans_of(self._path, rows), [], routed_by)
        reasons: dict[int, str] = {}
        for mask, reason in problems:
            for index in pc.indices_nonzero(mask).to_pylist():
                reasons.setdefault(index, reason)
        refusals = self._refusals(dict(sorted(reasons.items())), rows, columns[self._mapping.id_index], sent, values)
        if routed_by is not None:
            refusals = [
                replace(refusal, routed_by=routed_by[index])
                for index, refusal in zip(sorted(reasons), refusals, strict=True)
            ]
            routed_by = [text for index, text in enumerate(routed_by) if index not in reasons]
        good = pa.array([index for index in range(len(rows)) if index not in reasons], pa.int64())
        spans = spans_of(self._path, [rows[index] for index in good.to_pylist()])
        return _encoded(ids.text.take(good), lines.take(good), spans, refusals, routed_by)

    def _routed_by(self, columns: Mapping[int, pa.Array]) -> list[str] | None:
        """Return what says which campaign each row is for, as the file has it; "" for a null."""
        if self._mapping.route_index is None:
            return None
        texts: list[str] = self._text(columns[self._mapping.route_index]).text.fill_null("").to_pylist()
        return texts

    def _lines(self, ids: pa.StringArray, values: Sequence[JsonText]) -> tuple[pa.StringArray, _Mask]:
        """Return the lines, and where `data` has any fields."""
        if self._mapping.sends_nulls:
            values = [_with_nulls_sent(value) for value in values]
        parts: list[pa.Array | str] = ['{"id":"', ids, '","data":{']
        filled: _Mask = False
        closing = _Closing("", True)
        for name, value in zip(self._fields, values, strict=True):
            quote = '"' if value.quoted else ""
            sent: _Mask = value.text.is_valid() if value.text.null_count else True
            parts += [_between(closing, f"{name}:{quote}", sent, filled), value.text]
            closing = _Closing(quote, sent)
            filled = _or(filled, sent)
        constants = self._mapping.constants
        parts += [_between(closing, constants, bool(constants), filled), "}}\n"]
        filled = filled if not constants else True
        return join_rows(parts), filled

    def _problems(
        self, ids: JsonText, values: Sequence[JsonText], filled: _Mask, lines: pa.StringArray
    ) -> list[tuple[pa.BooleanArray, str]]:
        """Return what is wrong with which rows; the first that applies to a row is its reason."""
        problems: list[tuple[pa.BooleanArray, str]] = []
        if ids.misfits is not None:
            problems.append((ids.misfits, f"id {ids.complaint}"))
        if ids.text.null_count:
            problems.append((ids.text.is_null(), self._no_id))
        id_bytes = pc.binary_length(ids.text)
        if pc.min(id_bytes).as_py() == 0:
            problems.append((pc.equal(id_bytes, pa.scalar(0, pa.int32())), "id is empty"))
        for column, value in zip(self._mapping.sent, values, strict=True):
            if value.misfits is not None:
                problems.append((value.misfits, f"column {column.name!r} {value.complaint}"))
        if not isinstance(filled, bool) and filled.false_count:
            problems.append((pc.invert(filled), "data has no fields"))
        line_bytes = pc.binary_length(lines)
        if (pc.max(line_bytes).as_py() or 0) - 1 > self._record_bytes_max:
            too_long = pc.greater(line_bytes, pa.scalar(self._record_bytes_max + 1, pa.int64()))
            problems.append((too_long, overlong(self._record_bytes_max)))
        return problems

    def _refusals(
        self,
        reasons: Mapping[int, str],
        rows: Sequence[int],
        ids: pa.Array,
        columns: Sequence[pa.Array],
        values: Sequence[JsonText],
    ) -> list[Refusal]:
        """Return the refusals of the rows at the indices in `reasons`."""
        indices = pa.array(reasons, pa.int64())
        id_texts = _shown(ids.take(indices))
        members = [
            self._shown_members(name, column.take(indices), _take(value, indices))
            for name, column, value in zip(self._fields, columns, values, strict=True)
        ]
        refusals = []
        for index, id_, *fields in zip(reasons, id_texts, *members, strict=True):
            reason, place = reasons[index], Place(self._path, rows[index])
            data = f"{{{','.join(field for field in fields if field is not None)}}}"
            if not id_:
                refusals.append(Refusal(reason, place, raw=text_of(f'{{"id":"","data":{data}}}'.encode())))
            elif reason == overlong(self._record_bytes_max):
                refusals.append(Refusal(reason, place, id_, raw=text_of(data.encode())))
            else:
                refusals.append(Refusal(reason, place, id_, data.encode()))
        return refusals

    def _shown_members(self, name: str, column: pa.Array, value: JsonText) -> list[str | None]:
        """Return a member of `data` in each row as it would be sent; what does not fit, as text."""
        texts: list[str | None] = complete(value).to_pylist()
        if value.misfits is not None:
            shown = _shown(column)
            for index in pc.indices_nonzero(value.misfits).to_pylist():
                texts[index] = None if shown[index] is None else json.dumps(shown[index], ensure_ascii=False)
        null = "null" if self._mapping.sends_nulls else None
        return [null and f"{name}:{null}" if text is None else f"{name}:{text}" for text in texts]


def _encoded(
    ids: pa.StringArray,
    lines: pa.StringArray,
    spans: Sequence[Span],
    refusals: list[Refusal],
    routed_by: list[str] | None,
) -> EncodedRows:
    texts = ids.to_pylist() if strings is None else None
    return EncodedRows(texts, lines, spans, refusals, id_numbers=numbers_of_column(ids), routed_by=routed_by)


def overlong(bytes_max: int) -> str:
    """Return the reason to refuse a record that is longer than `bytes_max`."""
    return f"the record is longer than {bytes_max:,} bytes"


def _with_nulls_sent(value: JsonText) -> JsonText:
    if not value.text.null_count:
        return value
    return value._replace(text=complete(value).fill_null(NULL), quoted=False)


def _between(closing: _Closing, key: str, sent: _Mask, filled: _Mask) -> pa.StringArray | str:
    """Return what stands between two values in each row: a quote, a comma and a key, as far as they are needed.

    Args:
        closing: The quote behind the value before, which stands where that value is sent.
        key: The key of the next value, and its quote.
        sent: Where the next value is sent.
        filled: Where any value before it is: a comma must stand there.
    """
    masks = (closing.sent, sent, filled)
    if all(isinstance(mask, bool) for mask in masks):
        return _gap(closing.quote, key, bool(closing.sent), bool(sent), bool(filled))
    number = _ZERO
    for bit, mask in zip(_BITS, masks, strict=True):
        number = pc.add(number, pc.if_else(mask, bit, _ZERO))
    return _gaps(closing.quote, key).take(number)


_ZERO = pa.scalar(0, pa.int8())
_BITS = tuple(pa.scalar(bit, pa.int8()) for bit in (1, 2, 4))


@lru_cache(maxsize=4096)
def _gaps(quote: str, key: str) -> pa.StringArray:
    """Return all that may stand between two values, by the number that the three masks make in binary."""
    return pa.array([_gap(quote, key, bool(n & 1), bool(n & 2), bool(n & 4)) for n in range(8)], pa.string())


def _gap(quote: str, key: str, has_closing: bool, is_sent: bool, is_filled: bool) -> str:
    return (quote if has_closing else "") + ("," if is_sent and is_filled else "") + (key if is_sent else "")


def _or(one: _Mask, other: _Mask) -> _Mask:
    if one is True or other is True:
        return True
    if one is False:
        return other
    return one if other is False else pc.or_(one, other)


def _repeat(value: str | None, count: int) -> pa.StringArray:
    return pa.repeat(pa.scalar(value, pa.string()), count)


def _take(value: JsonText, indices: pa.Array) -> JsonText:
    misfits = None if value.misfits is None else value.misfits.take(indices)
    return value._replace(text=value.text.take(indices), misfits=misfits)


def _shown(column: pa.Array) -> list[str | None]:
    """Return values as text for a person to look at; None also for what has no such text."""
    try:
        column = plain(column)
        column = column.cast(pa.binary()) if is_bytes(column.type) else _written(column).view(pa.binary())
    except pa.ArrowNotImplementedError:  # nested
        return [None] * len(column)
    return [None if raw is None else raw.decode(errors="replace") for raw in column.to_pylist()]


def _written(column: pa.Array) -> pa.StringArray:
    """Return values as Arrow writes them; a time that no day has as the number that it is stored as."""
    text = column.cast(pa.string())
    if not pa.types.is_temporal(column.type):
        return text
    return pc.replace_substring_regex(text, r"^<value out of range: (.*)>$", r"\1")
