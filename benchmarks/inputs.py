"""The data that benchmarks read: about 150 bytes of JSON a record, the same on every machine.

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
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from benchmarks.flat_lines import FLAT_LINES, NULL_WORDS
from benchmarks.portfolio import ID_COLUMN, Row, next_night, rows, with_a_fifth_null

CSV_TYPES = {"emi_amount": "number", "emi_due_date": "date", "dpd": "integer", "risk": "number"}
"""The columns of the CSV files that are not text, as `source.types` has them."""

_BLOCK_RECORDS = 131_072


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of source: its name on the command line, its file's suffix, and its `[source]` settings."""

    name: str
    suffix: str
    about: str
    source: dict[str, Any] = field(default_factory=dict)

    @property
    def is_ndjson(self) -> bool:
        """Whether it has lines of JSON, which the accelerator reads."""
        return ".ndjson" in self.suffix


def _flat(name: str, about: str, shape: str = "id-first", **source: Any) -> Kind:
    """Return a kind of flat NDJSON. Kinds of one shape share their files."""
    return Kind(f"flat-{name}", f".flat-{shape}.ndjson", f"flat: {about}", {"id": ID_COLUMN, **source})


KINDS = {
    kind.name: kind
    for kind in (
        Kind("ndjson", ".ndjson", "NDJSON"),
        Kind("ndjson.gz", ".ndjson.gz", "NDJSON, gzip"),
        Kind("csv", ".csv", "CSV, all text", {"id": ID_COLUMN}),
        Kind("csv-typed", ".csv", "CSV, typed", {"id": ID_COLUMN, "types": CSV_TYPES}),
        Kind("parquet", ".parquet", "Parquet", {"id": ID_COLUMN}),
        Kind("parquet-nulls", ".nulls.parquet", "Parquet, a fifth null", {"id": ID_COLUMN}),
        _flat("id-first", "id first"),
        _flat("integer-ids", "integer ids", "integer-ids"),
        _flat("id-second", "id second", "id-second"),
        _flat("id-last", "id last", "id-last"),
        _flat("few-nulls", "2 % nulls", "few-nulls"),
        _flat("many-nulls", "a third nulls", "many-nulls"),
        _flat("nulls-sent", 'a third nulls, nulls = "send"', "many-nulls", nulls="send"),
        _flat("spaced", "json.dumps spacing", "spaced"),
        _flat("gaps", "missing and extra keys", "gaps"),
        _flat("non-ascii", "names in Devanagari, Tamil", "non-ascii"),
        _flat("escaped", "the same names, escaped", "escaped"),
        _flat("renamed", "exclude and rename", exclude=["zone"], rename={"emi_amount": "amount_due"}),
        _flat("fields", "fields", fields=["emi_amount", "emi_due_date", "payment_status"]),
        _flat("constants", "constants", constants={"feed": "nightly", "attempts": 0}),
        _flat("null-words", "null_values", "null-words", null_values=list(NULL_WORDS)),
        _flat("where", "where (half of the rows)", where={"payment_status": ["due", "overdue"]}),
    )
}

GROUPS = {"all": tuple(KINDS), "flat": tuple(name for name in KINDS if name.startswith("flat-"))}
"""Names of several kinds at once."""


def kinds_named(text: str) -> list[str]:
    """Return the kinds of a comma-separated list of names and groups.

    Raises:
        SystemExit: a name is unknown.
    """
    names = [kind for name in text.split(",") for kind in GROUPS.get(name, (name,))]
    unknown = [name for name in names if name not in KINDS]
    if unknown:
        raise SystemExit(f"kinds: {', '.join(unknown)}: there are {', '.join((*KINDS, *GROUPS))}")
    return list(dict.fromkeys(names))


def records_kept(kind: str, records: int) -> int:
    """Return how many of so many records are to be delivered: those that meet the kind's `where`."""
    where = KINDS[kind].source.get("where")
    if where is None:
        return records
    return sum(all(row[name] in texts for name, texts in where.items()) for row in rows(records))


