"""How a Python script reads a file into dicts, the straightforward way: shared by the peers that are such scripts."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, BinaryIO, TextIO

import orjson

ID_COLUMN = "loan_id"
CONVERSIONS: dict[str, Callable[[str], object]] = {"emi_amount": float, "dpd": int, "risk": float}
"""What a typed CSV file needs; dates are good as they stand."""

Record = dict[str, Any]


def record_chunks(kind: str, path: str, size: int) -> Iterator[list[Record]]:
    """Yield lists of `size` records `{"id", "data"}`."""
    if kind.startswith("parquet"):
        yield from _parquet_chunks(path, size)
        return
    with _open(path) as file:
        if kind.startswith("ndjson"):
            records: Iterator[Record] = map(orjson.loads, file)
        else:
            records = _csv_records(_as_text(file), CONVERSIONS if kind == "csv-typed" else {})
        while chunk := list(islice(records, size)):
            yield chunk


def _open(path: str) -> BinaryIO:
    return gzip.open(path, "rb") if path.endswith(".gz") else open(path, "rb")  # type: ignore[return-value]


def _as_text(file: BinaryIO) -> TextIO:
    import io

    return io.TextIOWrapper(file, encoding="utf-8", newline="")


def _csv_records(file: TextIO, conversions: dict[str, Callable[[str], object]]) -> Iterator[Record]:
    for row in csv.DictReader(file):
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
