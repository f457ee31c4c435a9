"""The data that benchmarks read: portfolios of 8 columns, about 150 bytes of JSON a record, the same on every machine.

They are made once, in a process of their own (`python -m benchmarks.inputs`), and kept below the system's directory for
temporary files: delete `engine-benchmarks-<uid>` there to get the space back.
"""

from __future__ import annotations

import argparse
import gzip
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import polars as pl

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
    blocks = _blocks(records, sorted_ids=sorted_ids, nulls=".nulls" in path.suffixes)
    new = path.with_name(path.name + ".new")
    with new.open("wb") as file:
        if path.suffix == ".parquet":
            _write_parquet(file, blocks)
        elif path.suffix == ".csv":
            for number, block in enumerate(blocks):
                block.write_csv(file, include_header=number == 0)
        elif path.suffix == ".gz":
            with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6, filename="", mtime=0) as packed:
                _write_ndjson(packed, blocks)
        else:
            _write_ndjson(file, blocks)
    new.rename(path)


def _blocks(records: int, *, sorted_ids: bool, nulls: bool) -> Iterator[pl.DataFrame]:
    """Yield the portfolio as frames. Every value follows from its row number."""
    import polars as pl

    for start in range(0, records, _BLOCK_RECORDS):
        end = min(start + _BLOCK_RECORDS, records)
        row = pl.int_range(start, end, dtype=pl.Int64, eager=True).alias("row")
        number = row if sorted_ids else row * _ID_STEP % _ID_RANGE
        frame = pl.DataFrame({"row": row, "number": number}).select(
            ("LN" + pl.col("number").cast(pl.String).str.zfill(8)).alias(ID_COLUMN),
            ((pl.col("row") * 7_919 % 900_000 + 100_000) / 100).alias("emi_amount"),
            (pl.lit("2026-12-01").str.to_date() + pl.duration(days=pl.col("row") % 28)).alias("emi_due_date"),
            _one_of("due", "paid", "overdue", "partial", step=31).alias("payment_status"),
            _one_of("hi", "en", "ta", "te", "mr", step=17).alias("language"),
            (pl.col("row") * 13 % 97).alias("dpd"),
            _one_of("N1", "N2", "S1", "S2", "E1", "W1", step=7).alias("zone"),
            ((pl.col("row") * 37 % 100) / 100).alias("risk"),
        )
        yield frame.with_columns(_one_in_five_null(frame)) if nulls else frame


def _one_of(*words: str, step: int) -> pl.Expr:
    import polars as pl

    return pl.lit(pl.Series(words)).gather(pl.col("row") * step % len(words))


def _one_in_five_null(frame: pl.DataFrame) -> list[pl.Expr]:
    """Return three of the columns with a fifth of their values missing, in many combinations."""
    import polars as pl

    row = pl.int_range(pl.len())
    return [
        pl.when(row // 5**place % 5 != place).then(pl.col(name)).alias(name)
        for place, name in enumerate(("emi_amount", "payment_status", "risk"))
    ]


def _write_ndjson(file: BinaryIO | gzip.GzipFile, blocks: Iterator[pl.DataFrame]) -> None:
    import polars as pl

    for block in blocks:
        data = pl.struct(pl.exclude(ID_COLUMN)).alias("data")
        file.write(block.select(pl.col(ID_COLUMN).alias("id"), data).write_ndjson().encode())


def _write_parquet(file: BinaryIO, blocks: Iterator[pl.DataFrame]) -> None:
    """Write row groups as pandas or Spark would: snappy, dictionaries, strings with 32-bit offsets."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    for block in blocks:
        table = block.to_arrow()
        schema = pa.schema([_plain(field) for field in table.schema])
        if writer is None:
            writer = pq.ParquetWriter(file, schema)
        writer.write_table(table.cast(schema))
    if writer is not None:
        writer.close()


def _plain(field: Any) -> Any:
    import pyarrow as pa

    is_text = pa.types.is_large_string(field.type) or pa.types.is_string_view(field.type)
    return field.with_type(pa.string()) if is_text else field


if __name__ == "__main__":
    _parser = argparse.ArgumentParser(prog="python -m benchmarks.inputs", description="Make one input file.")
    _parser.add_argument("path", type=Path)
    _parser.add_argument("records", type=int)
    _parser.add_argument("--sorted-ids", action="store_true")
    _args = _parser.parse_args()
    write(_args.path, _args.records, sorted_ids=_args.sorted_ids)