def input_file(kind: str, records: int, *, sorted_ids: bool = False, is_next_night: bool = False) -> Path:
    """Return the file of that kind with so many records; it is made if it is not there yet.

    `is_next_night`: what the next export of these records holds (see `portfolio.py`).
    """
    order, night = "-sorted" if sorted_ids else "", "-next" if is_next_night else ""
    path = _directory() / f"portfolio-{records}{order}{night}{KINDS[kind].suffix}"
    if not path.exists():
        options = [*(["--sorted-ids"] if sorted_ids else []), *(["--next-night"] if is_next_night else [])]
        subprocess.run([sys.executable, "-m", "benchmarks.inputs", str(path), str(records), *options], check=True)
    return path


def _directory() -> Path:
    """Return where inputs are kept. It belongs to this user alone: nobody else can plant a file."""
    directory = Path(tempfile.gettempdir()) / f"engine-benchmarks-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    if directory.stat().st_uid != os.getuid():
        raise SystemExit(f"{directory} belongs to somebody else")
    return directory


def write(path: Path, records: int, *, sorted_ids: bool = False, is_next_night: bool = False) -> None:
    """Write a file of the format that its suffix names; it appears under its name only when it is complete."""
    portfolio = (next_night if is_next_night else rows)(records, sorted_ids=sorted_ids)
    contents = path.suffixes[-2].removeprefix(".") if len(path.suffixes) > 1 else ""
    new = path.with_name(path.name + ".new")
    with new.open("wb") as file:
        if path.suffix == ".parquet":
            _write_parquet(file, with_a_fifth_null(portfolio) if contents == "nulls" else portfolio)
        elif path.suffix == ".csv":
            _write_csv(file, portfolio)
        elif path.suffix == ".gz":
            with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6, filename="", mtime=0) as packed:
                packed.writelines(_lines(portfolio))
        elif contents.startswith("flat-"):
            file.writelines(line + b"\n" for line in FLAT_LINES[contents.removeprefix("flat-")](portfolio))
        else:
            file.writelines(_lines(portfolio))
    new.rename(path)


def _lines(portfolio: Iterator[Row]) -> Iterator[bytes]:
    for row in portfolio:
        yield orjson.dumps({"id": row.pop(ID_COLUMN), "data": row}, option=orjson.OPT_APPEND_NEWLINE)


def _write_csv(file: BinaryIO, portfolio: Iterator[Row]) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    first = next(portfolio)
    writer = csv.DictWriter(text, list(first), lineterminator="\n")
    writer.writeheader()
    writer.writerow(first)
    writer.writerows(portfolio)
    text.detach()


def _write_parquet(file: BinaryIO, portfolio: Iterator[Row]) -> None:
    """Write row groups as pandas or Spark would: snappy, dictionaries, strings with 32-bit offsets."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers = {"emi_amount": pa.float64(), "emi_due_date": pa.date32(), "dpd": pa.int64(), "risk": pa.float64()}
    names = (ID_COLUMN, "emi_amount", "emi_due_date", "payment_status", "language", "dpd", "zone", "risk")
    schema = pa.schema([(name, numbers.get(name, pa.string())) for name in names])
    with pq.ParquetWriter(file, schema) as writer:
        while some := list(islice(portfolio, _BLOCK_RECORDS)):
            writer.write_table(pa.Table.from_pylist(some, schema))


if __name__ == "__main__":
    _parser = argparse.ArgumentParser(prog="python -m benchmarks.inputs", description="Make one input file.")
    _parser.add_argument("path", type=Path)
    _parser.add_argument("records", type=int)
    _parser.add_argument("--sorted-ids", action="store_true")
    _parser.add_argument("--next-night", action="store_true")
    _args = _parser.parse_args()
    write(_args.path, _args.records, sorted_ids=_args.sorted_ids, is_next_night=_args.next_night)
