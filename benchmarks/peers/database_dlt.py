"""dlt, with a table of a database as its source and Parquet files as its destination."""

from __future__ import annotations

import os
import sys

import dlt
from dlt.sources.sql_database import sql_table


def main(url: str, directory: str) -> None:
    """Write the table of loans as Parquet."""
    with_password = url.replace("postgresql://reader@", f"postgresql+psycopg://reader:{os.environ['PGPASSWORD']}@")
    pipeline = dlt.pipeline(
        "loans",
        pipelines_dir=f"{directory}/pipelines",
        destination=dlt.destinations.filesystem(f"file://{directory}/out"),
        dataset_name="bank",
    )
    table = sql_table(with_password, table="loans", schema="public", backend="pyarrow", chunk_size=50_000)
    pipeline.run(table, loader_file_format="parquet")


if __name__ == "__main__":
    main(*sys.argv[1:])
