"""How fast CSV and Parquet could be if nothing had to be proven: polars reads, casts and encodes; the text is sent.

The JSON lines are never cut into records. No ids are looked at; no journal, no accounts; a null is sent as null.
"""

# mypy: disable-error-code="import-not-found"
# polars is a peer, not a dependency of the project.
from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice

import polars as pl

from benchmarks.peers.sending import body_of, run

RECORDS_PER_REQUEST = 10_000
CSV_LINES_AT_ONCE = 50_000
ID_COLUMN = "loan_id"
TYPES = {"emi_amount": pl.Float64, "emi_due_date": pl.Date, "dpd": pl.Int64, "risk": pl.Float64}


def bodies(kind: str, path: str) -> Iterator[bytes]:
    """Yield request bodies of 10,000 records or fewer."""
    frames = _parquet_frames(path) if kind.startswith("parquet") else _csv_frames(path, typed=kind == "csv-typed")
    for frame in frames:
        data = pl.struct(pl.exclude(ID_COLUMN)).alias("data")
        for part in frame.select(pl.col(ID_COLUMN).alias("id"), data).iter_slices(RECORDS_PER_REQUEST):
            yield body_of(part.write_ndjson().encode().rstrip(b"\n").replace(b"\n", b","))


def _parquet_frames(path: str) -> Iterator[pl.DataFrame]:
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(path, pre_buffer=False).iter_batches(5 * RECORDS_PER_REQUEST):
        frame = pl.from_arrow(batch)
        assert isinstance(frame, pl.DataFrame)
        yield frame


def _csv_frames(path: str, *, typed: bool) -> Iterator[pl.DataFrame]:
    with open(path, "rb") as file:
        columns = file.readline().decode().rstrip("\n").split(",")
        schema = {name: (TYPES if typed else {}).get(name, pl.String) for name in columns}
        while lines := b"".join(islice(file, CSV_LINES_AT_ONCE)):
            yield pl.read_csv(lines, has_header=False, schema=schema)


if __name__ == "__main__":
    run(bodies(*sys.argv[1:3]))
