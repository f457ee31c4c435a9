"""Small portfolios for acceptance tests: what is in the file, and what the server must hold afterwards."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

NAMES = ("Asha", "रमेश कुमार", "செல்வி", "রহিমা", "محمد", "Zoë", 'O\'Brien "Bob"', "李雷")

Portfolio = dict[str, dict[str, Any]]

NOTHING_HELD_BACK = {"max_superseded": "100%"}
"""A guard that lets the first records be sent before a hundred thousand were looked at."""


def portfolio(count: int, first: int = 0) -> Portfolio:
    """Return `count` records with text in several scripts."""
    return {
        f"loan_{number:06d}": {
            "first_name": NAMES[number % len(NAMES)],
            "phone_number": f"+9198{number:08d}",
            "emi_amount": 1000 + number % 500,
            "payment_status": "partial" if number % 3 else "paid",
        }
        for number in range(first, first + count)
    }


def ndjson_line(record_id: str, data: dict[str, Any]) -> bytes:
    """Return a canonical line."""
    return json.dumps({"id": record_id, "data": data}, ensure_ascii=False, separators=(",", ":")).encode()


def write_ndjson(path: Path, records: Portfolio | Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Write canonical lines."""
    pairs = records.items() if isinstance(records, dict) else records
    path.write_bytes(b"".join(ndjson_line(record_id, data) + b"\n" for record_id, data in pairs))


def write_csv(path: Path, records: Portfolio) -> None:
    """Write a CSV with the id in the column `loan_id`."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["loan_id", *next(iter(records.values()))])
        writer.writeheader()
        writer.writerows({"loan_id": record_id, **data} for record_id, data in records.items())


def write_parquet(path: Path, records: Portfolio) -> None:
    """Write a Parquet file with the id in the column `loan_id`."""
    import pyarrow
    import pyarrow.parquet

    rows = [{"loan_id": record_id, **data} for record_id, data in records.items()]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
