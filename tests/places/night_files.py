"""Portfolios as files: what an export of each format holds."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import zstandard
from pyarrow import parquet

from tests.places.night_contract import Loan, in_zone, texts_of

TYPES = {"emi": "number", "rate": "number", "days": "integer", "due": "date"}


def csv_of(portfolio: Sequence[Loan]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, Loan._fields)
    writer.writeheader()
    writer.writerows({"id": loan.id, **texts_of(loan)} for loan in portfolio)
    return out.getvalue().encode()


def ndjson_of(portfolio: Sequence[Loan]) -> bytes:
    """Write numbers as they are: a dump of floats would lose the last zero."""
    numbers = {"emi", "rate", "days"}
    lines = []
    for loan in portfolio:
        texts = {"id": loan.id, **texts_of(loan)}
        members = [
            f"{json.dumps(name)}:{text if name in numbers and text else json.dumps(text)}"
            for name, text in texts.items()
        ]
        lines.append("{" + ",".join(members) + "}\n")
    return "".join(lines).encode()


def arrow_of(portfolio: Sequence[Loan]) -> pa.Table:
    types = [pa.string(), pa.decimal128(12, 2), pa.float64(), pa.int64(), pa.date32(), pa.string()]
    *columns, seen = zip(*portfolio, strict=True)
    arrays = [pa.array(column, type_) for column, type_ in zip(columns, types, strict=True)]
    arrays.append(pa.array(map(in_zone, seen), pa.timestamp("us", "UTC")))
    return pa.table(arrays, names=Loan._fields)


def parquet_of(portfolio: Sequence[Loan]) -> bytes:
    out = io.BytesIO()
    parquet.write_table(arrow_of(portfolio), out, row_group_size=1_000)
    return out.getvalue()


FILES: Mapping[str, Callable[[Sequence[Loan]], bytes]] = {
    "csv": csv_of,
    "csv.gz": lambda portfolio: gzip.compress(csv_of(portfolio)),
    "ndjson": ndjson_of,
    "ndjson.zst": lambda portfolio: zstandard.compress(ndjson_of(portfolio)),
    "parquet": parquet_of,
}


def keys_of(suffix: str) -> dict[str, Any]:
    """Return what `[source]` must say of a format besides where it lies."""
    return {"types": TYPES} if suffix.startswith("csv") else {}
