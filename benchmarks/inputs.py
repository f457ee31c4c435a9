"""The data that benchmarks read: portfolios of 8 columns, about 150 bytes of JSON a record, the same on every machine.

They are made once, in a process of their own (`python -m benchmarks.inputs`), and kept below the system's directory for
temporary files: delete `engine-benchmarks-<uid>` there to get the space back.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import orjson

ID_COLUMN = "loan_id"
CSV_TYPES = {"emi_amount": "number", "emi_due_date": "date", "dpd": "integer", "risk": "number"}
"""The columns of the CSV files that are not text, as `source.types` has them."""

_BLOCK_RECORDS = 131_072
_ID_STEP, _ID_RANGE = 61_803_399, 100_000_000
"""Ids step through their range by a number without a common factor, so that neighbours are far apart and all differ."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of source: its name on the command line, its file's suffix, and its `[source]` settings."""

    name: str
    suffix: str
    about: str
    source: dict[str, Any]


KINDS = {
    kind.name: kind
    for kind in (
        Kind("ndjson", ".ndjson", "NDJSON", {}),
        Kind("ndjson.gz", ".ndjson.gz", "NDJSON, gzip", {}),
        Kind("csv", ".csv", "CSV, all text", {"id": ID_COLUMN}),
        Kind("csv-typed", ".csv", "CSV, typed", {"id": ID_COLUMN, "types": CSV_TYPES}),
        Kind("parquet", ".parquet", "Parquet", {"id": ID_COLUMN}),
        Kind("parquet-nulls", ".nulls.parquet", "Parquet, a fifth null", {"id": ID_COLUMN}),
    )
}


def input_file(kind: str, records: int, *, sorted_ids: bool = False) -> Path:
    """Return the file of that kind with so many records; it is made if it is not there yet."""
    order = "-sorted" if sorted_ids else ""
    path = _directory() / f"portfolio-{records}{order}{KINDS[kind].suffix}"
    if not path.exists():
        options = ["--sorted-ids"] if sorted_ids else []
        subprocess.run([sys.executable, "-m", "benchmarks.inputs", str(path), str(records), *options], check=True)
    return path


def _directory() -> Path:
    """Return where inputs are kept. It belongs to this user alone: nobody else can plant a file."""
    directory = Path(tempfile.gettempdir()) / f"engine-benchmarks-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    if directory.stat().st_uid != os.getuid():
        raise SystemExit(f"{directory} belongs to somebody else")
    return directory


def write(path: Path, records: int, *, sorted_ids: bool = False) -> None:
    """Write a file of the format that its suffix names; it appears under its name only when it is complete."""
    rows = _rows(records, sorted_ids=sorted_ids)
    new = path.with_name(path.name + ".new")
    with new.open("wb") as file:
        if path.suffix == ".parquet":
            _write_parquet(file, _with_nulls(rows) if ".nulls" in path.suffixes else rows)
        elif path.suffix == ".csv":
            _write_csv(file, rows)
        elif path.suffix == ".gz":
            with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6, filename="", mtime=0) as packed:
                packed.writelines(_lines(rows))
        else:
            file.writelines(_lines(rows))
    new.rename(path)


Row = dict[str, Any]


def _rows(records: int, *, sorted_ids: bool) -> Iterator[Row]:
    """Yield the portfolio. Every value follows from its row number."""
    first_due = date(2026, 12, 1)
    due_dates = [first_due + timedelta(days=day) for day in range(28)]
    for row in range(records):
        number = row if sorted_ids else row * _ID_STEP % _ID_RANGE
        yield {
            ID_COLUMN: f"LN{number:08}",
            "emi_amount": (row * 7_919 % 900_000 + 100_000)
            * 0.01,  # with the noise of computed numbers: 1871.0900000000001
            "emi_due_date": due_dates[row % 28],
            "payment_status": ("due", "paid", "overdue", "partial")[row * 31 % 4],
            "language": ("hi", "en", "ta", "te", "mr")[row * 17 % 5],
            "dpd": row * 13 % 97,
            "zone": ("N1", "N2", "S1", "S2", "E1", "W1")[row * 7 % 6],
            "risk": row * 37 % 100 * 0.01,
        }


def _with_nulls(rows: Iterator[Row]) -> Iterator[Row]:
    """Yield the rows with a fifth of the values of three columns missing, in many combinations."""
    for number, row in enumerate(rows):
        for place, name in enumerate(("emi_amount", "payment_status", "risk")):
            if number // 5**place % 5 == place:
                row[name] = None
        yield row


def _lines(rows: Iterator[Row]) -> Iterator[bytes]:
    for row in rows:
        yield orjson.dumps({"id": row.pop(ID_COLUMN), "data": row}, option=orjson.OPT_APPEND_NEWLINE)


def _write_csv(file: BinaryIO, rows: Iterator[Row]) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    first = next(rows)
    writer = csv.DictWriter(text, list(first), lineterminator="\n")
    writer.writeheader()
    writer.writerow(first)
    writer.writerows(rows)
    text.detach()


def _write_parquet(file: BinaryIO, rows: Iterator[Row]) -> None:
    """Write row groups as pandas or Spark would: snappy, dictionaries, strings with 32-bit offsets."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers = {"emi_amount": pa.float64(), "emi_due_date": pa.date32(), "dpd": pa.int64(), "risk": pa.float64()}
    names = (ID_COLUMN, "emi_amount", "emi_due_date", "payment_status", "language", "dpd", "zone", "risk")
    schema = pa.schema([(name, numbers.get(name, pa.string())) for name in names])
    with pq.ParquetWriter(file, schema) as writer:
        while some := list(islice(rows, _BLOCK_RECORDS)):
            writer.write_table(pa.Table.from_pylist(some, schema))


if __name__ == "__main__":
    _parser = argparse.ArgumentParser(prog="python -m benchmarks.inputs", description="Make one input file.")
    _parser.add_argument("path", type=Path)
    _parser.add_argument("records", type=int)
    _parser.add_argument("--sorted-ids", action="store_true")
    _args = _parser.parse_args()
    write(_args.path, _args.records, sorted_ids=_args.sorted_ids)
