"""dlt with a custom destination. `tuned` as its performance page advises; `arrow` reads Parquet as Arrow tables."""

# mypy: disable-error-code="import-not-found, import-untyped, untyped-decorator, misc"
# dlt is a peer, not a dependency of the project.

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

MODE = sys.argv[4]  # default, tuned or arrow

with tempfile.TemporaryDirectory() as _directory:
    os.environ.update(
        DLT_DATA_DIR=_directory,
        RUNTIME__DLTHUB_TELEMETRY="false",
        RUNTIME__LOG_LEVEL="ERROR",
        LOAD__WORKERS="8",
        LOAD__DELETE_COMPLETED_JOBS="true",
    )
    if MODE != "default":
        os.environ.update(
            DATA_WRITER__BUFFER_MAX_ITEMS="50000",
            DATA_WRITER__FILE_MAX_ITEMS="250000",
            DATA_WRITER__DISABLE_COMPRESSION="true",
            NORMALIZE__WORKERS="2",
        )

    import dlt
    import requests

    from benchmarks.peers.reading import ID_COLUMN, record_chunks

    session = requests.Session()
    session.trust_env = False

    def put(records: list[dict[str, Any]]) -> None:
        """Send one chunk."""
        reply = session.put(
            os.environ["BENCH_URL"] + "/customer-data/bulk",
            json={"campaignId": os.environ["BENCH_CAMPAIGN"], "records": records},
            headers={"Authorization": f"Bearer {os.environ['BENCH_TOKEN']}"},
            timeout=120,
        )
        reply.raise_for_status()

    @dlt.destination(
        batch_size=10_000,
        loader_file_format="parquet" if MODE == "arrow" else "typed-jsonl",
        naming_convention="direct",
        skip_dlt_columns_and_tables=True,
    )
    def bulk_api(items: Any, table: Any) -> None:
        """Send what dlt has loaded, ten thousand rows at a time."""
        if MODE == "arrow":
            items = items.to_pylist()
            for row in items:
                row["emi_due_date"] = str(row["emi_due_date"])
        put([{"id": row.pop(ID_COLUMN), "data": row} for row in items])

    @dlt.resource(name="portfolio", max_table_nesting=0)
    def portfolio() -> Iterator[Any]:
        """Yield the file in pages."""
        if MODE == "arrow":
            import pyarrow.parquet as pq

            yield from pq.ParquetFile(sys.argv[2]).iter_batches(50_000)
            return
        for records in record_chunks(sys.argv[1], sys.argv[2], 10_000):
            yield [{ID_COLUMN: record["id"], **record["data"]} for record in records]

    if __name__ == "__main__":
        dlt.pipeline("bench", destination=bulk_api, pipelines_dir=_directory).run(portfolio)
