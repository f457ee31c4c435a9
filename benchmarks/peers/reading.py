"""How a Python script reads a file into dicts, the straightforward way: shared by the peers that are such scripts."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, BinaryIO

import orjson

ID_COLUMN = "loan_id"
CONVERSIONS: dict[str, Callable[[str], object]] = {"emi_amount": float, "dpd": int, "risk": float}
"""What a typed CSV file needs; dates are good as they stand."""

Record = dict[str, Any]
Records = Iterator[Record]


def _plain(rows: Records) -> Records:
    return ({"id": row.pop(ID_COLUMN), "data": row} for row in rows)


def _integer_ids(rows: Records) -> Records:
    return ({"id": str(row.pop(ID_COLUMN)), "data": row} for row in rows)


def _without_nulls(rows: Records) -> Records:
    for row in rows:
        yield {"id": row.pop(ID_COLUMN), "data": {name: value for name, value in row.items() if value is not None}}


def _without_null_words(rows: Records) -> Records:
    nulls = {None, "N/A", "-"}
    for row in rows:
        yield {"id": row.pop(ID_COLUMN), "data": {name: value for name, value in row.items() if value not in nulls}}


def _renamed(rows: Records) -> Records:
    for row in rows:
        del row["zone"]
        row["amount_due"] = row.pop("emi_amount")
        yield {"id": row.pop(ID_COLUMN), "data": row}


def _fields(rows: Records) -> Records:
    names = ("emi_amount", "emi_due_date", "payment_status")
    return ({"id": row[ID_COLUMN], "data": {name: row[name] for name in names}} for row in rows)


def _constants(rows: Records) -> Records:
    for row in rows:
        row["feed"] = "nightly"
        row["attempts"] = 0
        yield {"id": row.pop(ID_COLUMN), "data": row}


def _where(rows: Records) -> Records:
    wanted = {"due", "overdue"}
    return ({"id": row.pop(ID_COLUMN), "data": row} for row in rows if row["payment_status"] in wanted)


FLAT_READERS: dict[str, Callable[[Records], Records]] = {
    "flat-id-first": _plain,
    "flat-integer-ids": _integer_ids,
    "flat-id-second": _plain,
    "flat-id-last": _plain,
    "flat-few-nulls": _without_nulls,
    "flat-many-nulls": _without_nulls,
    "flat-nulls-sent": _plain,
    "flat-spaced": _plain,
    "flat-gaps": _plain,
    "flat-non-ascii": _plain,
    "flat-escaped": _plain,
    "flat-renamed": _renamed,
    "flat-fields": _fields,
    "flat-constants": _constants,
    "flat-null-words": _without_null_words,
    "flat-where": _where,
}
"""What each kind of flat NDJSON needs and nothing more: who has such a file knows whether it has nulls."""


def record_chunks(kind: str, path: str, size: int) -> Iterator[list[Record]]:
    """Yield lists of `size` records `{"id", "data"}`."""
    if kind.startswith("parquet"):
        yield from _parquet_chunks(path, size)
        return
    with _open(path) as file:
        if kind in FLAT_READERS:
            records = FLAT_READERS[kind](map(orjson.loads, file))
        elif kind.startswith("ndjson"):
            records = map(orjson.loads, file)
        else:
            records = _csv_records(file, CONVERSIONS if kind == "csv-typed" else {})
        while chunk := list(islice(records, size)):
            yield chunk


def _open(path: str) -> BinaryIO:
    return gzip.open(path, "rb") if path.endswith(".gz") else open(path, "rb")  # type: ignore[return-value]


def _csv_records(file: BinaryIO, conversions: dict[str, Callable[[str], object]]) -> Records:
    with io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
        for row in csv.DictReader(text):
            record_id = row.pop(ID_COLUMN)
            data: Record = {name: value for name, value in row.items() if value}
            for name, convert in conversions.items():
                if name in data:
                    data[name] = convert(data[name])
            yield {"id": record_id, "data": data}


def _parquet_chunks(path: str, size: int) -> Iterator[list[Record]]:
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(path).iter_batches(size):
        yield [
            {"id": row.pop(ID_COLUMN), "data": {name: value for name, value in row.items() if value is not None}}
            for row in batch.to_pylist()
        ]
