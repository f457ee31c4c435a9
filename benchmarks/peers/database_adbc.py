"""ADBC's driver for PostgreSQL, whose batches are written as they come."""

from __future__ import annotations

import sys
from pathlib import Path

from adbc_driver_postgresql import dbapi
from pyarrow import parquet


def main(url: str, directory: str) -> None:
    """Write the table of loans as Parquet."""
    with dbapi.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM loans")
        reader = cursor.fetch_record_batch()
        with parquet.ParquetWriter(Path(directory) / "loans.parquet", reader.schema, compression="zstd") as writer:
            for batch in reader:
                writer.write_batch(batch)


if __name__ == "__main__":
    main(*sys.argv[1:])
